/*
 * `git.signalbox.invalid`: the only git remote a sandbox has. Smart HTTP (gitprotocol-http(5)).
 *
 *   fetch: upload-pack over the session's mirror, straight through.
 *   push:  commands ─► checks ─► pack into quarantine ─► one invocation a ref ─► the gate
 *             allowed and pushed within `waitMs` ─► "ok"
 *             still waiting for a person         ─► "ng … awaits approval", and it is pushed later
 *             denied                             ─► "ng … denied"
 *
 * `waitMs` (5 min) stays below the ten minutes after which our agents end a shell command.
 * The caller is known by the socket it came through; nothing in the request can name another session.
 */
import { git, gitEnvironment } from "@signalbox/providers/forge/git/run";
import { ZERO_COMMIT } from "@signalbox/providers/forge/port";
import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { PassThrough, pipeline as pipe, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { ingestPack, isConnected } from "./mirror.ts";
import {
  FLUSH,
  isPushableRef,
  parsePushHeader,
  pktLine,
  progressLine,
  pushHeaderEnd,
  report,
  type PushHeader,
  type RefCommand,
  type RefReport,
} from "./pkt-line.ts";

export interface GitProxyDeps {
  /** The mirror of a session, or null when it has none (scratch) or has ended. */
  mirrorOf(sessionId: string): Promise<string | null>;
  /** Puts one ref update before the gate and waits. `progress` reaches the agent's terminal. */
  push(
    sessionId: string,
    directory: string,
    command: RefCommand,
    options: { signal: AbortSignal; progress: (text: string) => void },
  ): Promise<RefReport>;
}

export interface GitIdentity {
  readonly sessionId: string;
}

/** Commands come before the pack and are small; a client that sends more is not git. */
const MAX_HEADER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 5_000;
/** Each costs the host a git process; an agent has no use for more at a time. */
const MAX_REQUESTS_PER_SESSION = 8;

export function gitProxy(deps: GitProxyDeps) {
  const open = new Map<string, number>();

  return async function handle(request: IncomingMessage, response: ServerResponse, identity: GitIdentity): Promise<void> {
    const { sessionId } = identity;
    const others = open.get(sessionId) ?? 0;
    if (others >= MAX_REQUESTS_PER_SESSION) return answer(response, 503, "Too many git requests at once: wait for the others to end.");
    open.set(sessionId, others + 1);
    try {
      await serve(request, response, identity);
    } finally {
      const left = open.get(sessionId)! - 1;
      if (left === 0) open.delete(sessionId);
      else open.set(sessionId, left);
    }
  };

  async function serve(request: IncomingMessage, response: ServerResponse, identity: GitIdentity): Promise<void> {
    const url = new URL(request.url ?? "/", "http://git.signalbox.invalid");
    const directory = await deps.mirrorOf(identity.sessionId);
    if (directory === null) return answer(response, 404, "This session has no repository.");
    const service = url.searchParams.get("service");
    if (
      request.method === "GET" &&
      url.pathname === "/repo.git/info/refs" &&
      (service === "git-upload-pack" || service === "git-receive-pack")
    ) {
      return advertise(response, directory, service, String(request.headers["git-protocol"] ?? ""));
    }
    // Not `request.pipe`: a request that is cut must end the body as well. Whoever reads it hears of the error.
    const body = request.headers["content-encoding"] === "gzip" ? pipe(request, createGunzip(), () => undefined) : request;
    if (request.method === "POST" && url.pathname === "/repo.git/git-upload-pack") return uploadPack(request, body, response, directory);
    if (request.method === "POST" && url.pathname === "/repo.git/git-receive-pack")
      return receivePack(body, response, directory, identity, deps);
    return answer(response, 404, "The only repository here is http://git.signalbox.invalid/repo.git");
  }
}

async function advertise(
  response: ServerResponse,
  directory: string,
  service: "git-upload-pack" | "git-receive-pack",
  protocol: string,
): Promise<void> {
  // Version 2 is for fetching only; a push is always answered in version 0.
  const version = service === "git-upload-pack" && /^version=[012]$/.test(protocol) ? { GIT_PROTOCOL: protocol } : {};
  const listed = await git([service.slice("git-".length), "--http-backend-info-refs", directory], { env: version });
  if (listed.exitCode !== 0) return answer(response, 500, "The repository could not be read.");
  response.writeHead(200, { "content-type": `application/x-${service}-advertisement`, "cache-control": "no-store" });
  response.end(Buffer.concat([pktLine(`# service=${service}\n`), FLUSH, listed.stdout]));
}

async function uploadPack(request: IncomingMessage, body: Readable, response: ServerResponse, directory: string): Promise<void> {
  const protocol = String(request.headers["git-protocol"] ?? "");
  const child = spawn("git", ["upload-pack", "--stateless-rpc", "--strict", "--timeout=60", directory], {
    env: { ...gitEnvironment(), ...(/^version=[012]$/.test(protocol) ? { GIT_PROTOCOL: protocol } : {}) },
    stdio: ["pipe", "pipe", "ignore"],
  });
  response.on("close", () => child.kill());
  child.on("error", () => response.destroy());
  response.writeHead(200, { "content-type": "application/x-git-upload-pack-result", "cache-control": "no-store" });
  // Either side may go first: git ends its input early once it knows what is wanted.
  const fed = pipeline(body, child.stdin).catch(() => undefined);
  await pipeline(child.stdout, response).catch(() => response.destroy());
  await fed;
}

async function receivePack(
  body: Readable,
  response: ServerResponse,
  directory: string,
  identity: GitIdentity,
  deps: GitProxyDeps,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  let header: PushHeader;
  let pack: Readable;
  try {
    ({ header, pack } = await readHeader(body));
  } catch (error) {
    return answer(response, 400, error instanceof Error ? error.message : "not a push");
  }
  // `git push` first sends an empty request to see whether it must log in (http.postBuffer).
  response.writeHead(200, { "content-type": "application/x-git-receive-pack-result", "cache-control": "no-store" });
  if (header.commands.length === 0) {
    response.end(FLUSH);
    return;
  }
  const sideBand = header.capabilities.has("side-band-64k");
  const progress = (text: string): void => void (sideBand && response.write(progressLine(text)));
  // An empty side-band packet, as git itself sends, keeps proxies from giving up on a long decision.
  const keepAlive = setInterval(() => sideBand && response.write(pktLine(Buffer.of(2))), KEEP_ALIVE_MS);
  try {
    if (header.commands.some((command) => command.new !== ZERO_COMMIT)) await ingestPack(directory, pack, gone.signal);
    // All at once: a person is asked about each ref, and the agent waits once, not once a ref.
    response.end(report("ok", await Promise.all(header.commands.map(one)), sideBand));
  } catch (error) {
    const reason = error instanceof Error ? error.message : "failed";
    response.end(
      report(
        reason.slice(0, 200).replaceAll("\n", " "),
        header.commands.map(({ ref }) => ({ ref, ok: false, reason: "unpacker error" })),
        sideBand,
      ),
    );
  } finally {
    clearInterval(keepAlive);
  }

  async function one(command: RefCommand): Promise<RefReport> {
    const no = (reason: string): RefReport => ({ ref: command.ref, ok: false, reason });
    if (!isPushableRef(command.ref)) return no("only branches and tags can be pushed");
    if (header.commands.filter(({ ref }) => ref === command.ref).length > 1) return no("the ref is named twice in one push");
    try {
      if (command.new !== ZERO_COMMIT && !(await isConnected(directory, command.new))) return no("missing objects");
      return await deps.push(identity.sessionId, directory, command, { signal: gone.signal, progress });
    } catch (error) {
      // One ref's fault is not the others'; they may be waiting for a person.
      return no(error instanceof Error ? error.message.slice(0, 200) : "failed");
    }
  }
}

/** Splits a push into its commands and the stream of its pack. */
async function readHeader(body: Readable): Promise<{ header: PushHeader; pack: Readable }> {
  let bytes = Buffer.alloc(0);
  let chunks: Buffer[] = [];
  let size = 0;
  let scanned = { at: 0, needs: 4 };
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    // Joined only when the next line is whole: byte by byte it would be copied over and over.
    if (size >= scanned.needs) {
      bytes = Buffer.concat([bytes, ...chunks]);
      chunks = [];
      const end = pushHeaderEnd(bytes, scanned.at);
      if (typeof end === "number") {
        const header = parsePushHeader(bytes.subarray(0, end));
        if (header === "incomplete") throw new Error("not a push");
        const pack = new PassThrough();
        if (end < bytes.length) pack.write(bytes.subarray(end));
        body.on("error", (error) => pack.destroy(error)).pipe(pack);
        return { header, pack };
      }
      scanned = end;
    }
    if (size > MAX_HEADER_BYTES) throw new Error("the ref updates before the pack are too long");
  }
  throw new Error("the push ended before its commands did");
}

function answer(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${message}\n`);
}
