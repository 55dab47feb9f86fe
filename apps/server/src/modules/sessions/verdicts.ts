/*
 * What people decided about the things a session asked for, brought back to it. A checkpointed reader of the log:
 *
 *   approval.requested ────────────────► the session waits, with the reason
 *   approval.approved|denied|expired ──► nothing else open: it continues
 *   invocation.completed|failed|… ─────► its turn has ended: the agent is told, as a turn of its own, once
 *
 * At least once and idempotent: the session's decider ignores what is so already, and what the agent is told has ids
 * made from the invocation's. One process reads at a time, whoever holds the checkpoint's row.
 */
import type { EventLog, Recorded } from "@signalbox/eventlog/log";
import { startReader, type Reader } from "@signalbox/eventlog/reader";
import type { Clock } from "@signalbox/kernel/clock";
import type { Logger } from "pino";
import type pg from "pg";
import type { ActionsModule } from "../actions/public.ts";
import type { ApprovalsModule } from "../approvals/public.ts";
import { SYSTEM } from "../identity/public.ts";
import type { RunsModule } from "../runs/public.ts";
import type { SessionCommands } from "./commands.ts";
import { isOutage } from "./patience.ts";
import type { Questions } from "./questions.ts";
import { session } from "./session.ts";

type InvocationView_ = NonNullable<Awaited<ReturnType<ActionsModule["view"]>>>;

const READER = "sessions.verdicts";
const TYPES = [
  "approval.requested",
  "approval.approved",
  "approval.denied",
  "approval.expired",
  "invocation.completed",
  "invocation.failed",
  "invocation.denied",
  "invocation.expired",
  "invocation.unknown",
] as const;
const BATCH = 100;
/** A `git push` waits this long for the verdict by itself (forge: 5 min, `PUSH_WAIT_MS`); what was decided within it, the agent saw. */
const HELD_MS = 295_000;

export interface VerdictDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly actions: Pick<ActionsModule, "view">;
  readonly approvals: Pick<ApprovalsModule, "view" | "openBySession">;
  readonly runs: Pick<RunsModule, "view">;
  readonly commands: Pick<SessionCommands, "tell">;
  readonly questions: Pick<Questions, "list">;
  readonly roomOf: (organizationId: string, sessionId: string) => Promise<{ roomId: string; threadId: string } | null>;
}

export interface Verdicts {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createVerdicts(deps: VerdictDeps): Verdicts {
  const { log, pool, logger } = deps;
  let reader: Reader | undefined;

  /** One event that cannot be dealt with must not keep the others from their sessions; an outage keeps them all. */
  async function handle(events: readonly Recorded[]): Promise<void> {
    for (const event of events) {
      try {
        await react(event);
      } catch (error) {
        if (isOutage(error)) throw error;
        logger.error({ err: error, event_id: event.eventId, type: event.event.type }, "a verdict could not be brought to its session");
      }
    }
  }

  async function react(r: Recorded): Promise<void> {
    if (r.subject.startsWith("approval:")) return ofApproval(r);
    return ofInvocation(r);
  }

  async function ofApproval(r: Recorded): Promise<void> {
    const view = await deps.approvals.view(r.organizationId, r.subjectId);
    if (view?.session_id === null || view === null) return;
    const place = await deps.roomOf(r.organizationId, view.session_id);
    if (place === null) return;
    const open = (await deps.approvals.openBySession(r.organizationId, [view.session_id])).get(view.session_id) ?? 0;
    const target = {
      organizationId: r.organizationId,
      stream: { type: "room" as const, id: place.roomId },
      subject: `session:${view.session_id}`,
      origin: {
        principal: SYSTEM,
        roomId: place.roomId,
        threadId: place.threadId,
        sessionId: view.session_id,
        correlationId: r.correlationId,
        causationId: r.eventId,
      },
    };
    if (open > 0) return void (await log.run(session, target, { type: "wait", reason: `${view.title}: awaits approval.` }));
    const asked = await deps.questions.list(r.organizationId, { sessionId: view.session_id, status: "open" }, { limit: 1 });
    if (asked.items.length === 0) await log.run(session, target, { type: "continue" });
  }

  async function ofInvocation(r: Recorded): Promise<void> {
    const view = await deps.actions.view(r.organizationId, r.subjectId);
    if (view === null || view.session_id === null || view.approval_id === null) return;
    if (await sawItself(r.organizationId, view)) return;
    await deps.commands.tell(r.organizationId, view.session_id, view.id, verdictText(view));
  }

  /** In its own turn, while the command that asked was still waiting. */
  async function sawItself(organizationId: string, view: InvocationView_): Promise<boolean> {
    if (view.run_id === null) return false;
    const run = await deps.runs.view(organizationId, view.run_id);
    if (run === null) return false;
    const decided = Date.parse(view.ended_at ?? deps.clock.now());
    if (decided - Date.parse(view.created_at) > HELD_MS) return false;
    return run.ended_at === null || Date.parse(run.ended_at) >= decided;
  }

  return {
    async start() {
      reader = startReader({
        name: READER,
        pool,
        log,
        types: TYPES,
        batchSize: BATCH,
        handle: (_tx, events) => handle(events),
        onError: (error) => logger.warn({ err: error }, "verdicts could not be brought to their sessions yet; trying again"),
      });
    },
    async stop() {
      await reader?.stop();
    },
  };
}

function verdictText(view: InvocationView_): string {
  const what = `What you asked for earlier (“${view.title}”)`;
  switch (view.status) {
    case "completed":
      return `${what} was approved and is done. Nothing needs to be repeated. Go on with what is left of the task, or say that it is finished.`;
    case "failed":
      return `${what} was approved, but it failed: ${view.error?.message ?? "no reason was given"}. Look into it, and say what you would do.`;
    case "denied":
      return `${what} was denied by a person. Do not ask for it again unless you are told to; say how things stand.`;
    case "expired":
      return `${what} was not answered in time and has lapsed. Ask again only if it is still needed.`;
    default:
      return `${what} was approved, but whether it took effect is not known. Do not repeat it; a person looks into it.`;
  }
}
