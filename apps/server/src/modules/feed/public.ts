/* The one feed: rooms over SSE, all topics over `sync:v1` and their documents over HTTP, events over HTTP. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import { getPresence } from "@signalbox/contract/session-queue";
import { createSyncToken, SYNC_LIMITS, Topic } from "@signalbox/contract/sync";
import { sql } from "kysely";
import type pg from "pg";
import type { ClientConfig } from "pg";
import { WebSocketServer } from "ws";
import { hasRole } from "../../http/authenticate.ts";
import { handle, refused } from "../../http/handle.ts";
import type { KeyRing } from "../../key-ring.ts";
import type { Deps, Module } from "../../module.ts";
import type { EndedBy, Hold } from "../identity/public.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { createAdmissions } from "./admissions.ts";
import { eventRoutes } from "./events.ts";
import { durableRoutes, type RunRoom } from "./durable/routes.ts";
import { createDurableStore, DURABLE_CHANNEL, type DurableStore } from "./durable/store.ts";
import { hydrationRoutes } from "./hydration.ts";
import type { LiveSource } from "./live-source.ts";
import { createNotices } from "./notices.ts";
import { createPresence, type PresenceBook } from "./presence.ts";
import { roomStreamRoute } from "./room-stream.ts";
import { createRoomSources, roomTopic, sessionSource } from "./sources.ts";
import { createSubscriptions, type Follower, type Following, type Subscriptions, type TopicSource } from "./subscriptions.ts";
import { openSyncSocket, type SyncSocket } from "./sync-socket.ts";
import { createSyncTokens, type SyncGrant } from "./sync-token.ts";
import { createTopicSources, type TopicSources } from "./topic-source.ts";
import { createTopicWriter, WAKE_CHANNEL } from "./topic-writer.ts";
import type { TopicDocument, TopicDocuments, Viewer } from "./topics.ts";

export type { LiveSource, LiveUpdate } from "./live-source.ts";
export type { SyncGrant } from "./sync-token.ts";
export type { Follower, Following, Frame } from "./subscriptions.ts";
export type { Audience, TopicDocument, TopicDocuments } from "./topics.ts";

export interface FeedDeps extends Deps {
  readonly rooms: RoomAccess;
  readonly live: LiveSource;
  /** Topics that are no stream of the log, by those who know their documents. */
  readonly topics: readonly TopicDocuments[];
  /** As `sb_log`: a topic is written and read once for all who follow it. */
  readonly pool: pg.Pool;
  readonly connection: ClientConfig;
  /** Sync tokens are signed with. */
  readonly tokenKeys: KeyRing;
  readonly retentionMs: number;
  readonly runRoom: RunRoom;
  readonly organizations: () => Promise<readonly string[]>;
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly hold: Hold;
  /** What the bearer of a credential is in the organization now; null when either has ended. */
  readonly standing: (of: { organizationId: string; principalId: string; credentialId: string }) => Promise<OrganizationRole | null>;
  /** Where sockets are opened, when that is another process. */
  readonly gatewayUrl?: string | undefined;
}

export interface FeedParts extends FeedDeps {
  readonly subscriptions: Subscriptions;
  readonly presence: PresenceBook;
  readonly topicSources: TopicSources;
  readonly durable: DurableStore;
  /** By the engine's name of a topic. */
  readonly sourceOf: (topic: string) => TopicSource;
  readonly viewerOf: (organizationId: string, who: { readonly principalId: string; readonly role: string }) => Promise<Viewer>;
  readonly sessionRoom: (organizationId: string, sessionId: string) => Promise<string | null>;
}

export interface FeedModule extends Module {
  /** A WebSocket upgrade for `/v1/sync`; host and origin have been checked. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** For other sockets that are opened with a sync token. */
  verifyToken(token: string): Promise<SyncGrant | "expired" | "invalid">;
  /** Puts something that is no event into a topic of documents. */
  tell(organizationId: string, topic: string, document: TopicDocument): Promise<void>;
  /** A room's events from after that seq on, for doors of other modules; who may follow is theirs to know. */
  followRoom(organizationId: string, roomId: string, after: number, follower: Follower): Following;
  /** Sends every socket elsewhere, a few at a time, each with how long to wait before it comes back. */
  drain(overMs: number): Promise<void>;
  /** Ends every feed and socket; the HTTP server cannot close while they are open. */
  disconnect(): void;
  /** For `/metrics`. */
  stats(): { readonly followers: number; readonly sockets: number };
}

const SCOPES = ["room:*", "session:*", "inbox", "runtime.run_summaries", "runtime.worker_summaries", "runtime.notifications"];

/** Of a sync token: sockets end with what it was made with. */
export function heldBy({ organizationId, principal, role, credentialId }: SyncGrant): Parameters<Hold>[0] {
  return { organizationId, principalId: principal.id, role, credentialId };
}
export const ENDED: Readonly<Record<EndedBy, string>> = {
  revoked: "The credential that this socket was opened with has ended.",
  changed: "What you may do in the organization has changed; connect again.",
};

const DRAIN_WAVES = 10;
const RETRY_SPREAD_MS = 450;

export function createFeed(deps: FeedDeps): FeedModule {
  const { log, db, live, clock, logger } = deps;
  const sources = createRoomSources(log);
  const presence = createPresence({
    now: clock.now,
    displayNames: deps.displayNames,
    onError: (error) => logger.error({ err: error }, "who follows a session could not be told"),
  });
  async function viewerOf(organizationId: string, who: { readonly principalId: string; readonly role: string }): Promise<Viewer> {
    const role = who.role as OrganizationRole;
    const caller = { organizationId, principal: { id: who.principalId, type: "user" as const, displayName: "" }, role };
    const maySettle = hasRole(role, "approver");
    const [seen, deciding] = await Promise.all([
      deps.rooms.visibleRooms(caller),
      maySettle ? deps.rooms.visibleRooms(caller, "approver") : [],
    ]);
    return {
      organizationId,
      principalId: who.principalId,
      isAdmin: hasRole(role, "admin"),
      rooms: seen === null ? null : new Set(seen),
      deciding: deciding === null ? null : new Set(deciding),
      maySettle,
    };
  }
  const onTopicError = (error: unknown): void =>
    logger.warn({ err: error }, "topics of documents could not be written or read; trying again");
  const writer = createTopicWriter({
    log,
    pool: deps.pool,
    clock,
    topics: deps.topics,
    retentionMs: deps.retentionMs,
    onError: onTopicError,
  });
  const notices = createNotices(deps.connection, [WAKE_CHANNEL, DURABLE_CHANNEL]);
  const topicSources = createTopicSources({ pool: deps.pool, notices, viewerOf, onError: onTopicError });
  const durable = createDurableStore(db, notices, clock.nowMs);
  function sourceOf(topic: string): TopicSource {
    const [kind = "", organizationId = "", id = "", more = ""] = topic.split(":");
    switch (kind) {
      case "presence":
        return presence.source(organizationId, id);
      case "room":
        return sources.of(organizationId, id);
      case "session":
        return sessionSource(live, id);
      case "durable":
        return durable.source(organizationId, id, more === "json");
      default:
        return topicSources.source(organizationId, kind, { principalId: id, role: more });
    }
  }
  const subscriptions = createSubscriptions(sourceOf, (error, topic) => logger.error({ err: error, topic }, "a feed could not be read"));
  const tokens = createSyncTokens(deps.tokenKeys);
  const admissions = createAdmissions(deps);
  const sockets = new Set<SyncSocket>();
  // More than a client may send, so that one who sends a little too much is told so; beyond it nothing is read on (1009).
  const server = new WebSocketServer({ noServer: true, maxPayload: SYNC_LIMITS.bytesPerBatch, perMessageDeflate: false });
  const parts: FeedParts = {
    ...deps,
    subscriptions,
    presence,
    topicSources,
    durable,
    sourceOf,
    viewerOf,
    async sessionRoom(organizationId, sessionId) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: string }>`select id from proj_rooms where session_id = ${sessionId}`.execute(tx),
      );
      return rows[0]?.id ?? null;
    },
  };
  let beat: NodeJS.Timeout | undefined;
  /** A token says what was so when it was made: nobody comes in with it once that has changed. */
  async function verifyToken(token: string): Promise<SyncGrant | "expired" | "invalid"> {
    const grant = await tokens.verify(token, clock.nowMs());
    if (typeof grant === "string") return grant;
    const { organizationId, principal, credentialId, role } = grant;
    return (await deps.standing({ organizationId, principalId: principal.id, credentialId })) === role ? grant : "invalid";
  }

  async function admit(request: IncomingMessage, duplex: Duplex, head: Buffer): Promise<void> {
    const broke = (error: Error): void => logger.debug({ err: error }, "a sync socket broke");
    duplex.on("error", broke);
    const token = new URL(request.url ?? "/", "http://signalbox.invalid").searchParams.get("token") ?? "";
    // Before the handshake: a client's first frame comes right behind it.
    let grant: SyncGrant | "expired" | "invalid";
    try {
      grant = await verifyToken(token);
    } catch (error) {
      logger.warn({ err: error }, "a sync token could not be checked");
      return void duplex.end("HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    }
    if (duplex.destroyed) return;
    duplex.off("error", broke);
    server.handleUpgrade(request, duplex, head, (ws) => {
      ws.on("error", broke);
      if (typeof grant === "string") {
        const code = grant === "expired" ? "token_expired" : "unauthenticated";
        ws.send(JSON.stringify({ type: "error", code, message: "The sync token is not valid. Get one with POST /v1/sync/token." }));
        ws.close(4401, code);
        return;
      }
      const socket: SyncSocket = openSyncSocket(ws, duplex, grant, parts, admissions, () => {
        letGo();
        sockets.delete(socket);
      });
      sockets.add(socket);
      const letGo = deps.hold(heldBy(grant), (by) => socket.end("unauthenticated", ENDED[by], 4401));
    });
  }

  return {
    routes: [
      roomStreamRoute(parts),
      ...eventRoutes(parts),
      ...hydrationRoutes(parts),
      ...durableRoutes(parts),
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
          token: await tokens.sign(caller, scopes, nowMs, body.ttl_s),
          token_type: "Bearer" as const,
          expires_in: body.ttl_s,
          expires_at: new Date((Math.floor(nowMs / 1000) + body.ttl_s) * 1000).toISOString(),
          ...(deps.gatewayUrl === undefined ? {} : { gateway_url: deps.gatewayUrl }),
        };
      }),
    ],
    projections: [],
    schemas: [],
    jobs: {},
    schedules: [
      { name: "feed.expire", cron: "* * * * *", run: () => writer.expire() },
      { name: "feed.durable.expire", cron: "*/5 * * * *", run: async () => durable.expire(await deps.organizations()) },
    ],

    upgrade: (request, duplex, head) => void admit(request, duplex, head),
    verifyToken,
    tell: writer.tell,
    followRoom: (organizationId, roomId, after, follower) =>
      subscriptions.follow(roomTopic(organizationId, roomId), String(after), follower),
    stats: () => ({ followers: subscriptions.followers(), sockets: sockets.size }),

    async start() {
      await writer.start();
      notices.start();
      beat = setInterval(() => {
        for (const socket of sockets) socket.beat(clock.nowMs());
      }, SYNC_LIMITS.heartbeatMs).unref();
    },
    async drain(overMs) {
      const open = [...server.clients];
      const waves = Math.min(DRAIN_WAVES, open.length);
      for (let wave = 0; wave < waves; wave++) {
        // So that not all of them are back in the same moment.
        for (let i = wave; i < open.length; i += waves) open[i]!.close(1012, `retry:${50 + Math.round(Math.random() * RETRY_SPREAD_MS)}`);
        await new Promise((resolve) => setTimeout(resolve, overMs / waves));
      }
    },
    disconnect() {
      subscriptions.close();
      for (const ws of server.clients) ws.close(1001, "the server stops");
      // Whoever does not answer the closing handshake is not waited for.
      setTimeout(() => server.clients.forEach((ws) => ws.terminate()), 1000).unref();
    },
    async stop() {
      clearInterval(beat);
      await writer.stop();
      topicSources.close();
      await notices.stop();
      sources.close();
      server.close();
    },
  };
}
