import type { SessionEvent } from "@signalbox/contract/events/sessions";
import { session, type Session, type SessionCommand } from "./session.ts";

const ULID = "01J0000000000000000000000";
export const SESSION = `ses_${ULID}0`;
export const ROOM = `room_${ULID}0`;
export const THREAD = `th_${ULID}0`;
export const SANDBOX = `sbx_${ULID}0`;
export const AGENT = "agt_01J00000000000000000000000";
export const PERSON = "usr_owner";

const data = {
  session_id: SESSION,
  room_id: ROOM,
  thread_id: THREAD,
  title: "Fix the test",
  kind: "coding",
  source: { type: "scratch" },
  harness: "opencode",
  model: "demo",
  agent_id: AGENT,
  created_by: PERSON,
  budget_micro_usd: 1_000_000,
  sandbox: "immediate",
} as unknown as Extract<SessionEvent, { type: "session.created" }>["data"];

const of = (type: SessionEvent["type"], rest: object = {}): SessionEvent =>
  ({ type, data: { session_id: SESSION, ...rest } }) as SessionEvent;
const created: SessionEvent = { type: "session.created", data };
const starting = of("session.starting", { sandbox_id: SANDBOX, provider: "local", epoch: 1 });
const started = of("session.started", { sandbox_id: SANDBOX, epoch: 1, boot_ms: 900, base_commit: "a".repeat(40) });

/** The shortest real history that reaches each state; states are never built by hand. */
export const HISTORY: Record<Session["status"], SessionEvent[]> = {
  none: [],
  creating: [created],
  running: [created, starting, started],
  waiting: [created, starting, started, of("session.waiting", { reason: "A push awaits approval." })],
  paused: [created, starting, started, of("session.paused", { reason: "The sandbox ended." })],
  resuming: [created, starting, started, of("session.paused", { reason: "The sandbox ended." }), of("session.resumed", { by: PERSON })],
  completed: [created, starting, started, of("session.completed")],
  stopped: [created, starting, started, of("session.stopped", { reason: "Stopped.", by: PERSON })],
  failed: [created, starting, of("session.failed", { code: "agent_missing", message: "The agent did not start." })],
};

export const stateOf = (status: Session["status"]): Session => HISTORY[status].reduce(session.evolve, session.initial);

export const COMMAND: { [T in SessionCommand["type"]]: Extract<SessionCommand, { type: T }> } = {
  create: { type: "create", data },
  boot: { type: "boot", sandboxId: SANDBOX, provider: "local", epoch: 2 },
  ready: { type: "ready", sandboxId: SANDBOX, epoch: 2, bootMs: 1 },
  wait: { type: "wait", reason: "A push awaits approval." },
  continue: { type: "continue" },
  pause: { type: "pause", reason: "The server stopped." },
  resume: { type: "resume", by: PERSON },
  stop: { type: "stop", reason: "Enough.", by: PERSON },
  complete: { type: "complete" },
  fail: { type: "fail", code: "agent_missing", message: "The agent did not start." },
  rename: { type: "rename", title: "Another title", by: PERSON },
  archive: { type: "archive", by: PERSON },
  unarchive: { type: "unarchive", by: PERSON },
  change_model: { type: "change_model", model: "another", by: PERSON },
  delete: { type: "delete", by: PERSON },
  record_changes: { type: "record_changes", files: [{ path: "a.ts", status: "modified", additions: 1, deletions: 0, binary: false }] },
  record_commit: { type: "record_commit", commit: "b".repeat(40), branch: "signalbox/x", message: "Mend it" },
};
