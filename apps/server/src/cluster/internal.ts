/*
 * What one process asks of another: a route of the contract whose session another process holds is passed on to it,
 * signed, with the caller that was admitted here.
 *
 *   client ──► api: authenticate, authorize ──► holder of params.id? ── this process, or nobody ──► its own handler
 *                                                     └─ another ──► /internal<the same path> ──► that one's handler
 *
 * The answer goes back as it came. An internal path is never passed on again, so a request cannot go in circles.
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Route } from "@signalbox/contract/route";
import { z } from "zod";
import type { Caller } from "../http/handle.ts";
import { ShellRefused } from "../http/refusal.ts";
import type { Nodes } from "./nodes.ts";
import { AT_HUB } from "./roles.ts";
import type { Signatures } from "./signature.ts";

export const INTERNAL_PREFIX = "/internal";
const TIMEOUT_MS = 30_000;

export interface RelayedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Internal {
  /** Whether this process answers others: only one that holds sandboxes does. */
  readonly serves: boolean;
  isAtHub(route: Pick<Route, "id">): boolean;
  /** Null: it is for this process to answer. */
  relay(request: RelayedRequest, caller: Caller, sessionId: string): Promise<RelayedAnswer | null>;
  /** Null unless one of us sent it. */
  admit(request: { method: string; url: string; headers: IncomingHttpHeaders; body: Uint8Array }): Promise<OnBehalf | null>;
  admitUpgrade(request: IncomingMessage): Promise<boolean>;
  /** The other process that holds the session; null: this one does, or nobody. */
  elsewhere(sessionId: string): Promise<URL | null>;
  /** Joins a socket of this process to the holder's; false: it is for this process to answer. */
  relayUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, sessionId: string): Promise<boolean>;
}

export interface RelayedRequest {
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
  readonly requestId: string;
  readonly headers: IncomingHttpHeaders;
}

const OnBehalf = z.object({
  requestId: z.string().max(100),
  caller: z.looseObject({
    principal: z.looseObject({ id: z.string(), type: z.string(), displayName: z.string() }),
    organizationId: z.string(),
    role: z.string(),
    scopes: z.array(z.string()),
  }),
});
export interface OnBehalf {
  readonly requestId: string;
  readonly caller: Caller;
}

export interface InternalDeps {
  readonly nodes: Nodes;
  readonly signatures: Signatures;
  readonly serves: boolean;
  /** Who holds the session now; null: nobody. */
  readonly holderOf: (sessionId: string) => Promise<string | null>;
}

const PASSED_BACK = ["content-type", "content-disposition", "content-security-policy", "cache-control", "retry-after"];

export function createInternal({ nodes, signatures, serves, holderOf }: InternalDeps): Internal {
  /** Where else the session is held; null: here, or nowhere. */
  async function elsewhere(sessionId: string): Promise<URL | null> {
    const holder = await holderOf(sessionId);
    if (holder === null || holder === nodes.id) return null;
    const node = await nodes.find(holder);
    return node === null ? null : new URL(node.url);
  }

  return {
    serves,
    isAtHub: ({ id }) => AT_HUB.has(id),
    elsewhere,
    async relay(request, caller, sessionId) {
      const to = await elsewhere(sessionId);
      if (to === null) return null;
      const path = INTERNAL_PREFIX + request.url;
      const body = request.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(request.body));
      const onBehalf = Buffer.from(JSON.stringify({ requestId: request.requestId, caller } satisfies OnBehalf)).toString("base64url");
      const key = request.headers["idempotency-key"];
      try {
        const answer = await fetch(new URL(path, to), {
          method: request.method,
          headers: {
            ...(await signatures.sign({ method: request.method, path, body, caller: onBehalf })),
            ...(body.length === 0 ? {} : { "content-type": "application/json" }),
            ...(typeof key === "string" ? { "idempotency-key": key } : {}),
          },
          ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
          redirect: "error",
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const headers: Record<string, string> = {};
        for (const name of PASSED_BACK) {
          const value = answer.headers.get(name);
          if (value !== null) headers[name] = value;
        }
        return { status: answer.status, headers, body: Buffer.from(await answer.arrayBuffer()) };
      } catch {
        // What went wrong between two of our processes is nothing that the caller could mend.
        throw new ShellRefused("unavailable", "The gateway that holds this session cannot be reached just now.", {
          fix: "Try again in a moment.",
        });
      }
    },
    async admit({ method, url, headers, body }) {
      const said = headers["x-signalbox-caller"];
      if (typeof said !== "string" || !(await signatures.verify({ method, path: url, body, caller: said }, headers))) return null;
      return OnBehalf.parse(JSON.parse(Buffer.from(said, "base64url").toString())) as OnBehalf;
    },
    admitUpgrade: (request) =>
      signatures.verify({ method: "GET", path: request.url ?? "/", body: Buffer.alloc(0), caller: "" }, request.headers),
    async relayUpgrade(request, socket, head, sessionId) {
      const to = await elsewhere(sessionId);
      if (to === null) return false;
      const path = INTERNAL_PREFIX + (request.url ?? "/");
      const signed = await signatures.sign({ method: "GET", path, body: Buffer.alloc(0), caller: "" });
      const kept = ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"].flatMap((name) => {
        const value = request.headers[name];
        return typeof value === "string" ? [[name, value] as const] : [];
      });
      const lines = [["host", to.host], ...kept, ...Object.entries(signed)].map(([name, value]) => `${name}: ${value}\r\n`);
      const other = connect(Number(to.port) || 80, to.hostname.replace(/^\[|\]$/g, ""));
      const end = (): void => {
        other.destroy();
        socket.destroy();
      };
      other.once("error", end).once("close", end);
      socket.once("error", end).once("close", end);
      other.once("connect", () => {
        other.setNoDelay(true);
        other.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
        if (head.length > 0) other.write(head);
        other.pipe(socket);
        socket.pipe(other);
      });
      return true;
    },
  };
}
