/*
 * One run: one unit of work with an objective, by an engine that claimed it (kind `task`) or by
 * the platform itself (kinds `turn`, `automation`).
 *
 *            create          claim            start             complete
 *   (none) ─────────► queued ─────► claimed ─────────► running ───────────► succeeded
 *                      │ ▲   ▲        │   claim (lease   │  │ fail
 *                      │ │   └────────┤   expired) ──────┤  ├─────────────► failed ───────┐
 *                      │ └─ release ──┴──────────────────┘  │ need_human                 │ resolve
 *                      │            start (platform)        ├─────────────► needs_human ─┼────────► succeeded
 *                      ├──────────────────────────► running │ time_out                   │          failed
 *                      │ skip                               ├─────────────► timed_out ───┘          canceled
 *                      └────► skipped                       │ cancel
 *                                                           └─────────────► canceled
 *
 * Who may write. Every command on an open run names its writer:
 *   platform   the only writer of turns and automations, which nobody can claim; it also ends what
 *              no engine will (time_out of a task).
 *   engine     the only writer of tasks. It presents the hash of its claim token, its epoch, and
 *              the lease as it stands in `run_leases` (heartbeats are rows, not events). The log
 *              says who claimed last, the row says until when; both must agree.
 *
 * A result that comes too late (the run ended, or its lease was lost to another) is refused and
 * kept as `run.late_result`, provided that its token was once a real claim of this run.
 * needs_human, failed and timed_out have exactly one exit: a person's `resolve`, once.
 *
 * Steps, tool calls and artifacts are entries of the run's own history; `record.ts` decides them.
 */
import type { RunEvent, RunKind } from "@signalbox/contract/events/runs";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";
import type { ClaimRun, CreateRun, EndRun, Lease, ReleaseRun, RunCommand, RunDecision, RunRefusal, Writer } from "./run-command.ts";
import { decideRecord, evolveRecord, NOTHING_RECORDED, type Recording } from "./record.ts";

export type { RunCommand, RunRefusal, Writer } from "./run-command.ts";

/** What every state after `none` knows. */
export interface RunBase {
  readonly kind: RunKind;
  readonly maxAttempts: number;
  readonly attemptNo: number;
  readonly epoch: number;
  readonly assignee: string | null;
  /** Every claim there ever was, so that a late result can be told from a forged one. */
  readonly claims: readonly { readonly epoch: number; readonly tokenHash: string }[];
  readonly recording: Recording;
}
interface Claim {
  readonly claimedBy: string;
  readonly tokenHash: string;
}
export type Run =
  | { readonly status: "none" }
  | (RunBase & { readonly status: "queued" })
  | (RunBase & { readonly status: "claimed"; readonly claim: Claim })
  /** `claim` is null when the platform itself runs it. */
  | (RunBase & { readonly status: "running"; readonly claim: Claim | null })
  | (RunBase & { readonly status: "succeeded" | "canceled" | "skipped" })
  | (RunBase & { readonly status: "failed" | "needs_human" | "timed_out"; readonly isResolved: boolean });

type Known = Exclude<Run, { status: "none" }>;
type Open = Extract<Run, { status: "queued" | "claimed" | "running" }>;
type Ended = Exclude<Known, Open>;

export const isOpen = (state: Run): state is Open => state.status === "queued" || state.status === "claimed" || state.status === "running";

export const run: Decider<Run, RunCommand, RunEvent, RunRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none":
        return command.type === "create" ? accept(created(command)) : refuse({ code: "run_not_found" });
      case "queued":
      case "claimed":
      case "running":
        return decideOpen(state, command);
      case "succeeded":
      case "failed":
      case "needs_human":
      case "timed_out":
      case "canceled":
      case "skipped":
        return decideEnded(state, command);
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    if (event.type === "run.created") {
      // An erased creation says nothing: such a run is nobody's to claim.
      const { kind, max_attempts }: Partial<typeof event.data> = event.data;
      return {
        status: "queued",
        kind: kind ?? "turn",
        maxAttempts: max_attempts ?? 1,
        attemptNo: 0,
        epoch: 0,
        assignee: null,
        claims: [],
        recording: NOTHING_RECORDED,
      };
    }
    // Every other event follows the creation, by `decide`; a log that says otherwise is corrupt.
    if (state.status === "none") throw new Error(`${event.type} before run.created`);
    return evolveKnown(state, event);
  },
};

function decideOpen(state: Open, command: RunCommand): RunDecision {
  switch (command.type) {
    case "create":
      return accept(); // a retried creation
    case "assign":
    case "unassign":
      return decideAssignment(state, command);
    case "cancel":
      return accept({
        type: "run.canceled",
        data: { run_id: command.runId, by: command.by, ...(command.reason === undefined ? {} : { reason: command.reason }) },
      });
    case "resolve":
      return refuse({ code: "run_not_resolvable", details: { status: state.status } });
    case "skip":
      return state.status === "queued"
        ? accept({ type: "run.skipped", data: { run_id: command.runId, reason: command.reason } })
        : refuse({ code: "run_not_queued", details: { status: state.status } });
    case "edit":
    case "move":
    case "withdraw":
      return decideQueued(state, command);
    case "claim":
      return decideClaim(state, command);
    case "exhaust":
      return decideExhaust(state, command.runId, command.lease, command.now);
    case "release":
      return decideRelease(state, command);
    case "start":
    case "complete":
    case "fail":
    case "need_human":
    case "time_out":
      return decideProgress(state, command);
    default: {
      const barred = fence(state, command.writer, command.now);
      if (barred !== null) return refuse(barred);
      if (state.status !== "running") return refuse({ code: "run_not_running", details: { status: state.status } });
      return decideRecord(state.recording, command);
    }
  }
}

/** What is still waiting may be changed, moved or withdrawn; each is an event of the run, so that its start and this exclude each other. */
function decideQueued(state: Open, command: Extract<RunCommand, { type: "edit" | "move" | "withdraw" }>): RunDecision {
  if (state.status !== "queued") return refuse({ code: "run_not_queued", details: { status: state.status } });
  const { runId: run_id, by } = command;
  switch (command.type) {
    case "edit":
      return accept({ type: "run.edited", data: { run_id, title: command.title, by } });
    case "move":
      return accept({
        type: "session.prompt_moved",
        data: { session_id: command.sessionId, run_id, before_run_id: command.beforeRunId, by },
      });
    case "withdraw":
      return accept({ type: "run.canceled", data: { run_id, by, ...(command.reason === undefined ? {} : { reason: command.reason }) } });
    default:
      return unreachable(command);
  }
}

/** Only tasks are offered; a live lease or an ended run is somebody else's. */
function decideClaim(state: Open, command: ClaimRun): RunDecision {
  if (state.kind !== "task") return refuse({ code: "run_not_queued", details: { status: state.status } });
  if (state.status !== "queued" && isLive(command.lease, state.epoch, command.now)) {
    return refuse({ code: "run_not_queued", details: { status: state.status } });
  }
  if (state.attemptNo >= state.maxAttempts) return refuse({ code: "attempts_exhausted" }, exhausted(command.runId, state));
  return accept({
    type: "run.claimed",
    data: {
      run_id: command.runId,
      attempt_no: state.attemptNo + 1,
      epoch: command.epoch,
      claimed_by: command.by,
      claim_token_hash: command.tokenHash,
      lease_expires_at: command.leaseExpiresAt,
      reclaimed: state.status !== "queued",
    },
  });
}

/** The sweeper's word on a task whose last attempt died; harmless on any other. */
function decideExhaust(state: Open, runId: CreateRun["runId"], lease: Lease | null, now: string): RunDecision {
  const dead =
    state.kind === "task" && state.attemptNo >= state.maxAttempts && (state.status === "queued" || !isLive(lease, state.epoch, now));
  return dead ? accept(exhausted(runId, state)) : accept();
}

function decideRelease(state: Open, command: ReleaseRun): RunDecision {
  const barred = fence(state, command.writer, command.now);
  if (barred !== null) return refuse(barred);
  const released: RunEvent = {
    type: "run.released",
    data: { run_id: command.runId, epoch: state.epoch, ...(command.reason === undefined ? {} : { reason: command.reason }) },
  };
  // Nobody could claim it again, so it must not wait in the queue for ever.
  return state.attemptNo >= state.maxAttempts ? accept(released, exhausted(command.runId, state)) : accept(released);
}

function decideProgress(state: Open, command: EndRun): RunDecision {
  const barred = fence(state, command.writer, command.now);
  if (barred !== null) {
    return isResult(command) && wasClaimOf(state, command.writer) ? refuse(barred, lateResult(command)) : refuse(barred);
  }
  const { runId: run_id } = command;
  switch (command.type) {
    case "start":
      // A retried start changes nothing.
      return state.status === "running" ? accept() : accept({ type: "run.started", data: { run_id, epoch: state.epoch } });
    case "complete":
      if (state.status !== "running") return refuse({ code: "run_not_running", details: { status: state.status } });
      return accept({
        type: "run.completed",
        data: {
          run_id,
          ...(command.summary === undefined ? {} : { summary: command.summary }),
          ...(command.output === undefined ? {} : { output: command.output }),
        },
      });
    case "fail":
      return accept({ type: "run.failed", data: { run_id, code: command.code, message: command.message } });
    case "need_human":
      return accept({ type: "run.needs_human", data: { run_id, reason: command.reason } });
    case "time_out":
      return accept({ type: "run.timed_out", data: { run_id, after_ms: command.afterMs } });
    default:
      return unreachable(command);
  }
}

/** Null when `writer` may write now. */
function fence(state: Open, writer: Writer, now: string): RunRefusal | null {
  // Turns and automations have no lease that an engine could hold.
  if (writer.type === "platform") return state.kind === "task" && !writer.overridesLease ? { code: "lease_token_mismatch" } : null;
  const claim = state.status === "queued" ? null : state.claim;
  if (claim !== null && claim.tokenHash === writer.tokenHash && state.epoch === writer.epoch) {
    return isLive(writer.lease, state.epoch, now) ? null : { code: "lease_expired" };
  }
  return wasClaimOf(state, writer) ? { code: "lease_expired" } : { code: "lease_token_mismatch" };
}

/** A lease row of a later epoch means that somebody is claiming right now, and this lease is over. */
const isLive = (lease: Lease | null, epoch: number, now: string): boolean =>
  lease !== null && lease.epoch === epoch && lease.expiresAt > now;

const wasClaimOf = (state: RunBase, writer: Writer): writer is Extract<Writer, { type: "engine" }> =>
  writer.type === "engine" && state.claims.some((c) => c.epoch === writer.epoch && c.tokenHash === writer.tokenHash);

const isResult = (command: RunCommand): command is Extract<RunCommand, { type: "complete" | "fail" }> =>
  command.type === "complete" || command.type === "fail";

function decideEnded(state: Ended, command: RunCommand): RunDecision {
  switch (command.type) {
    case "create":
    case "exhaust":
      return accept();
    case "assign":
    case "unassign":
      return decideAssignment(state, command);
    case "resolve":
      if (!("isResolved" in state) || state.isResolved) return refuse({ code: "run_not_resolvable", details: { status: state.status } });
      return accept({
        type: "run.resolved",
        data: {
          run_id: command.runId,
          outcome: command.outcome,
          by: command.by,
          ...(command.comment === undefined ? {} : { comment: command.comment }),
        },
      });
    case "edit":
    case "move":
    case "withdraw":
      return refuse({ code: "run_not_queued", details: { status: state.status } });
    case "complete":
    case "fail": {
      const refusal: RunRefusal = { code: "run_already_ended", details: { status: state.status } };
      const isGenuine = command.writer.type === "platform" || wasClaimOf(state, command.writer);
      return isGenuine ? refuse(refusal, lateResult(command)) : refuse(refusal);
    }
    default:
      return refuse({ code: "run_already_ended", details: { status: state.status } });
  }
}

/** One person at a time; whoever comes second is told who has it. */
function decideAssignment(state: Known, command: Extract<RunCommand, { type: "assign" | "unassign" }>): RunDecision {
  const { runId: run_id, by } = command;
  if (command.type === "unassign") return state.assignee === null ? accept() : accept({ type: "run.unassigned", data: { run_id, by } });
  if (state.assignee === command.assignee) return accept();
  if (state.assignee !== null) return refuse({ code: "run_already_assigned", details: { assignee: state.assignee } });
  return accept({ type: "run.assigned", data: { run_id, assignee: command.assignee, by } });
}

function evolveKnown(state: Known, event: Exclude<RunEvent, { type: "run.created" }>): Run {
  switch (event.type) {
    case "run.claimed": {
      // An erased claim still counts; nobody can write under it, so its lease runs out.
      const erased = { epoch: state.epoch + 1, claim_token_hash: "", claimed_by: "", attempt_no: state.attemptNo + 1 };
      const { epoch, claim_token_hash: tokenHash, claimed_by: claimedBy, attempt_no: attemptNo } = { ...erased, ...event.data };
      return {
        ...baseOf(state),
        status: "claimed",
        attemptNo,
        epoch,
        claims: [...state.claims, { epoch, tokenHash }],
        claim: { claimedBy, tokenHash },
      };
    }
    case "run.started":
      return { ...baseOf(state), status: "running", claim: state.status === "claimed" ? state.claim : null };
    case "run.released":
      return { ...baseOf(state), status: "queued" };
    case "run.completed":
      return { ...baseOf(state), status: "succeeded" };
    case "run.failed":
      return { ...baseOf(state), status: "failed", isResolved: false };
    case "run.needs_human":
      return { ...baseOf(state), status: "needs_human", isResolved: false };
    case "run.timed_out":
      return { ...baseOf(state), status: "timed_out", isResolved: false };
    case "run.canceled":
      return { ...baseOf(state), status: "canceled" };
    case "run.skipped":
      return { ...baseOf(state), status: "skipped" };
    case "run.resolved": {
      const { outcome }: Partial<typeof event.data> = event.data;
      return outcome === undefined || outcome === "failed"
        ? { ...baseOf(state), status: "failed", isResolved: true }
        : { ...baseOf(state), status: outcome };
    }
    case "run.late_result":
    case "run.edited":
    case "session.prompt_moved":
      return state;
    case "run.assigned":
      return { ...state, assignee: event.data.assignee };
    case "run.unassigned":
      return { ...state, assignee: null };
    default:
      return { ...state, recording: evolveRecord(state.recording, event) };
  }
}

const baseOf = ({ kind, maxAttempts, attemptNo, epoch, assignee, claims, recording }: Known): RunBase => ({
  kind,
  maxAttempts,
  attemptNo,
  epoch,
  assignee,
  claims,
  recording,
});

function created(c: CreateRun): RunEvent {
  return {
    type: "run.created",
    data: {
      run_id: c.runId,
      kind: c.kind,
      requested_by: c.requestedBy,
      max_attempts: c.maxAttempts ?? (c.kind === "task" ? 3 : 1),
      ...(c.title === undefined ? {} : { title: c.title }),
      ...(c.goal === undefined ? {} : { goal: c.goal }),
      ...(c.input === undefined ? {} : { input: c.input }),
      ...(c.tags === undefined ? {} : { tags: c.tags }),
      ...(c.sessionId === undefined ? {} : { session_id: c.sessionId }),
    },
  };
}

const exhausted = (run_id: CreateRun["runId"], state: RunBase): RunEvent => ({
  type: "run.failed",
  data: { run_id, code: "attempts_exhausted", message: `none of its ${state.maxAttempts} attempts finished` },
});

function lateResult(command: Extract<RunCommand, { type: "complete" | "fail" }>): RunEvent {
  const text = command.type === "complete" ? command.summary : `${command.code}: ${command.message}`;
  return {
    type: "run.late_result",
    data: {
      run_id: command.runId,
      epoch: command.writer.type === "engine" ? command.writer.epoch : 0,
      attempted: command.type,
      ...(text === undefined ? {} : { summary: text }),
    },
  };
}
