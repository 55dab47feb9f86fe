/*
 * The processes of a start: what is spawned, with which environment, and how the inner one is found.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import { INSIDE } from "@signalbox/sandboxd/wire";
import { INFO_FD } from "./arguments.ts";
import { covering } from "./descriptors.ts";
import { identify, type ProcessIdentity } from "./identity.ts";
import { CA_BUNDLE } from "./layout.ts";

export function insideEnvironment(): { [name: string]: string } {
  const proxy = `http://127.0.0.1:${INSIDE.proxyPort}`;
  return {
    PATH: `${INSIDE.tools}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin`,
    HOME: INSIDE.home,
    USER: "sbx",
    LOGNAME: "sbx",
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    TERM: "xterm-256color",
    TMPDIR: "/tmp",
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    http_proxy: proxy,
    https_proxy: proxy,
    NO_PROXY: "localhost,127.0.0.1,::1",
    no_proxy: "localhost,127.0.0.1,::1",
    // Node's own fetch ignores the proxy otherwise and fails with EAI_AGAIN.
    NODE_USE_ENV_PROXY: "1",
    NODE_EXTRA_CA_CERTS: CA_BUNDLE,
    SSL_CERT_FILE: CA_BUNDLE,
    GIT_TERMINAL_PROMPT: "0",
  };
}

export function startOuter(argv: string[], log: string, seccomp: string | null, inherited: number[]): ChildProcess {
  const [program, ...rest] = argv;
  const out = openSync(log, "a", 0o600);
  const filter = seccomp === null ? null : openSync(seccomp, "r");
  try {
    // A session of its own: Ctrl-C in the server's terminal must not reach the sandbox before the server decides.
    const stdio = covering(["ignore", out, out, "pipe", filter ?? "ignore"], inherited);
    return spawn(program!, rest, { cwd: "/", env: { PATH: "/usr/bin:/bin" }, detached: true, stdio });
  } finally {
    closeSync(out);
    if (filter !== null) closeSync(filter);
  }
}

export async function innerProcess(outer: ChildProcess): Promise<ProcessIdentity> {
  const info = outer.stdio[INFO_FD] as Readable;
  const read = (async () => {
    let text = "";
    for await (const chunk of info as AsyncIterable<Buffer>) {
      text += chunk.toString("utf8");
      if (text.includes("}")) break;
    }
    return text;
  })();
  const text = await Promise.race([read, exitOf(outer)]);
  const pid = (JSON.parse(text) as { "child-pid"?: unknown })["child-pid"];
  if (typeof pid !== "number") throw new Error("bubblewrap named no child pid");
  const identity = identify(pid);
  if (!identity) throw new Error("bubblewrap's child ended at once");
  return identity;
}

export function exitOf(child: ChildProcess): Promise<never> {
  const exit = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`bubblewrap ended with ${code ?? signal}`)));
  });
  exit.catch(() => undefined);
  return exit;
}
