/*
 * git on the host, with nothing of the host's configuration in it: no system or user config, no
 * hooks, no prompts, no transports but file and http(s). What a repository says about itself
 * must not run a program here.
 */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface GitOptions {
  readonly cwd?: string | undefined;
  readonly stdin?: Readable | Buffer | string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Beyond it the process is killed and the call fails; default 64 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** A git-credentials(5) file, read by git alone. */
  readonly credentialsFile?: string | undefined;
}

const SAFE_CONFIG = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.askPass=",
  "protocol.allow=never",
  "protocol.file.allow=always",
  "protocol.http.allow=always",
  "protocol.https.allow=always",
  "http.followRedirects=initial",
  "http.lowSpeedLimit=1000",
  "http.lowSpeedTime=30",
  "gc.auto=0",
  "maintenance.auto=false",
  // The repository may belong to another user than the server; reading refs and objects of it is all that happens.
  "safe.directory=*",
];

export const gitEnvironment = (credentialsFile?: string): Record<string, string> => {
  const config = [
    ...SAFE_CONFIG,
    ...(credentialsFile === undefined
      ? []
      : ["credential.helper=", `credential.helper=store --file='${credentialsFile.replaceAll("'", "'\\''")}'`]),
  ];
  const env: Record<string, string> = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_COUNT: String(config.length),
  };
  config.forEach((entry, i) => {
    const at = entry.indexOf("=");
    env[`GIT_CONFIG_KEY_${i}`] = entry.slice(0, at);
    env[`GIT_CONFIG_VALUE_${i}`] = entry.slice(at + 1);
  });
  return env;
};

/** As timeout(1) exits. */
const TIMED_OUT = 124;

/**
 * Never throws for a non-zero exit, and a git that takes too long is one; rejects when git cannot be
 * started, is aborted, or says too much.
 */
export function git(argv: readonly string[], options: GitOptions = {}): Promise<GitResult> {
  const limit = options.maxOutputBytes ?? 64 * 1024 * 1024;
  const timeoutMs = options.timeoutMs ?? 120_000;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  return new Promise((resolve, reject) => {
    const child = spawn("git", argv, {
      cwd: options.cwd ?? "/",
      env: { ...gitEnvironment(options.credentialsFile), ...options.env },
      signal,
      killSignal: "SIGKILL",
      stdio: ["pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    let size = 0;
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) child.kill("SIGKILL");
      else out.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (err.length < 16_384) err += chunk.toString();
    });
    child.on("error", (cause) => {
      // Not at "close": a helper of git's own that hangs on the network may hold the pipes for minutes.
      if (timeout.aborted && !options.signal?.aborted)
        resolve({ exitCode: TIMED_OUT, stdout: Buffer.concat(out), stderr: `git took longer than ${timeoutMs / 1000} s` });
      else reject(new Error(`git ${argv[0] === "-C" ? argv[2] : argv[0]} did not run`, { cause }));
    });
    child.on("close", (code) => {
      if (size > limit) reject(new Error(`git ${argv[0]} printed more than ${limit} bytes`));
      else resolve({ exitCode: code ?? 128, stdout: Buffer.concat(out), stderr: err });
    });
    // git may end before it has read everything; its exit code says what that means.
    child.stdin.on("error", () => undefined);
    const { stdin } = options;
    if (stdin === undefined) child.stdin.end();
    else if (typeof stdin === "string" || Buffer.isBuffer(stdin)) child.stdin.end(stdin);
    else stdin.on("error", (error) => child.stdin.destroy(error)).pipe(child.stdin);
  });
}

/** stdout of a git command that must succeed. */
export async function gitText(argv: readonly string[], options: GitOptions = {}): Promise<string> {
  const result = await git(argv, options);
  if (result.exitCode !== 0)
    throw new Error(`git ${argv.slice(0, 3).join(" ")} failed (${result.exitCode}): ${withoutCredentials(result.stderr.trim())}`);
  return result.stdout.toString().trimEnd();
}

/** `https://user:secret@host` never reaches a message. */
export const withoutCredentials = (text: string): string => text.replaceAll(/(https?:\/\/)[^\s/@]*@/g, "$1");
