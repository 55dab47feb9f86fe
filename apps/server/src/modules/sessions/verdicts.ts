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
import type { Clock } from "@signalbox/kernel/clock";
import type { Logger } from "pino";
import type pg from "pg";
import type { ActionsModule } from "../actions/public.ts";
import type { ApprovalsModule } from "../approvals/public.ts";
import { SYSTEM } from "../identity/public.ts";
import type { RunsModule } from "../runs/public.ts";
import type { SessionCommands } from "./commands.ts";
import { session } from "./session.ts";

type InvocationView_ = NonNullable<Awaited<ReturnType<ActionsModule["view"]>>>;

const READER = "sessions.verdicts";
const TYPES = [
  "approval.requested", "approval.approved", "approval.denied", "approval.expired",
  "invocation.completed", "invocation.failed", "invocation.denied", "invocation.expired", "invocation.unknown",
] as const;
const BATCH = 100;
const IDLE_MS = 5000;
/** A `git push` waits this long for the verdict by itself (forge: 90 s); what was decided within it, the agent saw. */
const HELD_MS = 85_000;

export interface VerdictDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly actions: Pick<ActionsModule, "view">;
  readonly approvals: Pick<ApprovalsModule, "view" | "openBySession">;
  readonly runs: Pick<RunsModule, "view">;
  readonly commands: Pick<SessionCommands, "tell">;
  readonly roomOf: (organizationId: string, sessionId: string) => Promise<{ roomId: string; threadId: string } | null>;
}

export interface Verdicts {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Reads what there is now; for tests. */
  catchUp(): Promise<void>;
}

export function createVerdicts(deps: VerdictDeps): Verdicts {
  const { log, pool, logger } = deps;
  let unsubscribe: (() => void) | null = null;
  let timer: NodeJS.Timeout | null = null;
  let reading: Promise<void> | null = null;
  let again = false;
  let stopped = false;

  /** One batch under the checkpoint's lock; how many events it had. */
  async function readBatch(): Promise<number> {
    const client = await pool.connect();
    let broken: Error | undefined;
    try {
      await client.query("begin");
      await client.query(`insert into evt_readers (name, position) values ($1, 0) on conflict do nothing`, [READER]);
      const { rows } = await client.query<{ position: string }>(`select position from evt_readers where name = $1 for update skip locked`, [READER]);
      const from = rows[0];
      if (from === undefined) {
        await client.query("rollback");
        return 0;
      }
      const events = await log.readAll({ afterPosition: Number(from.position), limit: BATCH, types: TYPES });
      for (const event of events) await react(event);
      const last = events.at(-1)?.position;
      if (last !== undefined) await client.query(`update evt_readers set position = $2, updated_at = now() where name = $1`, [READER, last]);
      await client.query("commit");
      return events.length;
    } catch (error) {
      await client.query("rollback").catch((rollback: unknown) => {
        broken = rollback as Error;
      });
      throw error;
    } finally {
      client.release(broken);
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
      organizationId: r.organizationId, stream: { type: "room" as const, id: place.roomId }, subject: `session:${view.session_id}`,
      origin: { principal: SYSTEM, roomId: place.roomId, threadId: place.threadId, sessionId: view.session_id, correlationId: r.correlationId, causationId: r.eventId },
    };
    await log.run(session, target, open > 0 ? { type: "wait", reason: `${view.title}: awaits approval.` } : { type: "continue" });
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

  async function catchUp(): Promise<void> {
    while (!stopped && (await readBatch()) > 0);
  }

  function wake(): void {
    if (stopped) return;
    if (reading !== null) {
      again = true;
      return;
    }
    reading = catchUp()
      .catch((error: unknown) => logger.warn({ err: error }, "verdicts could not be brought to their sessions yet; trying again"))
      .finally(() => {
        reading = null;
        if (again) {
          again = false;
          wake();
        }
      });
  }

  return {
    catchUp,
    async start() {
      stopped = false;
      unsubscribe = log.onAppended(wake);
      timer = setInterval(wake, IDLE_MS);
      wake();
    },
    async stop() {
      stopped = true;
      unsubscribe?.();
      if (timer !== null) clearInterval(timer);
      await reading;
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
