/*
 * One session: a conversation with an agent, backed by a sandbox.
 *
 *            create              boot, ready                 wait
 *   (none) ─────────► creating ─────────────► running ⇄──────────── waiting
 *                        │                      │  ▲    continue       │
 *                        │                pause │  │ ready             │
 *                        │       boot (sandbox  │  │                   │
 *                        │            is lost)  ▼  │                   │
 *                        └────────────────►  paused ──► resuming ◄─────┘
 *                                               ▲ resume ▲ resume
 *      any live state: stop ─► stopped ─────────┼────────┤
 *                      fail ─► failed ──────────┴────────┘
 *                  complete ─► completed (final)
 *
 * `creating` has two phases: `pending` (nothing exists yet; a deferred sandbox waits for the first prompt) and
 * `starting`. `waiting` is `running` with a person to be asked; prompts queue in both. `paused`, `stopped` and
 * `failed` have no sandbox, but its files and the conversation are kept, so `resume` brings them back; only a paused
 * session is resumed by a mere prompt. `pausing` and `migrating` of the contract are for snapshots and moves.
 *
 * `delete` takes an ended session out of every list, for good; whatever comes after it is `session_not_found`.
 * `change_model` holds from the next turn on.
 *
 * `epoch` is the fencing number of the hub that boots: an older hub's `boot` or `ready` is refused.
 */
import type { FileChange, SessionEvent } from "@signalbox/contract/events/sessions";
import { accept, refuse, unreachable, type Decider, type Decision } from "@signalbox/kernel/decider";
import type { z } from "zod";

type Created = Extract<SessionEvent, { type: "session.created" }>["data"];

/** What every session that exists has, whatever its status. */
export interface SessionFacts {
  readonly about: Created;
  readonly title: string;
  readonly archived: boolean;
  readonly deleted: boolean;
  /** With which the next turn runs, and every one before it: a turn under way keeps what it began with. */
  readonly model: string;
  readonly models: readonly string[];
  readonly epoch: number;
  readonly baseCommit: string | null;
  readonly agentSessionId: string | null;
  readonly modelKeyId: string | null;
  readonly headCommit: string | null;
  /** Canonical text of the last recorded change list, so that an unchanged tree is not recorded again. */
  readonly changes: string;
}

export type Session =
  | { readonly status: "none" }
  | (SessionFacts & { readonly status: "creating"; readonly phase: "pending" | "starting" })
  | (SessionFacts & { readonly status: "running" | "resuming" | "completed" })
  | (SessionFacts & { readonly status: "waiting" | "paused" | "stopped"; readonly reason: string })
  | (SessionFacts & { readonly status: "failed"; readonly code: string; readonly reason: string });

export type SessionCommand =
  | { type: "create"; data: Created }
  | { type: "boot"; sandboxId: string; provider: string; epoch: number }
  | {
      type: "ready";
      sandboxId: string;
      epoch: number;
      agentSessionId?: string | undefined;
      baseCommit?: string | undefined;
      baseBranch?: string | undefined;
      bootMs: number;
    }
  | { type: "wait"; reason: string }
  | { type: "continue" }
  | { type: "pause"; reason: string }
  | { type: "resume"; by: string; modelKeyId?: string | undefined }
  | { type: "stop"; reason: string; by?: string | undefined }
  | { type: "complete" }
  | { type: "fail"; code: string; message: string }
  | { type: "rename"; title: string; by: string }
  | { type: "archive"; by: string }
  | { type: "unarchive"; by: string }
  | { type: "change_model"; model: string; by: string; modelKeyId?: string | undefined }
  | { type: "delete"; by: string }
  | {
      type: "record_changes";
      runId?: string | undefined;
      files: readonly z.infer<typeof FileChange>[];
      patchArtifactId?: string | undefined;
      headCommit?: string | undefined;
    }
  | { type: "record_commit"; commit: string; branch: string; message: string; coAuthor?: string | undefined };

export type SessionRefusal =
  | { code: "session_not_found" }
  | { code: "session_ended"; details: { status: string } }
  | { code: "session_not_live"; details: { status: string } }
  | { code: "session_not_resumable"; details: { status: string } }
  | { code: "session_not_ended"; details: { status: string } }
  | { code: "session_epoch_passed"; details: { epoch: number } };

/** Stands where a redaction took the text. */
export const ERASED = "[redacted]";
const isErased = ({ about }: { about: Partial<Created> }): boolean => about.session_id === undefined;

type SessionDecision = Decision<SessionEvent, SessionRefusal>;
type Existing = Exclude<Session, { status: "none" }>;

const event = (type: SessionEvent["type"], data: object): SessionDecision => accept({ type, data } as SessionEvent);
const nothing: SessionDecision = accept();

/** Ended sessions have no sandbox and take no prompt; `resume` brings back those that did not complete. */
export const isEnded = (status: Session["status"]): boolean => hasEnded(status);
/** The same of a status as it stands in a table. */
export const hasEnded = (status: string): boolean => status === "stopped" || status === "failed" || status === "completed";

export const session: Decider<Session, SessionCommand, SessionEvent, SessionRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    if (state.status === "none") {
      return command.type === "create" ? event("session.created", command.data) : refuse({ code: "session_not_found" });
    }
    const session_id = state.about.session_id;
    if (state.deleted) return command.type === "create" ? nothing : refuse({ code: "session_not_found" });
    switch (command.type) {
      // A repeated create is the same request again: ids are made once, by the caller.
      case "create":
        return nothing;
      // A title and an archive flag are about the record, not about what runs.
      case "rename":
        return command.title === state.title ? nothing : event("session.renamed", { session_id, title: command.title, by: command.by });
      case "archive":
        if (!isEnded(state.status)) return refuse({ code: "session_not_ended", details: { status: state.status } });
        return state.archived ? nothing : event("session.archived", { session_id, by: command.by });
      // What was erased is archived for good: there is nothing left to be looked at.
      case "unarchive":
        return state.archived && !isErased(state) ? event("session.unarchived", { session_id, by: command.by }) : nothing;
      case "delete":
        return isEnded(state.status)
          ? event("session.deleted", { session_id, by: command.by })
          : refuse({ code: "session_not_ended", details: { status: state.status } });
      default:
        return isEnded(state.status) ? decideEnded(state, command) : decideOpen(state, command);
    }
  },

  evolve(state, recorded) {
    if (recorded.type === "session.created") {
      const about = recorded.data;
      const created = {
        about,
        title: about.title,
        archived: false,
        deleted: false,
        model: about.model,
        models: [about.model],
        epoch: 0,
        baseCommit: null,
        agentSessionId: null,
        modelKeyId: about.model_key_id ?? null,
        headCommit: null,
        changes: "",
      } as const;
      // Whose creation was erased from the log is not known well enough to do anything with.
      return isErased({ about })
        ? { ...created, status: "completed", archived: true }
        : { ...created, status: "creating", phase: "pending" };
    }
    // Every other event follows a creation, by `decide`; a log that says otherwise is corrupt.
    if (state.status === "none") throw new Error(`${recorded.type} before session.created`);
    if (isErased(state)) return state;
    const facts = factsOf(state);
    switch (recorded.type) {
      case "session.renamed":
        return { ...state, title: recorded.data.title ?? ERASED };
      case "session.archived":
        return { ...state, archived: true };
      case "session.unarchived":
        return { ...state, archived: false };
      case "session.deleted":
        return { ...state, deleted: true };
      case "session.model_changed": {
        // An erased change changed nothing that can be known.
        const data: Partial<typeof recorded.data> = recorded.data;
        const model = data.model ?? state.model;
        return { ...state, model, modelKeyId: data.model_key_id ?? state.modelKeyId, models: [...new Set([...state.models, model])] };
      }
      case "session.starting":
        return state.status === "creating"
          ? { ...facts, epoch: recorded.data.epoch ?? facts.epoch, status: "creating", phase: "starting" }
          : { ...facts, epoch: recorded.data.epoch ?? facts.epoch, status: "resuming" };
      case "session.started":
        return {
          ...facts,
          status: "running",
          epoch: recorded.data.epoch ?? facts.epoch,
          baseCommit: recorded.data.base_commit ?? facts.baseCommit,
          agentSessionId: recorded.data.agent_session_id ?? facts.agentSessionId,
          headCommit: facts.headCommit ?? recorded.data.base_commit ?? null,
        };
      case "session.waiting":
        return { ...facts, status: "waiting", reason: recorded.data.reason ?? ERASED };
      case "session.continued":
        return { ...facts, status: "running" };
      case "session.paused":
        return { ...facts, status: "paused", reason: recorded.data.reason ?? ERASED };
      case "session.resumed":
        return { ...facts, status: "resuming", modelKeyId: recorded.data.model_key_id ?? facts.modelKeyId };
      case "session.stopped":
        return { ...facts, status: "stopped", reason: recorded.data.reason ?? ERASED };
      case "session.completed":
        return { ...facts, status: "completed" };
      case "session.failed":
        return { ...facts, status: "failed", code: recorded.data.code ?? "erased", reason: recorded.data.message ?? ERASED };
      case "session.changes_recorded":
        return { ...state, changes: changesKey(recorded.data.files ?? [], recorded.data.head_commit) };
      case "session.committed":
        return { ...state, headCommit: recorded.data.commit ?? state.headCommit };
      default:
        return unreachable(recorded);
    }
  },
};

type Rest = Exclude<SessionCommand, { type: "create" | "rename" | "archive" | "unarchive" | "delete" }>;

function decideOpen(state: Existing, command: Rest): SessionDecision {
  const session_id = state.about.session_id;
  switch (command.type) {
    case "boot":
      if (state.status === "paused") return refuse({ code: "session_not_live", details: { status: state.status } });
      if (command.epoch < state.epoch) return refuse({ code: "session_epoch_passed", details: { epoch: state.epoch } });
      return event("session.starting", { session_id, sandbox_id: command.sandboxId, provider: command.provider, epoch: command.epoch });
    case "ready":
      return decideReady(state, command);
    case "wait":
      // Before it runs there is nothing that could wait; while it waits a second question changes no state.
      return state.status === "running" ? event("session.waiting", { session_id, reason: command.reason }) : nothing;
    case "continue":
      return state.status === "waiting" ? event("session.continued", { session_id }) : nothing;
    case "pause":
      return state.status === "paused" ? nothing : event("session.paused", { session_id, reason: command.reason });
    case "resume":
      return state.status === "paused"
        ? event("session.resumed", { session_id, by: command.by, model_key_id: command.modelKeyId })
        : nothing;
    case "change_model":
      return command.model === state.model
        ? nothing
        : event("session.model_changed", { session_id, model: command.model, by: command.by, model_key_id: command.modelKeyId });
    case "stop":
      return event("session.stopped", { session_id, reason: command.reason, by: command.by });
    case "complete":
      return event("session.completed", { session_id });
    case "fail":
      return event("session.failed", { session_id, code: command.code, message: command.message });
    case "record_changes":
      if (changesKey(command.files, command.headCommit) === state.changes) return nothing;
      if (command.files.length === 0 && state.changes === "") return nothing;
      return event("session.changes_recorded", {
        session_id,
        run_id: command.runId,
        files: command.files,
        patch_artifact_id: command.patchArtifactId,
        head_commit: command.headCommit,
      });
    case "record_commit":
      if (command.commit === state.headCommit) return nothing;
      return event("session.committed", {
        session_id,
        commit: command.commit,
        branch: command.branch,
        message: command.message,
        co_author: command.coAuthor,
      });
    default:
      return unreachable(command);
  }
}

function decideReady(state: Existing, command: Extract<SessionCommand, { type: "ready" }>): SessionDecision {
  switch (state.status) {
    case "creating":
    case "resuming":
      if (command.epoch < state.epoch) return refuse({ code: "session_epoch_passed", details: { epoch: state.epoch } });
      return event("session.started", {
        session_id: state.about.session_id,
        sandbox_id: command.sandboxId,
        epoch: command.epoch,
        agent_session_id: command.agentSessionId,
        base_commit: command.baseCommit,
        base_branch: command.baseBranch,
        boot_ms: command.bootMs,
      });
    case "paused":
      return refuse({ code: "session_not_live", details: { status: state.status } });
    default:
      return nothing;
  }
}

/** A sandbox that comes up for a session which was stopped meanwhile must be told so; a retried `wait` need not. */
function decideEnded(state: Existing, command: Rest): SessionDecision {
  const status = state.status;
  switch (command.type) {
    case "resume":
      return status === "completed" || state.archived
        ? refuse({ code: "session_not_resumable", details: { status: state.archived ? "archived" : status } })
        : event("session.resumed", { session_id: state.about.session_id, by: command.by, model_key_id: command.modelKeyId });
    case "wait":
    case "continue":
      return nothing;
    case "change_model":
    case "boot":
    case "ready":
    case "pause":
    case "stop":
    case "complete":
    case "fail":
    case "record_changes":
    case "record_commit":
      return refuse({ code: "session_ended", details: { status } });
    default:
      return unreachable(command);
  }
}

function factsOf(state: Existing): SessionFacts {
  const { about, title, archived, deleted, model, models, epoch, baseCommit, agentSessionId, modelKeyId, headCommit, changes } = state;
  return { about, title, archived, deleted, model, models, epoch, baseCommit, agentSessionId, modelKeyId, headCommit, changes };
}

/** Tells an unchanged tree. */
export const changesKey = (files: readonly z.infer<typeof FileChange>[], head: string | undefined): string =>
  JSON.stringify([head ?? null, files.map((f) => [f.path, f.status, f.additions, f.deletions])]);
