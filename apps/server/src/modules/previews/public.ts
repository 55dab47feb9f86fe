/* Previews: a port inside a session's sandbox, on a host name of its own. See specs/preview.md. */
import path from "node:path";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { erasable } from "@signalbox/eventlog/erasable";
import { type Reader, startReader } from "@signalbox/eventlog/reader";
import type pg from "pg";
import type { Deps, Module } from "../../module.ts";
import type { SessionDoors } from "../sessions/public.ts";
import { DEFAULT_DOMAIN, previewAddresses } from "./address.ts";
import { previewCommands } from "./commands.ts";
import { createPreviewProxy, type Target } from "./proxy.ts";
import { previewQueries, type PreviewRow } from "./queries.ts";
import { previewRoutes } from "./routes.ts";
import { previewsProjection } from "./previews.projection.ts";

export { openPreviewKey } from "./address.ts";

export interface PreviewsModule extends Module {
  /** Whether the Host header names a preview: then the request is ours, and no route's. */
  owns(host: string | undefined): boolean;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** For the application's own Content-Security-Policy: what it may show in a frame. */
  frameSource(): string;
  /** Cuts what is open; the HTTP server cannot close before. */
  disconnect(): void;
  /** For `/metrics`. */
  readonly connections: number;
}

export interface PreviewsDeps extends Deps {
  /** As `sb_log`: a host name says no organization, and sessions end in all of them. */
  readonly pool: pg.Pool;
  readonly doors: SessionDoors;
  readonly key: Buffer;
  /** Host names below it are previews; default `preview.localhost`, which browsers resolve to this machine. */
  readonly domain?: string | undefined;
  readonly publicUrl: () => string;
  /** Whether `publicUrl` is configured; else the server answers to the loopback addresses only. */
  readonly isPublic: boolean;
  readonly localPort: () => number;
  readonly lifetimeMs: number;
  /** The process that holds the session; null: this one, or nobody. */
  readonly elsewhere: (sessionId: string) => Promise<URL | null>;
}

/** How long another process may not know that a preview was closed. In this one it is at once. */
const REMEMBERED_MS = 2000;
const MOST_REMEMBERED = 1000;

export function createPreviews(deps: PreviewsDeps): PreviewsModule {
  const { log, db, pool, clock, logger, doors } = deps;
  const domain = deps.domain ?? DEFAULT_DOMAIN;
  const addresses = previewAddresses(deps.key, domain);
  const queries = previewQueries(db, pool);
  const remembered = new Map<string, { readonly row: PreviewRow; readonly atMs: number }>();
  let reader: Reader | undefined;

  /** Without a domain of its own the previews are on this machine, where nothing terminates TLS. */
  function originOf(label: string): string {
    const { protocol, port } =
      deps.domain === undefined ? { protocol: "http:", port: String(deps.localPort()) } : new URL(deps.publicUrl());
    return `${protocol}//${label}.${domain}${port === "" ? "" : `:${port}`}`;
  }

  async function rowOf(previewId: string): Promise<PreviewRow | null> {
    const known = remembered.get(previewId);
    if (known !== undefined && clock.nowMs() - known.atMs < REMEMBERED_MS) return known.row;
    const row = await queries.anywhere(previewId);
    if (row === null) return null;
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(previewId, { row, atMs: clock.nowMs() });
    return row;
  }

  async function targetOf(host: string | undefined, mayRelay: boolean): Promise<Target> {
    const previewId = addresses.parse(host)?.previewId ?? null;
    const row = previewId === null ? null : await rowOf(previewId);
    if (previewId === null || row === null) return { kind: "page", page: { kind: "unknown" } };
    const gone = (why: "revoked" | "expired" | "session_ended"): Target => ({ kind: "page", page: { kind: "gone", why } });
    if (row.closedAt !== null) return gone(row.reason === "session_ended" || row.reason === "expired" ? row.reason : "revoked");
    if (Date.parse(row.expiresAt) <= clock.nowMs()) return gone("expired");
    const sandbox = doors.sandboxOf(row.organizationId, row.sessionId);
    if (sandbox === null) {
      const at = mayRelay ? await deps.elsewhere(row.sessionId) : null;
      return at === null ? { kind: "page", page: { kind: "sleeping" } } : { kind: "elsewhere", at };
    }
    return {
      kind: "port",
      previewId,
      port: row.port,
      origin: originOf(addresses.labelOf(previewId)),
      sandbox,
    };
  }

  const proxy = createPreviewProxy({
    targetOf,
    logger,
    frameAncestors: () => {
      const url = new URL(deps.publicUrl());
      // A loopback server answers to both names, and people use either.
      return deps.isPublic ? [url.origin] : [...new Set([url.origin, `http://127.0.0.1:${url.port}`, `http://localhost:${url.port}`])];
    },
  });
  const commands = previewCommands({
    ...deps,
    queries,
    onClosed(previewId) {
      remembered.delete(previewId);
      proxy.cut(previewId);
    },
  });

  return {
    routes: previewRoutes({
      doors,
      commands,
      list: (organizationId, sessionId) => queries.open(organizationId, sessionId, new Date(clock.nowMs()).toISOString()),
      urlOf: (previewId) => `${originOf(addresses.labelOf(previewId))}/`,
    }),
    projections: [erasable(previewsProjection, { bySubject: { proj_previews: "id" } })],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    schedules: [
      {
        name: "previews.expire",
        cron: "* * * * *",
        async run() {
          for (const row of await queries.due(new Date(clock.nowMs()).toISOString())) await commands.close(row, "expired");
        },
      },
    ],
    owns: (host) => addresses.parse(host) !== null,
    request: proxy.request,
    upgrade: proxy.upgrade,
    frameSource: () => originOf("*"),
    disconnect: proxy.cutAll,
    get connections() {
      return proxy.connections;
    },
    background: {
      async start() {
        reader = startReader({
          name: "previews.sessions",
          pool,
          log,
          types: ["session.stopped", "session.failed", "session.completed"],
          async handle(tx, events) {
            for (const row of await queries.ofSessions(
              tx,
              events.map((e) => e.subjectId),
            ))
              await commands.close(row, "session_ended");
          },
          onError: (error) => logger.error({ err: error }, "previews of ended sessions could not be closed; trying again"),
        });
      },
      async stop() {
        await reader?.stop();
      },
    },
    async stop() {
      proxy.cutAll();
    },
  };
}
