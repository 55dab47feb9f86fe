/*
 * Can bubblewrap make a sandbox here? Answered by making the smallest one, because every way in which it may be
 * forbidden (no binary, AppArmor, seccomp of a container, sysctl) looks different and only the attempt is certain.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { ProviderCheck } from "../port.ts";

export async function checkBubblewrap(context: { asRoot: boolean; prepare: () => Promise<unknown> }): Promise<ProviderCheck> {
  if (process.platform !== "linux") {
    return {
      ok: false,
      reason: `bubblewrap needs Linux, this is ${process.platform}`,
      fix: "Use a Linux machine, or a virtual machine with one.",
    };
  }
  if (!existsSync("/usr/bin/bwrap")) {
    return { ok: false, reason: "bubblewrap is not installed", fix: "apt-get install -y bubblewrap" };
  }
  const drop = context.asRoot
    ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--no-new-privs"]
    : [];
  const argv = [
    ...drop,
    "/usr/bin/bwrap",
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--disable-userns",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "/usr/bin/true",
  ];
  const failure = await new Promise<string | null>((resolve) => {
    execFile(argv[0]!, argv.slice(1), { timeout: 5000 }, (error, _stdout, stderr) =>
      resolve(error ? stderr.trim() || error.message : null),
    );
  });
  if (failure !== null) return { ok: false, reason: `bubblewrap cannot start a sandbox: ${failure}`, fix: fixFor(failure) };
  try {
    await context.prepare();
  } catch (error) {
    return {
      ok: false,
      reason: `the data directory cannot be prepared: ${error instanceof Error ? error.message : String(error)}`,
      fix: "Choose a writable data directory with --data-dir.",
    };
  }
  return { ok: true };
}

function fixFor(failure: string): string {
  if (readSysctl("kernel/apparmor_restrict_unprivileged_userns") === "1") return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  if (readSysctl("kernel/unprivileged_userns_clone") === "0") return "sysctl -w kernel.unprivileged_userns_clone=1";
  if (readSysctl("user/max_user_namespaces") === "0") return "sysctl -w user.max_user_namespaces=15000";
  if (/unknown option/i.test(failure)) return "apt-get install -y bubblewrap (0.8 or newer is needed)";
  return "In a container, run it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or use a machine that allows user namespaces.";
}

function readSysctl(name: string): string | null {
  const path = `/proc/sys/${name}`;
  return existsSync(path) ? readFileSync(path, "utf8").trim() : null;
}
