/* Looks at everything that Signalbox needs, and says for each missing thing the one command that mends it. */
import { getHealth, type HealthView } from "@signalbox/contract/system";
import { createClient } from "@signalbox/client/client";
import { execFile } from "node:child_process";
import { access, constants, statfs } from "node:fs/promises";
import { promisify } from "node:util";
import type { Command } from "commander";
import type { z } from "zod";
import { action, type Context } from "../command.ts";
import { dataDirectory, serverAddress } from "../config.ts";
import { EXIT } from "../user-error.ts";

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix: string | null;
}

const run = promisify(execFile);
const LITTLE_DISK_BYTES = 2 * 1024 ** 3;

export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .description("check what Signalbox needs on this machine; exit code 1 when something is missing")
    .action(
      action(async ({ terminal, flags }: Context) => {
        const findings = [node(), await git(), await isolation(), await dataDir(flags.dataDir), ...(await server(flags))];
        const text = findings.map(
          (one) =>
            `${one.ok ? terminal.style("green", "ok  ") : terminal.style("red", "FAIL")}  ${one.name}: ${one.detail}${one.fix === null ? "" : `\n        fix: ${one.fix}`}`,
        );
        terminal.result({ ok: findings.every((one) => one.ok), findings }, text.join("\n"));
        return findings.every((one) => one.ok) ? EXIT.ok : EXIT.failed;
      }),
    );
}

const fine = (name: string, detail: string): Finding => ({ name, ok: true, detail, fix: null });
const bad = (name: string, detail: string, fix: string): Finding => ({ name, ok: false, detail, fix });

function node(): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  return major >= 24
    ? fine("Node", process.version)
    : bad("Node", `${process.version} runs this; the product is tested on 24`, "npm start (it brings its own Node 24)");
}

async function git(): Promise<Finding> {
  try {
    return fine("git", (await run("git", ["--version"])).stdout.trim());
  } catch {
    return bad("git", "not found", "apt-get install git");
  }
}

/** Not whether the program is there, but whether it can make an isolated process here. */
async function isolation(): Promise<Finding> {
  if (process.platform !== "linux")
    return bad("isolation", `bubblewrap needs Linux; this is ${process.platform}`, "run Signalbox on Linux or in a Linux virtual machine");
  try {
    await run("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"]);
    return fine("isolation", (await run("bwrap", ["--version"])).stdout.trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      return bad("isolation", "bubblewrap is not installed", "apt-get install bubblewrap");
    return bad(
      "isolation",
      "bubblewrap may not make namespaces here",
      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or run the container with seccomp=unconfined",
    );
  }
}

async function dataDir(flag?: string): Promise<Finding> {
  const path = dataDirectory(flag);
  try {
    await access(path, constants.W_OK);
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === "ENOENT";
    return absent
      ? fine("data directory", `${path} will be made by the first start`)
      : bad("data directory", `${path} is not writable`, `chown -R $(id -u) ${path}`);
  }
  const disk = await statfs(path);
  const free = disk.bavail * disk.bsize;
  return free > LITTLE_DISK_BYTES
    ? fine("data directory", `${path}, ${(free / 1024 ** 3).toFixed(0)} GiB free`)
    : bad("data directory", `only ${(free / 1024 ** 2).toFixed(0)} MiB free at ${path}`, "free some disk space");
}

async function server(flags: Context["flags"]): Promise<Finding[]> {
  let address: { url: string; token: string };
  try {
    address = serverAddress(flags);
  } catch {
    return [fine("server", "none is running here (start it with npm start)")];
  }
  let health: z.infer<typeof HealthView>;
  try {
    health = await createClient({ baseUrl: address.url, token: address.token }).call(getHealth, { signal: AbortSignal.timeout(5_000) });
  } catch (error) {
    return [bad("server", `${address.url}: ${error instanceof Error ? error.message : String(error)}`, "npm start")];
  }
  return [
    fine("server", `${address.url}, version ${health.version}`),
    ...health.parts.map((part) =>
      part.ok ? fine(part.name, part.detail ?? "works") : bad(part.name, part.detail ?? "does not work", "look into the server's log"),
    ),
  ];
}
