/* Terminals in sessions' sandboxes, watched and typed in over WebSockets. See specs/terminal.md. */
import { erasable } from "@signalbox/eventlog/erasable";
import type { IncomingMessage } from "node:http";
import path from "node:path";
import type { Duplex } from "node:stream";
import type pg from "pg";
import { WebSocketServer, type WebSocket } from "ws";
import { hasRole } from "../../http/authenticate.ts";
import type { Deps, Module } from "../../module.ts";
import { ENDED, heldBy, type SyncGrant } from "../feed/public.ts";
import type { Hold } from "../identity/public.ts";
import { hasRoomRole } from "../rooms/public.ts";
import type { SessionDoors } from "../sessions/public.ts";
import { terminalQueries, type TerminalRow } from "./queries.ts";
import { terminalRoutes } from "./routes.ts";
import { endSocket, openTerminalSocket, type TerminalSocket } from "./terminal-socket.ts";
import { createTerminals } from "./terminals.ts";
import { terminalsProjection } from "./terminals.projection.ts";

export interface TerminalsModule extends Module {
  /** A WebSocket upgrade for `/v1/terminals/socket`; host and origin have been checked. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Where a terminal is; null: there is none of that id. Says nothing of who may see it. */
  sessionOf(terminalId: string): Promise<string | null>;
  /** Ends every socket; the HTTP server cannot close while they are open. */
  disconnect(): void;
  /** For `/metrics`. */
  readonly sockets: number;
}

export interface TerminalsModuleDeps extends Deps {
  /** As `sb_log`: a server that starts looks after the terminals of every organization. */
  readonly pool: pg.Pool;
  readonly doors: SessionDoors;
  readonly verifyToken: (token: string) => Promise<SyncGrant | "expired" | "invalid">;
  readonly hold: Hold;
  /** Whether another process holds the session, and with it its terminals. */
  readonly isElsewhere: (sessionId: string) => Promise<boolean>;
  readonly hasEnded: (organizationId: string, sessionId: string) => Promise<boolean>;
}

const BEAT_MS = 15_000;
const STALL_LOOK_MS = 5000;
/** A room that is busy is not asked about at every event. */
const RECHECK_MS = 250;
/** What may be pasted in one frame. */
const MAX_FRAME_BYTES = 1024 * 1024;

export function createTerminalsModule(deps: TerminalsModuleDeps): TerminalsModule {
  const { log, db, pool, clock, logger, doors } = deps;
  const queries = terminalQueries(db, pool);
  const terminals = createTerminals({ ...deps, queries });
  const sockets = new Set<TerminalSocket>();
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
  const unsubscribe: (() => void)[] = [];
  const timers: NodeJS.Timeout[] = [];
  const touched = new Set<string>();
  let rechecking: NodeJS.Timeout | null = null;

  /** Null: may not see it. */
  async function mayType(grant: SyncGrant, sessionId: string): Promise<boolean | null> {
    const caller = { organizationId: grant.organizationId, principal: { ...grant.principal, displayName: "" }, role: grant.role };
    const access = await doors.accessOf(caller, sessionId);
    if (access === null) return null;
    return grant.access.includes("write") && hasRole(grant.role, "member") && hasRoomRole(access.role, "member");
  }

  async function connect(ws: WebSocket, url: URL): Promise<void> {
    const grant = await deps.verifyToken(url.searchParams.get("token") ?? "");
    if (typeof grant === "string") {
      const code = grant === "expired" ? "token_expired" : "unauthenticated";
      return endSocket(ws, code, "The sync token is not valid. Get one with POST /v1/sync/token.", 4401);
    }
    const unknown = (): void => endSocket(ws, "terminal_not_found", "There is no such terminal, or you may not see it.", 4404);
    const row: TerminalRow | null = await queries.get(grant.organizationId, url.searchParams.get("terminal") ?? "");
    if (row === null || !grant.scopes.some((scope) => scope === "session:*" || scope === `session:${row.sessionId}`)) return unknown();
    const may = await mayType(grant, row.sessionId);
    if (may === null) return unknown();
    const live = await terminals.find(row);
    if (live === null) {
      if (row.closedAt !== null || (await queries.get(grant.organizationId, row.id))?.closedAt != null) return unknown();
      return endSocket(ws, "sandbox_not_running", "The sandbox does not run just now. Connect again in a moment.", 4409);
    }
    if (ws.readyState !== ws.OPEN) return;
    const from = url.searchParams.get("from");
    const socket: TerminalSocket = openTerminalSocket(ws, live, may, {
      grant,
      roomId: row.roomId,
      from: from !== null && /^\d{1,15}$/.test(from) ? Number(from) : null,
      nowMs: clock.nowMs,
      mayType: () => mayType(grant, row.sessionId),
      onClosed() {
        letGo();
        sockets.delete(socket);
      },
    });
    sockets.add(socket);
    const letGo = deps.hold(heldBy(grant), (by) => socket.end("unauthenticated", ENDED[by], 4401));
  }

  function recheck(): void {
    rechecking = null;
    const rooms = new Set(touched);
    touched.clear();
    for (const socket of sockets) {
      if (!rooms.has(socket.roomId)) continue;
      socket.recheck().catch((error: unknown) => {
        // Who may see it is not known: nobody goes on watching on the strength of what was known.
        logger.warn({ err: error }, "whether a terminal may still be seen is not known");
        socket.end("internal", "Whether you may still see this could not be checked. Connect again.", 4401);
      });
    }
  }

  return {
    routes: terminalRoutes({ doors, queries, terminals }),
    projections: [erasable(terminalsProjection, { bySubject: { proj_terminals: "id" } })],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    upgrade(request, duplex, head) {
      server.handleUpgrade(request, duplex, head, (ws) => {
        ws.on("error", (error) => logger.debug({ err: error }, "a terminal socket broke"));
        // Keys pressed before it is known who presses them wait in the connection.
        ws.pause();
        connect(ws, new URL(request.url ?? "/", "http://signalbox.invalid"))
          .catch((error: unknown) => {
            logger.error({ err: error }, "a terminal socket could not be opened");
            endSocket(ws, "internal", "That did not work; connect again.", 1011);
          })
          .finally(() => ws.resume());
      });
    },
    sessionOf: queries.sessionOf,
    get sockets() {
      return sockets.size;
    },
    async start() {
      unsubscribe.push(
        log.onAppended(({ streams }) => {
          if (sockets.size === 0) return;
          // A hint that names no streams was too long to: anything may have moved.
          for (const { roomId } of sockets)
            if (streams.length === 0 || streams.some(({ stream }) => stream.id === roomId)) touched.add(roomId);
          if (touched.size > 0) rechecking ??= setTimeout(recheck, RECHECK_MS);
        }),
      );
      timers.push(
        setInterval(() => {
          for (const socket of sockets) socket.beat(clock.nowMs());
        }, BEAT_MS),
        setInterval(() => terminals.beat(clock.nowMs()), STALL_LOOK_MS),
      );
    },
    disconnect() {
      for (const ws of server.clients) ws.close(1001, "the server stops");
      // Whoever does not answer the closing handshake is not waited for.
      setTimeout(() => server.clients.forEach((ws) => ws.terminate()), 1000).unref();
    },
    async stop() {
      for (const off of unsubscribe.splice(0)) off();
      for (const timer of timers.splice(0)) clearInterval(timer);
      if (rechecking !== null) clearTimeout(rechecking);
      server.close();
    },
    sandboxSide: { start: async () => terminals.start(), stop: terminals.stop },
  };
}
