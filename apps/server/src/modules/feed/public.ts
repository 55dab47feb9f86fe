/* The one feed: rooms over SSE, rooms and sessions over `sync:v1`, events over HTTP. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import { getPresence } from "@signalbox/contract/session-queue";
import { createSyncToken, SYNC_LIMITS, Topic } from "@signalbox/contract/sync";
import { sql } from "kysely";
import { WebSocketServer } from "ws";
import { handle, refused } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { eventRoutes } from "./events.ts";
import type { LiveSource } from "./live-source.ts";
import { createPresence, type PresenceBook } from "./presence.ts";
import { roomStreamRoute } from "./room-stream.ts";
import { createRoomSources, roomTopic, sessionSource } from "./sources.ts";
import { createSubscriptions, type Follower, type Following, type Subscriptions, type TopicSource } from "./subscriptions.ts";
import { openSyncSocket, type SyncSocket } from "./sync-socket.ts";
import { createSyncTokens, type SyncGrant } from "./sync-token.ts";

export type { LiveSource, LiveUpdate } from "./live-source.ts";
export type { SyncGrant } from "./sync-token.ts";
export type { Follower, Following, Frame, TopicSource } from "./subscriptions.ts";

export interface FeedDeps extends Deps {
  readonly rooms: RoomAccess;
  readonly live: LiveSource;
  /** What waits for one person. */
  readonly inbox: { source(organizationId: string, principalId: string, role: OrganizationRole): TopicSource };
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly onRevoked: (listener: (credentialId: string) => void) => () => void;
}

export interface FeedParts extends FeedDeps {
  readonly subscriptions: Subscriptions;
  readonly presence: PresenceBook;
  readonly sessionRoom: (organizationId: string, sessionId: string) => Promise<string | null>;
}

export interface FeedModule extends Module {
  /** A WebSocket upgrade for `/v1/sync`; host and origin have been checked. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** For other sockets that are opened with a sync token. */
  verifyToken(token: string): SyncGrant | "expired" | "invalid";
  /** A room's events from after that seq on, for doors of other modules; who may follow is theirs to know. */
  followRoom(organizationId: string, roomId: string, after: number, follower: Follower): Following;
  /** Ends every feed and socket; the HTTP server cannot close while they are open. */
  disconnect(): void;
  /** For `/metrics`. */
  stats(): { readonly followers: number; readonly sockets: number };
}

const SCOPES = ["room:*", "session:*", "inbox"];

export function createFeed(deps: FeedDeps): FeedModule {
  const { log, db, live, clock, logger } = deps;
  const sources = createRoomSources(log);
  const presence = createPresence({
    now: clock.now,
    displayNames: deps.displayNames,
    onError: (error) => logger.error({ err: error }, "who follows a session could not be told"),
  });
  const subscriptions = createSubscriptions(
    (topic) => {
      const [kind, organizationId = "", id = "", role = ""] = topic.split(":");
      if (kind === "inbox") return deps.inbox.source(organizationId, id, role as OrganizationRole);
      if (kind === "presence") return presence.source(organizationId, id);
      return kind === "room" ? sources.of(organizationId, id) : sessionSource(live, id);
    },
    (error, topic) => logger.error({ err: error, topic }, "a feed could not be read"),
  );
  const tokens = createSyncTokens();
  const sockets = new Set<SyncSocket>();
  const server = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024, perMessageDeflate: false });
  const parts: FeedParts = {
    ...deps,
    subscriptions,
    presence,
    async sessionRoom(organizationId, sessionId) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: string }>`select id from proj_rooms where session_id = ${sessionId}`.execute(tx),
      );
      return rows[0]?.id ?? null;
    },
  };
  let beat: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;

  return {
    routes: [
      roomStreamRoute(parts),
      ...eventRoutes(parts),
      handle(getPresence, async ({ caller, params }) => {
        const roomId = await live.roomOf(caller.organizationId, params.id);
        if (roomId === null || (await deps.rooms.roleIn(caller, roomId)) === null) return refused("session_not_found");
        return { viewers: await presence.viewers(caller.organizationId, params.id) };
      }),
      handle(createSyncToken, async ({ caller, body }) => {
        const scopes = body.scopes ?? SCOPES;
        const unknown = scopes.filter((scope) => !SCOPES.includes(scope) && !Topic.safeParse(scope).success);
        if (unknown.length > 0 || scopes.length === 0) {
          return refused("scope_not_allowed", {
            message: unknown.length > 0 ? `Not a topic: ${unknown.join(", ")}.` : "A token without scopes is good for nothing.",
            fix: "Name topics like room:room_… or session:ses_…, or leave scopes out.",
          });
        }
        const nowMs = clock.nowMs();
        return {
          token: tokens.sign(caller, scopes, nowMs, body.ttl_s),
          token_type: "Bearer" as const,
          expires_in: body.ttl_s,
          expires_at: new Date((Math.floor(nowMs / 1000) + body.ttl_s) * 1000).toISOString(),
        };
      }),
    ],
    projections: [],
    schemas: [],
    jobs: {},

    upgrade(request, duplex, head) {
      server.handleUpgrade(request, duplex, head, (ws) => {
        ws.on("error", (error) => logger.debug({ err: error }, "a sync socket broke"));
        const token = new URL(request.url ?? "/", "http://signalbox.invalid").searchParams.get("token") ?? "";
        const grant = tokens.verify(token, clock.nowMs());
        if (typeof grant === "string") {
          const code = grant === "expired" ? "token_expired" : "unauthenticated";
          ws.send(JSON.stringify({ type: "error", code, message: "The sync token is not valid. Get one with POST /v1/sync/token." }));
          ws.close(4401, code);
          return;
        }
        const socket: SyncSocket = openSyncSocket(ws, grant, parts, () => sockets.delete(socket));
        sockets.add(socket);
      });
    },
    verifyToken: (token) => tokens.verify(token, clock.nowMs()),
    followRoom: (organizationId, roomId, after, follower) =>
      subscriptions.follow(roomTopic(organizationId, roomId), String(after), follower),
    stats: () => ({ followers: subscriptions.followers(), sockets: sockets.size }),

    async start() {
      unsubscribe = deps.onRevoked((credentialId) => {
        for (const socket of sockets)
          if (socket.credentialId === credentialId)
            socket.end("unauthenticated", "The credential that this socket was opened with was revoked.", 4401);
      });
      beat = setInterval(() => {
        for (const socket of sockets) socket.beat(clock.nowMs());
      }, SYNC_LIMITS.heartbeatMs).unref();
    },
    disconnect() {
      subscriptions.close();
      for (const ws of server.clients) ws.close(1001, "the server stops");
      // Whoever does not answer the closing handshake is not waited for.
      setTimeout(() => server.clients.forEach((ws) => ws.terminate()), 1000).unref();
    },
    async stop() {
      clearInterval(beat);
      unsubscribe?.();
      sources.close();
      server.close();
    },
  };
}
