/*
 * The only file that sees everything: makes the modules, gives each what it needs, and says in
 * which order things come and go.
 *
 *   migrate ─► make modules ─► projection tables ─► log ─► modules start ─► jobs ─► (http listens)
 *   stop:  not ready any more ─► sockets go elsewhere ─► http stops taking requests ─► jobs ─► modules, last started first ─► log, pools
 *
 * Every process makes every module; what it runs of them is what its role does (cluster/roles.ts).
 */
import { homedir } from "node:os";
import path from "node:path";
import { createHydrate } from "@signalbox/eventlog/archived";
import { createLog, type PostgresLog } from "@signalbox/eventlog/postgres-log";
import { migrate } from "@signalbox/eventlog/migrate";
import { applyProjectionSchemas } from "@signalbox/eventlog/projection-schema";
import type { ConnectionFor } from "@signalbox/eventlog/roles";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { createJobs, type Jobs } from "@signalbox/jobs/jobs";
import { type Clock, systemClock } from "@signalbox/kernel/clock";
import { plainGit } from "@signalbox/providers/forge/git/plain-git";
import { localSandboxes } from "@signalbox/providers/sandbox/local/provider";
import { Pool } from "pg";
import type { Logger } from "pino";
import { readFileSync } from "node:fs";
import { startJobs } from "./background.ts";
import { busOf, wakeUpOver } from "./cluster/bus.ts";
import { createInternal } from "./cluster/internal.ts";
import { connectionName, createNodes } from "./cluster/nodes.ts";
import { DUTIES, type Role } from "./cluster/roles.ts";
import { createSignatures } from "./cluster/signature.ts";
import { secretValues } from "./config/printed.ts";
import { connectionsNeeded, nodeIdOf, poolsOf } from "./config/process.ts";
import { isLoopback } from "./config/refusals.ts";
import type { Config } from "./config/settings.ts";
import { type RequestDatabase, openDatabase } from "./database.ts";
import { createDoors } from "./doors.ts";
import type { Authenticator } from "./http/authenticate.ts";
import type { HttpServer } from "./http/server.ts";
import { knownSecrets } from "./known-secrets.ts";
import { createLateLog } from "./late-log.ts";
import { createLifetime } from "./lifetime.ts";
import { LOCAL } from "./local.ts";
import { openKey } from "./keys.ts";
import { healthParts } from "./health.ts";
import type { Deps, Module } from "./module.ts";
import { anchorsOf } from "./anchors.ts";
import { openBlobs } from "./blobs.ts";
import { createKeyRing } from "./key-ring.ts";
import { RINGS } from "./rings.ts";
import { configuredConnections, upstreamsOf } from "./model-upstreams.ts";
import { type AccountDeps, createAccounts, normalEmail } from "./modules/accounts/public.ts";
import { createActions } from "./modules/actions/public.ts";
import { createAdmin } from "./modules/admin/public.ts";
import { createApprovals } from "./modules/approvals/public.ts";
import { createAttention } from "./modules/attention/public.ts";
import { createCapabilities } from "./modules/capabilities/public.ts";
import { createAudit, openSigningKeys } from "./modules/audit/public.ts";
import { createEgress } from "./modules/egress/public.ts";
import { createEvidence } from "./modules/evidence/public.ts";
import { createFeed, type FeedModule } from "./modules/feed/public.ts";
import { createForge } from "./modules/forge/public.ts";
import { createFiles } from "./modules/files/public.ts";
import { createGate, registeredAction } from "./modules/gate/public.ts";
import { createIdentity, type IdentityModule } from "./modules/identity/public.ts";
import { createLedger } from "./modules/ledger/public.ts";
import { createModels, MODEL_HOST } from "./modules/models/public.ts";
import { createPreviews, openPreviewKey } from "./modules/previews/public.ts";
import { createOperations, watchSandboxes } from "./modules/operations/public.ts";
import { createPush, openVapidKeys } from "./modules/push/public.ts";
import { createRepositories } from "./modules/repositories/public.ts";
import { createRooms, type RoleInSession, type RoomsModule } from "./modules/rooms/public.ts";
import { createQuotas } from "./modules/quotas/public.ts";
import { createRuns } from "./modules/runs/public.ts";
import { createSecrets } from "./modules/secrets/public.ts";
import { createShares } from "./modules/shares/public.ts";
import { createSinks } from "./modules/sinks/public.ts";
import { createTerminalsModule } from "./modules/terminals/public.ts";
import { importFirstSession } from "./modules/samples/first-session.ts";
import { createSamples } from "./modules/samples/public.ts";
import { createSearch } from "./modules/search/public.ts";
import {
  activeSessionCounts,
  activeSessionIds,
  createSessions,
  recentSources,
  type HarnessEntry,
  type SessionsModule,
} from "./modules/sessions/public.ts";
import { sandboxLimits, harnessesHere } from "./agents.ts";
import { providersOf } from "./oauth-providers.ts";
import { MIGRATION_SETS } from "./postgres/schema.ts";
import { projectionSchemas, rebuildProjections } from "./projections.ts";
import type { Telemetry } from "./telemetry.ts";

const VERSION = (JSON.parse(readFileSync(path.join(import.meta.dirname, "../package.json"), "utf8")) as { version: string }).version;

export interface ComposeOptions {
  readonly config: Config;
  readonly connection: ConnectionFor;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  readonly telemetry?: Telemetry | undefined;
  /** Default: those that are installed. */
  readonly harnesses?: Readonly<Record<string, HarnessEntry>> | undefined;
  /** Called once the projections are what today's code makes of the log, before anything runs: tests of upgrades look at them here, and may end it by throwing. */
  readonly projected?: (() => Promise<void>) | undefined;
  /** Called behind each step of an account's deletion: a test dies there. */
  readonly atDeletion?: AccountDeps["atDeletion"];
}

export interface Signalbox {
  readonly http: HttpServer;
  readonly log: PostgresLog;
  readonly jobs: Jobs;
  readonly db: RequestDatabase;
  readonly identity: IdentityModule;
  readonly rooms: RoomsModule;
  readonly sessions: SessionsModule;
  /** Where people reach it: known once it listens. */
  readonly publicUrl: () => string;
  /** Where it listens itself. */
  readonly ownUrl: () => string;
  /** Gives a fresh installation something to look at. */
  importFirstSession(): Promise<boolean>;
  /** Listens and resolves with the port. */
  listen(): Promise<number>;
  /** False from the moment in which it was told to stop: whoever balances load sends nobody here any more. */
  isReady(): boolean;
  stop(): Promise<void>;
}

/** Everything is up when it resolves, but nobody can call yet: `listen` opens the door. */
export async function compose(options: ComposeOptions): Promise<Signalbox> {
  const { config, logger, telemetry } = options;
  // The data directory's lock lets one process of that name live in it, so what its predecessor held is ours at once.
  const nodeId = nodeIdOf(config);
  const connection: ConnectionFor = (role) => ({ ...options.connection(role), application_name: connectionName(nodeId) });
  const onError = (error: unknown): void => logger.warn({ err: error }, "a database connection was lost, or a subscriber failed");
  await migrate(connection, MIGRATION_SETS);

  const role = config.role as Role;
  const duties = DUTIES[role];
  const pools = poolsOf(config);
  const late = createLateLog();
  let log: PostgresLog | undefined;
  const theLog = (): PostgresLog => {
    if (log === undefined) throw new Error("a module used the log while it was being made");
    return log;
  };
  const workerPool = new Pool({ ...connection("sb_log"), max: pools.jobs });
  workerPool.on("error", onError);
  workerPool.on("connect", (client) => client.on("error", onError));
  const nodes = await createNodes({
    pool: workerPool,
    id: nodeId,
    role,
    machine: config.machine ?? "",
    connections: connectionsNeeded(config),
    leaseTtlMs: config.leaseMs,
    logger,
  });
  // Of several processes each may run on a machine whose clock is wrong: the database's is the one that they share.
  const clock = options.clock ?? (role === "all" ? systemClock : nodes.clock);
  const db = openDatabase(connection("sb_app"), { connections: pools.requests, onError });
  const deps: Deps = { log: telemetry?.tracedLog(late.log) ?? late.log, db, clock, logger };
  let port = config.port;
  const ownUrl = (): string => `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`;
  const publicUrl = (): string => config.publicUrl ?? ownUrl();

  const internalKey =
    config.internalKey === undefined
      ? await openKey(path.join(config.dataDir, "keys"), "internal")
      : Buffer.from(config.internalKey, "hex");
  const bus = busOf(config, connection, internalKey, onError);

  const store = openBlobs(config, workerPool);
  const identity = createIdentity({
    ...deps,
    anywhere: db.anywhere,
    publicUrl,
    localOrganizationId: LOCAL.organizationId,
    hasRunningSessions: (organizationId) => theSessions().queries.anyAlive(organizationId),
    eraseFiles: store.removeAll,
  });
  const { organizations } = identity;
  const secrets = createSecrets({ ...deps, organizations, keysDirectory: path.join(config.dataDir, "keys") });
  const accounts = createAccounts({
    ...deps,
    anywhere: db.anywhere,
    kyselyAnywhere: db.kyselyAnywhere,
    identity,
    publicUrl,
    isOn: config.signIn === "accounts",
    signUp: config.signUp === "open" ? "open" : "invited",
    secret: (await openKey(path.join(config.dataDir, "keys"), "accounts")).toString("hex"),
    ownerEmail: config.ownerEmail,
    localOrganizationId: LOCAL.organizationId,
    localOwner: LOCAL.owner,
    smtpUrl: config.smtpUrl,
    mailFrom: config.mailFrom,
    providers: providersOf(config),
    secrets,
    allowPrivateProviders: config.ssoAllowPrivate,
    nameServer: config.nameServer,
    // The console, also where stdout is a program's.
    show: (text) => void process.stderr.write(`${text}\n`),
    eraseOf: (of) => audit.eraseOf(of),
    capabilitiesOf: (organizationId, principalId) => capabilities.issuedBy(organizationId, principalId),
    endCapabilities: (organizationId, principalId, origin) => capabilities.endIssuedBy(organizationId, principalId, origin),
    atDeletion: options.atDeletion,
  });
  const quotas = createQuotas({
    ...deps,
    pool: workerPool,
    store,
    defaults: {
      sessions: config.quotaSessions ?? null,
      storage_bytes: config.quotaStorageBytes ?? null,
      events_per_day: config.quotaEventsPerDay ?? null,
    },
    activeSessions: activeSessionIds,
    activeSessionCounts: (ids) => activeSessionCounts(workerPool, ids),
  });
  const { blobs } = quotas;
  const admin = createAdmin({
    ...deps,
    quotas,
    anywhere: db.anywhere,
    identity,
    accounts,
    local: { organizationId: LOCAL.organizationId, ownerId: LOCAL.owner.id },
    operators: (config.operators ?? "").split(",").flatMap((address) => normalEmail(address) ?? []),
  });
  const rooms = createRooms({ ...deps, displayNames: identity.displayNames });
  const principalExists = identity.principalExists;
  const ringDeps = { pool: workerPool, sealer: secrets.sealer, clock };
  const rings = {
    sync: createKeyRing(ringDeps, RINGS.sync),
    service: createKeyRing(ringDeps, RINGS.service),
    capability: createKeyRing(ringDeps, RINGS.capability),
  };
  const capabilities = createCapabilities({ ...deps, ring: rings.capability, rooms, credentialRevoked: identity.credentialRevoked });
  identity.provideCapabilities(async (organizationId, id) => (await capabilities.standingOf(organizationId, id))?.status === "active");
  const authenticator: Authenticator = {
    identify: (kind, secret) =>
      kind === "token" && secret.startsWith(capabilities.prefix) ? capabilities.identify(secret) : identity.identify(kind, secret),
  };
  const redact = (organizationId: string, text: string): string => theLog().scanner.scanText(organizationId, text).text;
  // Sessions need all the others, and some of the others ask about sessions: only once everything is made.
  let sessions: SessionsModule | undefined;
  const theSessions = (): SessionsModule => {
    if (sessions === undefined) throw new Error("a module asked about a session while it was being made");
    return sessions;
  };
  const runs = createRuns({
    ...deps,
    quotas,
    rooms,
    principalExists,
    displayNames: identity.displayNames,
    blobs,
    leaseTtlMs: config.leaseTtlMs,
    redact,
  });
  const approvals = createApprovals({
    ...deps,
    rooms,
    riskOf: (action) => registeredAction(action)?.risk ?? "danger",
    findRun: runs.view,
    findSession: async (organizationId, sessionId) => {
      const found = await theSessions().sessionOf(organizationId, sessionId);
      return found === null ? null : { room_id: found.roomId };
    },
  });
  const gate = createGate({ ...deps, principalExists, approvals, killSwitchForced: config.killSwitch });
  const roleInSession: RoleInSession = async (caller, sessionId) => {
    const found = await theSessions().sessionOf(caller.organizationId, sessionId);
    return found === null ? null : rooms.roleIn(caller, found.roomId);
  };
  gate.provideSight(async (caller, sessionId) => (await roleInSession(caller, sessionId)) !== null);
  gate.provideCapability(capabilities.standingOf);
  const ledger = createLedger({ ...deps, organizations, roleInSession });
  const models = createModels({
    ...deps,
    ledger,
    gate,
    secrets,
    upstreams: upstreamsOf(config),
    configured: configuredConnections(config),
    ollamaUrl: config.ollamaUrl ?? config.ollamaHost,
    defaultModel: config.defaultModel,
    currentRun: (organizationId, sessionId) => theSessions().currentRun(organizationId, sessionId),
    roleInSession,
  });
  const actions = createActions({ ...deps, gate, approvals, blobs, rooms, redact, organizations });
  const credentialsFile = config.gitCredentialsFile ?? path.join(config.dataDir, "git-credentials");
  const repositoryForge = plainGit({ credentialsFile });
  const forge = createForge({
    logger,
    forge: repositoryForge,
    actions,
    session: (sessionId) => theSessions().pushingSession(sessionId),
    directory: path.join(config.dataDir, "forge"),
  });
  const egress = createEgress({
    ...deps,
    gate,
    sessionOf: (organizationId, sessionId) => theSessions().sessionOf(organizationId, sessionId),
    roomRole: rooms.roleIn,
    toolCallsAt: runs.toolCallsAt,
    internal: { [MODEL_HOST]: models.handler, "git.signalbox.invalid": forge.gitHandler },
  });
  const sandboxes = watchSandboxes(localSandboxes({ dataDir: path.join(config.dataDir, "sandboxes") }), clock.now);
  sessions = createSessions({
    ...deps,
    quotas,
    connection: connection("sb_log"),
    identity,
    rooms,
    runs,
    actions,
    approvals,
    gate,
    models,
    ledger,
    egress,
    forge,
    sandboxes,
    limits: sandboxLimits(config),
    harnesses: options.harnesses ?? harnessesHere(),
    nodeId,
    machine: config.machine,
    bus,
    leaseTtlMs: config.leaseMs,
    connections: pools.sessions,
    defaultBudgetMicroUsd: config.sessionBudgetMicroUsd,
  });
  const signingKeys = await openSigningKeys(path.join(config.dataDir, "keys"));
  const audit = createAudit({
    ...deps,
    organizations,
    visibleRooms: rooms.visibleRooms,
    isInForce: identity.isInForce,
    logPool: workerPool,
    keys: signingKeys,
    driftCheck: config.driftCheck === "off" ? null : { cron: config.driftCheckCron, of: config.driftCheck === "sample" ? "sample" : "all" },
    rebuild: (of) => rebuildProjections(connection, modules, { ...of, hydrate: (rows) => theLog().hydrate(rows) }),
    blobs,
    importsDirectory: path.join(config.dataDir, "imports"),
    archiveAfterDays: config.archiveAfterDays === 0 ? null : config.archiveAfterDays,
    roomNames: rooms.names,
    contentGraceH: config.contentGraceH === 0 ? null : config.contentGraceH,
    async roomsOver(organizationId, ids) {
      const { archived, sessions: of } = await rooms.lives(organizationId, ids);
      const ended = await theSessions().queries.ended(organizationId, [...of.values()]);
      return ids.filter((id) => archived.has(id) || ended.has(of.get(id) ?? ""));
    },
    anchors: anchorsOf(config, blobs, credentialsFile),
    projections: () => modules.flatMap(([, module]) => module.projections),
  });
  const repositories = createRepositories({
    forge: repositoryForge,
    credentialsFile,
    dataDir: config.dataDir,
    home: homedir(),
    mayBrowse: config.publicUrl === undefined || isLoopback(new URL(config.publicUrl).hostname),
    rooms,
    recentSources: (organizationId, of) => recentSources(db, organizationId, of),
  });
  const evidence = createEvidence({
    ...deps,
    rooms,
    runs,
    approvals,
    actions,
    audit,
    blobs,
    async signer(organizationId) {
      const { key, sign } = await audit.signer(organizationId);
      return { keyId: key.id, sign };
    },
  });
  const samples = createSamples({ directory: path.join(config.dataDir, "samples") });
  const files = createFiles({ doors: sessions });
  const previews = createPreviews({
    ...deps,
    pool: workerPool,
    doors: sessions,
    key: await openPreviewKey(path.join(config.dataDir, "keys")),
    domain: config.previewDomain,
    publicUrl,
    isPublic: config.publicUrl !== undefined,
    localPort: () => (config.gatewayUrl === undefined ? port : Number(new URL(config.gatewayUrl).port || 80)),
    lifetimeMs: config.previewTtlS * 1000,
    elsewhere: (sessionId) => internal.elsewhere(sessionId),
  });
  // Things that wait are told in the feed, which asks those who know them.
  let feed: FeedModule | undefined;
  const theFeed = (): FeedModule => {
    if (feed === undefined) throw new Error("a module told something while it was being made");
    return feed;
  };
  const attention = createAttention({
    ...deps,
    rooms,
    approvals,
    async questions(organizationId, ids) {
      const found = await Promise.all(ids.map((id) => theSessions().questions.view(organizationId, id)));
      return new Map(found.flatMap((question) => (question === null ? [] : [[question.id, question]])));
    },
    tell: (organizationId, topic, document) => theFeed().tell(organizationId, topic, document),
    stuckAfterMs: config.stuckAfterS * 1000,
  });
  feed = createFeed({
    ...deps,
    rooms,
    live: sessions.live,
    topics: [...runs.topics, ...attention.topics],
    pool: workerPool,
    connection: connection("sb_log"),
    tokenKeys: rings.sync,
    retentionMs: config.syncRetentionH * 3600_000,
    async runRoom(organizationId, runId) {
      const run = await runs.view(organizationId, runId);
      return run === null ? null : { roomId: run.room_id };
    },
    organizations: identity.organizations,
    displayNames: identity.displayNames,
    hold: identity.hold,
    standing: identity.standing,
    gatewayUrl: config.gatewayUrl,
  });
  const shares = createShares({
    ...deps,
    sessions,
    feed,
    displayNames: identity.displayNames,
    organizationName: identity.organizationName,
    publicUrl,
  });
  const terminals = createTerminalsModule({
    ...deps,
    pool: workerPool,
    doors: sessions,
    verifyToken: feed.verifyToken,
    hold: identity.hold,
    isElsewhere: async (sessionId) => ![null, nodeId].includes(await theSessions().holderOf(sessionId)),
    hasEnded: async (organizationId, sessionId) => (await theSessions().sessionOf(organizationId, sessionId))?.hasEnded ?? true,
  });
  let jobs: Jobs | undefined;
  let door: HttpServer | undefined;
  const push = createPush({
    ...deps,
    pool: workerPool,
    vapid: await openVapidKeys(path.join(config.dataDir, "keys")),
    contact: config.pushContact,
    allowLoopback: config.pushAllowLoopback,
    openItem: attention.openItem,
    roleOf: identity.roleOf,
    enqueue: (of) => enqueueJobs(workerPool, of),
  });
  const operations = createOperations({
    ...deps,
    rings,
    localOrganizationId: LOCAL.organizationId,
    version: VERSION,
    dataDir: path.resolve(config.dataDir),
    embedded: config.databaseUrl === undefined,
    pool: workerPool,
    jobs: () => {
      if (jobs === undefined) throw new Error("the jobs were asked about while they were being made");
      return jobs;
    },
    sandboxes: sandboxes.alive,
    sandboxProvider: sandboxes.name,
    limits: sandboxLimits(config),
    async sessionOfSandbox(organizationId, sandboxId) {
      const id = sandboxId.replace(/^sbx_/, "ses_");
      const found = await theSessions().pushingSession(id);
      return found?.organizationId === organizationId ? { id, title: found.title } : null;
    },
    connections: () => ({
      event_streams: door?.streams() ?? 0,
      sync_sockets: feed.stats().sockets,
      feed_followers: feed.stats().followers,
    }),
    health: () => healthParts(modules, theLog(), store),
    processes: nodes.usage,
    rooms,
    workers: runs.workers,
    displayNames: identity.displayNames,
  });
  const modules: readonly (readonly [string, Module])[] = [
    ["identity", identity],
    ["capabilities", capabilities],
    ["quotas", quotas],
    ["accounts", accounts],
    ["admin", admin],
    ["rooms", rooms],
    ["runs", runs],
    ["approvals", approvals],
    ["gate", gate],
    ["ledger", ledger],
    ["secrets", secrets],
    ["models", models],
    ["actions", actions],
    ["forge", forge],
    ["egress", egress],
    ["audit", audit],
    ["evidence", evidence],
    ["repositories", repositories],
    ["samples", samples],
    ["attention", attention],
    ["push", push],
    ["operations", operations],
    ["search", createSearch({ ...deps, rooms })],
    ["feed", feed],
    ["shares", shares],
    [
      "sinks",
      createSinks({
        ...deps,
        pool: workerPool,
        secrets,
        allowPrivate: config.sinkAllowPrivate,
        maxFailures: config.sinkMaxFailures,
        firstRetryMs: config.sinkFirstRetryMs,
      }),
    ],
    ["files", files],
    ["previews", previews],
    ["terminals", terminals],
    // Last: it runs agents from its start on, and they need all the others.
    ["sessions", sessions],
  ];

  const hydrate = createHydrate(workerPool, blobs.stream);
  await applyProjectionSchemas(connection, projectionSchemas(modules), hydrate);
  log = await createLog({
    connection: connection("sb_log"),
    wakeUp: bus === undefined || config.natsUrl === undefined ? undefined : wakeUpOver(bus),
    projections: modules.flatMap(([, module]) => module.projections),
    enqueue: enqueueJobs,
    clock,
    recordingClock: role === "all" ? undefined : nodes.clock,
    hydrate,
    readConnections: pools.logReads,
    // The server's own keys are known exactly, so that they are found whatever they look like.
    secrets: knownSecrets(secretValues(config), secrets.registry),
    onError,
  });
  late.bind(log);
  jobs = createJobs({
    pool: workerPool,
    clock,
    scrub: (organizationId, text) => theLog().scanner.scanText(organizationId, text).text,
    onError: (error, job) => logger.error({ err: error, job }, "a job failed"),
  });

  const internal = createInternal({
    nodes,
    signatures: createSignatures({
      key: internalKey,
      ring: rings.service,
      nowMs: nodes.clock.nowMs,
      remember: nodes.rememberNonce,
    }),
    serves: duties.sandboxes,
    holderOf: (sessionId) => theSessions().holderOf(sessionId),
  });
  const lifetime = createLifetime(modules, duties, logger);
  async function stopModules(): Promise<void> {
    await lifetime.stop();
    await bus?.close();
    await nodes
      .leave()
      .catch((error: unknown) => logger.warn({ err: error }, "the others are told by the lease that this process is gone"));
    await workerPool.end();
    store.close();
    await log?.close();
    await db.close();
  }

  try {
    await options.projected?.();
    await identity.ensureOrganization(LOCAL);
    await lifetime.start();
    startJobs(jobs, log, modules, { config, duties }, telemetry);
    let ready = false;
    const http = await createDoors({
      config,
      role,
      duties,
      version: VERSION,
      logger,
      telemetry,
      clock,
      log,
      db,
      store,
      internal,
      authenticator,
      modules,
      identity,
      accounts,
      admin,
      audit,
      feed,
      models,
      previews,
      terminals,
      isReady: () => ready,
    });
    door = http;
    /** Of a split installation: the others take over before this process goes. */
    async function leaveGently(): Promise<void> {
      try {
        await nodes.drain();
        if (duties.sandboxes && (await nodes.others("gateway", { machine: config.machine ?? "" })).length > 0) theSessions().handOver();
      } catch (error) {
        // Without the database nobody can take anything over; sessions are paused as when a server stops alone.
        logger.warn({ err: error }, "the others could not be told that this process stops");
      }
    }
    return {
      http,
      log: theLog(),
      jobs,
      db,
      identity,
      rooms,
      sessions,
      publicUrl,
      ownUrl,
      importFirstSession: () => importFirstSession({ db, imports: audit.imports, now: clock.now }, LOCAL.organizationId),
      async listen() {
        port = await http.listen(config.host, config.port);
        await nodes.join(config.internalUrl ?? ownUrl());
        ready = true;
        return port;
      },
      isReady: () => ready,
      async stop() {
        ready = false;
        if (role !== "all") await leaveGently();
        if (duties.sockets && role !== "all") await feed.drain(config.drainMs);
        feed.disconnect();
        previews.disconnect();
        terminals.disconnect();
        await http.close();
        await jobs.close();
        await stopModules();
      },
    };
  } catch (error) {
    await jobs.close();
    await stopModules();
    throw error;
  }
}
