/* A real sshd (Debian: openssh-server) for the user who runs the test, with a key of its own and one that it lets in. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import path from "node:path";
import { freePort, greets } from "./port.ts";

export interface SshServer {
  /** `user@127.0.0.1:port`, for an ssh:// address. */
  readonly authority: string;
  /** Lets its owner in. */
  readonly keyFile: string;
  /** Does not. */
  readonly strangersKeyFile: string;
  readonly knownHostsFile: string;
  stop(): Promise<void>;
}

const PROGRAM = "/usr/sbin/sshd";
export const sshServerProgram = (): string | null => (existsSync(PROGRAM) && existsSync("/usr/bin/ssh") ? PROGRAM : null);

/** `directory`: of the test's own. */
export async function startSshServer(directory: string): Promise<SshServer> {
  const at = (name: string): string => path.join(directory, name);
  for (const name of ["host", "key", "stranger"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", at(name)]);
  await copyFile(at("key.pub"), at("authorized_keys"));
  // Where sshd as root separates its privileges; a machine that starts none at boot has no such directory.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const port = await freePort();
  await writeFile(
    at("sshd_config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey "${at("host")}"`,
      `AuthorizedKeysFile "${at("authorized_keys")}"`,
      "StrictModes no",
      "UsePAM no",
      "UseDNS no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin prohibit-password",
      "PidFile none",
      "LogLevel ERROR",
      "",
    ].join("\n"),
  );
  const hostKey = (await readFile(at("host.pub"), "utf8")).split(" ").slice(0, 2).join(" ");
  await writeFile(at("known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  const child = spawn(PROGRAM, ["-D", "-e", "-f", at("sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  for (const deadline = Date.now() + 20_000; !(await greets(port));) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`sshd did not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    authority: `${userInfo().username}@127.0.0.1:${port}`,
    keyFile: at("key"),
    strangersKeyFile: at("stranger"),
    knownHostsFile: at("known_hosts"),
    async stop() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}
