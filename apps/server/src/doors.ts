/*
 * What of the modules is reached from outside this process: the contract's routes and the others', sockets, previews, the
 * web app, as far as its duties go (cluster/roles.ts).
 */
import type { IncomingMessage } from "node:http";
import path from "node:path";
import type { Duplex } from "node:stream";
import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import type { Clock } from "@signalbox/kernel/clock";
import type { Logger } from "pino";
import type { openBlobs } from "./blobs.ts";
import { type createInternal, INTERNAL_PREFIX } from "./cluster/internal.ts";
import { AT_HUB, type Duties, type Role, servesRoute } from "./cluster/roles.ts";
import { nodeNameOf } from "./config/process.ts";
import { proxiesOf } from "./config/refusals.ts";
import type { Config } from "./config/settings.ts";
import type { RequestDatabase } from "./database.ts";
import { healthRoute } from "./health.ts";
import type { Authenticator } from "./http/authenticate.ts";
import { createRateLimit } from "./http/limits.ts";
import { serveRaw } from "./http/raw.ts";
import { createHttpServer, type HttpServer } from "./http/server.ts";
import { serveWeb } from "./http/web.ts";
import { createMetrics } from "./metrics.ts";
import type { Module } from "./module.ts";
import type { AccountsModule } from "./modules/accounts/public.ts";
import type { AdminModule } from "./modules/admin/public.ts";
import type { AuditModule } from "./modules/audit/public.ts";
import type { FeedModule } from "./modules/feed/public.ts";
import type { IdentityModule } from "./modules/identity/public.ts";
import type { ModelsModule } from "./modules/models/public.ts";
import type { PreviewsModule } from "./modules/previews/public.ts";
import type { TerminalsModule } from "./modules/terminals/public.ts";
import type { Telemetry } from "./telemetry.ts";

const TREE = path.join(import.meta.dirname, "../../..");

/** Of one key, where several people share a server; a script that needs more has a reason that its operator should know. */
const API_PER_MINUTE = 6000;

export interface DoorParts {
  readonly config: Config;
  readonly role: Role;
  readonly duties: Duties;
  readonly version: string;
  readonly logger: Logger;
  readonly telemetry: Telemetry | undefined;
  readonly clock: Clock;
  readonly log: PostgresLog;
  readonly db: RequestDatabase;
  readonly store: ReturnType<typeof openBlobs>;
  readonly internal: ReturnType<typeof createInternal>;
  readonly authenticator: Authenticator;
  readonly modules: readonly (readonly [string, Module])[];
  readonly identity: IdentityModule;
  readonly accounts: AccountsModule;
  readonly admin: AdminModule;
  readonly audit: AuditModule;
  readonly feed: FeedModule;
  readonly models: ModelsModule;
  readonly previews: PreviewsModule;
  readonly terminals: TerminalsModule;
  /** Whether sockets are taken, and whoever balances load is told to send people here. */
  readonly isReady: () => boolean;
}

/** They are made, and open once it listens. */
export async function createDoors(parts: DoorParts): Promise<HttpServer> {
  const { config, role, duties, version, logger, telemetry, clock, log, db, store, internal, authenticator, modules } = parts;
  const { identity, accounts, admin, audit, feed, models, previews, terminals, isReady } = parts;

  /** A terminal is in the process that holds its session. */
  async function terminalUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const sessionId = await terminals.sessionOf(new URL(request.url ?? "/", "http://signalbox.invalid").searchParams.get("terminal") ?? "");
    if (sessionId !== null && (await internal.relayUpgrade(request, socket, head, sessionId))) return;
    terminals.upgrade(request, socket, head);
  }
  const refuseUpgrade = (socket: Duplex, status: string): void =>
    void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  const upgrading =
    (accept: (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>) =>
    (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      accept(request, socket, head).catch((error: unknown) => {
        logger.error({ err: error }, "a socket could not be opened");
        refuseUpgrade(socket, "503 Service Unavailable");
      });
    };

  const metrics = createMetrics();
  metrics.gauge("signalbox_event_streams", "Open server-sent event streams.", () => http.streams());
  metrics.gauge("signalbox_sync_sockets", "Open sync:v1 sockets.", () => feed.stats().sockets);
  metrics.gauge("signalbox_terminal_sockets", "Open sockets on terminals.", () => terminals.sockets);
  metrics.gauge("signalbox_preview_connections", "Open requests and sockets through previews.", () => previews.connections);
  for (const [name, help, read] of audit.contentGauges) metrics.gauge(name, help, read);
  metrics.gauge("signalbox_feed_followers", "Followers of topics, through any door.", () => feed.stats().followers);
  const http = await createHttpServer({
    routes: [
      ...modules.flatMap(([name, module]) => module.routes.filter(({ route }) => servesRoute(duties, name, route))),
      healthRoute(version, modules, log, store),
    ],
    internal,
    internalRoutes: modules.flatMap(([, module]) => module.routes.filter(({ route }) => AT_HUB.has(route.id))),
    alsoAt: [config.gatewayUrl, config.internalUrl].filter((url) => url !== undefined),
    authenticator,
    hold: ({ organizationId, principal, role, credential }, end) =>
      credential === undefined
        ? () => undefined
        : identity.hold(
            { organizationId, principalId: principal.id, role, credentialId: credential.id, expiresAtMs: credential.expiresAtMs },
            end,
          ),
    rateLimit: createRateLimit({
      anywhere: db.anywhere,
      clock,
      perMinute: config.apiPerMinute ?? (config.signIn === "accounts" ? API_PER_MINUTE : 0),
    }),
    logger,
    now: clock.now,
    publicUrl: config.publicUrl,
    trustedProxies: proxiesOf(config),
    isOperator: admin.isOperator,
    observe: metrics.observe,
    traced: telemetry?.traced,
    onUpgrade: duties.sockets
      ? {
          "/v1/sync": (request, socket, head) =>
            role === "all" || isReady() ? feed.upgrade(request, socket, head) : refuseUpgrade(socket, "503 Service Unavailable"),
          "/v1/terminals/socket": upgrading(terminalUpgrade),
          [`${INTERNAL_PREFIX}/v1/terminals/socket`]: upgrading(async (request, socket, head) =>
            (await internal.admitUpgrade(request)) ? terminals.upgrade(request, socket, head) : refuseUpgrade(socket, "401 Unauthorized"),
          ),
        }
      : // Whoever comes here was not told, or did not listen: what is live goes past this process.
        Object.fromEntries(
          ["/v1/sync", "/v1/terminals/socket"].map((at) => [
            at,
            (_: IncomingMessage, socket: Duplex) => refuseUpgrade(socket, "421 Misdirected Request"),
          ]),
        ),
    elsewhere: duties.sockets ? previews : undefined,
    async more(app) {
      app.get("/metrics", { config: { operation: "metrics" } }, async (_request, reply) =>
        reply.header("content-type", metrics.contentType).send(await metrics.text()),
      );
      app.get("/readyz", { config: { operation: "ready" } }, async (_request, reply) =>
        reply
          .status(isReady() ? 200 : 503)
          .header("cache-control", "no-store")
          .send({ ready: isReady(), role, node: nodeNameOf(config) }),
      );
      if (duties.sockets) await serveRaw(app, "/llm/v1", "models.proxy", (request, response) => models.handler(request, response));
      if (!duties.web) return;
      await accounts.serve(app);
      await serveWeb(app, {
        directory: path.join(TREE, "apps/web/dist"),
        openApi: path.join(TREE, "packages/contract/openapi.json"),
        frameSource: previews.frameSource,
        gatewayUrl: config.gatewayUrl,
      });
    },
  });
  return http;
}
