/* What the rest of the server may use of sessions. */
import { type Reader, startReader } from "@signalbox/eventlog/reader";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import path from "node:path";
import { createScanner, type SecretRegistry } from "@signalbox/eventlog/dlp";
import type { Bus } from "@signalbox/providers/bus/port";
import type { SandboxLimits, SandboxProvider } from "@signalbox/providers/sandbox/port";
import { Pool, type ClientConfig } from "pg";
import { refused } from "../../http/handle.ts";
import type { Deps, Job, Module } from "../../module.ts";
import type { ActionsModule } from "../actions/public.ts";
import type { ApprovalsModule } from "../approvals/public.ts";
import type { EgressModule } from "../egress/public.ts";
import type { LiveSource } from "../feed/public.ts";
import type { ForgeModule, PushingSession } from "../forge/public.ts";
import type { GateModule } from "../gate/public.ts";
import type { IdentityModule } from "../identity/public.ts";
import type { LedgerModule } from "../ledger/public.ts";
import type { ModelsModule } from "../models/public.ts";
import type { RoomsModule } from "../rooms/public.ts";
import type { QuotasModule } from "../quotas/public.ts";
import type { RunsModule } from "../runs/public.ts";
import { createAfterlife } from "./afterlife.ts";
import { createSessionCommands, type SessionCommands } from "./commands.ts";
import { createDoors, type SessionDoors } from "./doors.ts";
import type { ConversationReader } from "./conversation.ts";
import { createHistory } from "./history.ts";
import { forgetErased, KEPT_TYPES } from "./kept.ts";
import { createSnapshots } from "./snapshots.ts";
import { createStrips } from "./strips.ts";
import { createHubs } from "./hubs.ts";
import { withImported } from "./imported.projection.ts";
import { itemsProjection } from "./items.projection.ts";
import { createLeases, LEASE_TTL_MS } from "./lease.ts";
import { createLive } from "./live.ts";
import { createMoments, momentRoutes, type Moments } from "./moment-routes.ts";
import type { HarnessEntry } from "./ports.ts";
import { createSessionQueries, type SessionQueries } from "./queries.ts";
import { questionsProjection } from "./questions.projection.ts";
import { createQuestions, type Questions } from "./questions.ts";
import { sessionRoutes } from "./routes.ts";
import { hasEnded } from "./session.ts";
import { sessionsProjection } from "./sessions.projection.ts";
import { turnsProjection } from "./turns.projection.ts";
import { createVerdicts } from "./verdicts.ts";

export { recentSources } from "./recent-sources.ts";
export { activeSessionCounts, activeSessionIds } from "./queries.ts";
export type { HarnessEntry } from "./ports.ts";
export type { CreateSession, SessionCommands } from "./commands.ts";
export type { QuestionRecord } from "./questions.ts";
export type { SessionAccess, SessionDoors } from "./doors.ts";

export interface SessionsModule extends Module, SessionDoors {
  readonly commands: SessionCommands;
  readonly queries: SessionQueries;
  /** What agents ask of people. */
  readonly questions: Pick<Questions, "view" | "list">;
  /** Of sessions that the caller has admitted somebody to already. */
  readonly conversation: ConversationReader;
  readonly moments: Moments;
  /** For the feed. */
  readonly live: LiveSource;
  /** Null when the organization has no such session. */
  sessionOf(organizationId: string, sessionId: string): Promise<{ agentId: string; roomId: string; hasEnded: boolean } | null>;
  /** The turn under way. */
  currentRun(organizationId: string, sessionId: string): Promise<string | undefined>;
  /** For the forge, which knows a session by its sandbox's socket only; null when it has ended. */
  pushingSession(sessionId: string): Promise<PushingSession | null>;
  /** The node whose hub has the session now; null: none has. */
  holderOf(sessionId: string): Promise<string | null>;
  /** Before it stops: another process of this machine goes on with what this one has, in the middle of a turn too. */
  handOver(): void;
  /** For health and tests of leaks. */
  stats(): { readonly hubs: number; readonly channels: number };
}

export interface SessionsDeps extends Deps {
  /** As `sb_log`: hubs work across organizations. */
  readonly connection: ClientConfig;
  readonly identity: Pick<IdentityModule, "ensurePrincipal" | "displayNames" | "registerPrincipal">;
  readonly rooms: RoomsModule;
  readonly runs: RunsModule;
  readonly actions: Pick<ActionsModule, "list" | "view">;
  readonly approvals: Pick<ApprovalsModule, "list" | "view" | "openBySession">;
  readonly gate: Pick<GateModule, "decide" | "killSwitch" | "provideSession">;
  readonly models: Pick<ModelsModule, "createVirtualKey" | "revokeVirtualKey" | "resolve" | "defaultModel" | "cut">;
  readonly ledger: Pick<LedgerModule, "setBudget" | "changeBudget">;
  readonly quotas: Pick<QuotasModule, "withSeat" | "admitWork">;
  readonly egress: Pick<EgressModule, "proxy" | "recordDigest">;
  readonly forge: Pick<ForgeModule, "check" | "open" | "checkout" | "setPerson" | "diff" | "close">;
  readonly sandboxes: SandboxProvider;
  readonly limits: SandboxLimits;
  /** By the contract's harness name. */
  readonly harnesses: Readonly<Record<string, HarnessEntry>>;
  readonly secrets?: SecretRegistry | undefined;
  /**
   * Names this installation or node, never two living processes: a lease held under it by a process that is dead (the
   * data directory's lock says so) is taken over at once, instead of after 30 s.
   */
  readonly nodeId: string;
  readonly defaultBudgetMicroUsd?: number | undefined;
  readonly leaseTtlMs?: number | undefined;
  /** Where local sandboxes and their files are: a session stays on its machine. */
  readonly machine?: string | undefined;
  /** Where other processes have sessions too. */
  readonly bus?: Pick<Bus, "publish" | "subscribe" | "isConnected"> | undefined;
  /** Default 6. */
  readonly connections?: number | undefined;
}

const DEFAULT_BUDGET_MICRO_USD = 5_000_000;

export function createSessions(deps: SessionsDeps): SessionsModule {
  const { db, clock, logger } = deps;
  const pool = new Pool({ ...deps.connection, max: deps.connections ?? 6 });
  const onLost = (error: Error): void => logger.warn({ err: error }, "a database connection of the sessions was lost");
  pool.on("error", onLost);
  // Also while it is out: lost between two queries it tells nobody else.
  pool.on("connect", (client) => client.on("error", onLost));
  const scanner = createScanner(deps.secrets);
  const queries = createSessionQueries(
    db,
    (rows) => deps.log.hydrate(rows),
    (harness) => deps.harnesses[harness]?.harness.choosesModel ?? true,
  );
  const leases = createLeases(pool, deps.nodeId, { ttlMs: deps.leaseTtlMs ?? LEASE_TTL_MS, machine: deps.machine ?? null });
  const roomOf = async (organizationId: string, sessionId: string): Promise<{ roomId: string; threadId: string } | null> => {
    const found = await queries.get(organizationId, sessionId);
    return found === null ? null : { roomId: found.view.room_id, threadId: found.view.thread_id };
  };
  const live = createLive({
    pool,
    clock,
    logger,
    bus: deps.bus,
    roomOf: async (organizationId, sessionId) => (await roomOf(organizationId, sessionId))?.roomId ?? null,
  });

  let checked: { at: number; result: ReturnType<SandboxProvider["check"]> } | null = null;
  const sandboxCheck = (): ReturnType<SandboxProvider["check"]> => {
    // It starts a sandbox to see; a minute-old answer is good enough for a question asked at every creation.
    if (checked === null || clock.nowMs() - checked.at > 60_000) checked = { at: clock.nowMs(), result: deps.sandboxes.check() };
    return checked.result;
  };

  const commands = createSessionCommands({
    ...deps,
    queries,
    sandboxCheck,
    defaultBudgetMicroUsd: deps.defaultBudgetMicroUsd ?? DEFAULT_BUDGET_MICRO_USD,
  });
  const hubs = createHubs({
    ...deps,
    pool,
    live,
    leases,
    renewMs: (deps.leaseTtlMs ?? LEASE_TTL_MS) / 3,
    scanner,
    secretsOf: (organizationId) => deps.secrets?.secretsOf(organizationId) ?? [],
    egress: deps.egress.proxy,
    digest: (run) => deps.egress.recordDigest(run),
    displayName: async (organizationId, id) => (await deps.identity.displayNames(organizationId, [id])).get(id) ?? id,
  });
  const history = createHistory(
    db,
    (organizationId, roomId) => deps.log.head(organizationId, { type: "room", id: roomId }),
    (rows) => deps.log.hydrate(rows),
  );
  const snapshots = createSnapshots(db, history);
  const strips = createStrips(db, history);
  const moments = createMoments(history, snapshots, strips);
  let snapshotReader: Reader | undefined;
  const questions = createQuestions({
    ...deps,
    openApprovals: async (organizationId, sessionId) =>
      (await deps.approvals.openBySession(organizationId, [sessionId])).get(sessionId) ?? 0,
  });
  const conversation: ConversationReader = async ({ organizationId, sessionId, roomId }, query) => {
    const asOf = query.as_of_seq;
    const head = asOf === undefined ? 0 : await deps.log.head(organizationId, { type: "room", id: roomId });
    if (asOf !== undefined && asOf > head)
      return refused("cursor_in_future", {
        message: `There is no event ${asOf} yet; the newest is ${head}.`,
        fix: "Ask for a seq up to last_seq.",
        details: { cursor: asOf, head },
      });
    return queries.conversation(organizationId, sessionId, query);
  };
  const verdicts = createVerdicts({ ...deps, pool, commands, roomOf, questions });
  const afterlife = createAfterlife({ ...deps, pool, hubs, leases, live });

  const sessionOf: SessionsModule["sessionOf"] = async (organizationId, sessionId) => {
    const found = await queries.get(organizationId, sessionId);
    if (found === null) return null;
    const { agent_id, room_id, status } = found.view;
    return { agentId: agent_id, roomId: room_id, hasEnded: hasEnded(status) };
  };
  deps.gate.provideSession(sessionOf);
  const idOf = (job: Job): string => (job.payload as { session_id: string }).session_id;

  return {
    ...createDoors({ ...deps, queries, hubs }),
    routes: [
      ...sessionRoutes({ ...deps, queries, commands, hubs, leases, conversation }),
      ...momentRoutes({
        ...deps,
        history,
        moments,
        roomOf: async (organizationId, sessionId) => (await roomOf(organizationId, sessionId))?.roomId ?? null,
        sessionsOf: queries.inRoom,
      }),
      ...questions.routes,
    ],
    // The list looks runs and approvals up in the tables of the two before it.
    projections: withImported([turnsProjection, itemsProjection, questionsProjection, sessionsProjection]),
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {
      async "sessions.snapshot"({ organizationId, payload }) {
        const { room_id: roomId } = payload as { room_id: string };
        const room = { organizationId, roomId, head: await history.head(organizationId, roomId) };
        await snapshots.keep(room);
        await strips.keep(room);
      },
      "session.boot": (job) => hubs.ensure(job.organizationId, idOf(job)),
      "session.teardown": async (job) => {
        deps.models.cut(job.organizationId, idOf(job), { status: 403, code: "session_ended", message: "The session has ended." });
        await afterlife.ended(job.organizationId, idOf(job));
      },
      "session.purge": (job) => afterlife.deleted(job.organizationId, idOf(job)),
    },
    schedules: [{ name: "sessions.live.expire", cron: "7 * * * *", run: async () => void (await live.expire()) }],
    commands,
    queries,
    questions,
    conversation,
    moments,
    live,
    sessionOf,
    async currentRun(organizationId, sessionId) {
      return (await queries.get(organizationId, sessionId))?.currentRunId ?? undefined;
    },
    async pushingSession(sessionId) {
      const { rows } = await pool.query<{
        organization_id: string;
        room_id: string;
        title: string;
        agent_id: string;
        status: string;
        run_id: string | null;
        requested_by: string | null;
      }>(
        `select s.organization_id, s.room_id, s.title, s.agent_id, s.status, t.run_id, t.requested_by
           from proj_sessions s left join proj_session_turns t on t.run_id = s.current_run_id where s.id = $1`,
        [sessionId],
      );
      const row = rows[0];
      if (row === undefined || hasEnded(row.status)) return null;
      return {
        organizationId: row.organization_id,
        roomId: row.room_id,
        title: row.title,
        agentId: row.agent_id,
        runId: row.run_id,
        onBehalfOf: row.requested_by?.startsWith("usr_") === true ? row.requested_by : null,
        correlationId: null,
      };
    },
    stats: () => ({ hubs: hubs.size, channels: live.channels }),
    holderOf: (sessionId) => leases.holderOf(sessionId),
    handOver: hubs.handOver,
    async start() {
      await live.start();
    },
    async stop() {
      await live.stop();
      await deps.sandboxes.close();
      await pool.end();
    },
    sandboxSide: { start: hubs.start, stop: hubs.stop },
    background: {
      async start() {
        await verdicts.start();
        snapshotReader = startReader({
          name: "sessions.snapshots",
          pool,
          log: deps.log,
          types: KEPT_TYPES,
          // Rooms that are long already are folded when somebody looks at them.
          from: "now",
          onError: (error) => deps.logger.warn({ err: error }, "moments of long rooms could not be kept; it is tried again"),
          async handle(tx, events) {
            const longer = await forgetErased(tx, events);
            await enqueueJobs(
              tx,
              longer.map(({ organizationId, roomId }) => ({
                kind: "sessions.snapshot",
                organizationId,
                payload: { room_id: roomId },
                key: roomId,
              })),
            );
          },
        });
      },
      async stop() {
        await snapshotReader?.stop();
        await verdicts.stop();
      },
    },
    async health() {
      const check = await sandboxCheck();
      return check.ok ? { ok: true, detail: null } : { ok: false, detail: `${check.reason} ${check.fix}` };
    },
  };
}
