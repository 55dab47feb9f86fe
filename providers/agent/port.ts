/*
 * The harness port: how a coding agent is driven, whichever it is, and the one vocabulary in which it speaks.
 *
 *   start(host, options) ──► AgentSession ──► prompt ──► turn.started … turn.ended ──► prompt …
 *        ▲                       │  cancel, answerPermission, resync
 *        └── options.resume ◄────┘ record            (the server was killed, the agent was not; or both were)
 *
 * Promises, tested by `conformance.ts` on every harness:
 * - One turn at a time. Each `prompt` gives exactly one `turn.started` and one `turn.ended`, whatever happens.
 * - Ids (`stepId`, `partId`, `callId`, permission `id`) are the same after a reconnect and after a resume, so a
 *   consumer that recorded an id records it once. Within one AgentSession nothing completed is emitted twice.
 * - The deltas of a part, concatenated, are the text of its completion, up to white space that the agent trims.
 * - `resync()` is the whole current (or last) turn; events that follow continue from exactly there.
 * - Memory is bounded: a tool may print what it likes, its output is kept up to OUTPUT_LIMIT.
 * - What the agent says is data. Nothing here decides; permission requests are answered by the gate.
 */
import type { Duplex, Readable } from "node:stream";
import type { AttachOptions, ProcessState, SandboxProcess, SpawnOptions } from "@signalbox/sandboxd/host";

/** What a harness needs of the place where the agent runs. A `Sandbox` with its two directories named is one. */
export type AgentHost = {
  readonly home: string;
  readonly workspace: string;
  spawn(options: SpawnOptions): Promise<SandboxProcess>;
  attach(processId: string, options?: AttachOptions): Promise<SandboxProcess>;
  processes(): Promise<ProcessState[]>;
  connect(port: number): Promise<Duplex>;
  writeFile(path: string, content: string | Buffer | Readable, mode?: number): Promise<void>;
  /** False once the place itself is gone, and its agents with it. Without it a lost connection is waited out. */
  alive?(): boolean;
};

/** A tool's output beyond this many characters is cut in the middle: head and tail are what people read. */
export const OUTPUT_LIMIT = 256 * 1024;

export type AgentModel = {
  /** OpenAI-compatible, as seen from inside: `http://model.signalbox.invalid/llm/v1`. */
  baseUrl: string;
  /** A placeholder. The real key is added outside, at the egress. */
  apiKey: string;
  modelId: string;
  /** Tokens; what the agent compacts by. */
  contextLimit?: number | undefined;
  outputLimit?: number | undefined;
};

export type McpServer = { name: string; url: string; headers?: Record<string, string> | undefined };

export type StartOptions = {
  model: AgentModel;
  /** Further models that a prompt may name. */
  otherModels?: readonly AgentModel[] | undefined;
  /** Prepended to what the agent knows about its place: rules of the house, not the task. */
  instructions?: string | undefined;
  /** Tools for which the agent must ask (`edit`, `bash`, `webfetch` …); default none, since the sandbox is the wall. */
  askFor?: readonly string[] | undefined;
  mcpServers?: readonly McpServer[] | undefined;
  /** Environment of the agent's process, over the host's own. Never a credential. */
  env?: Record<string, string> | undefined;
  resume?: AgentResume | undefined;
  /** Ends the start, not the session. */
  signal?: AbortSignal | undefined;
  startTimeoutMs?: number | undefined;
};

/**
 * With `record` the process that it names is taken over if it still runs, in the middle of a turn too; otherwise,
 * and without it, a new process picks the conversation up from the files in `home`.
 */
export type AgentResume = { agentSessionId: string; record?: AgentRecord | undefined };

/** Plain JSON to be kept until the session ends; only the harness that made it reads it. Not for the log. */
export type AgentRecord = { harness: string; agentSessionId: string; [key: string]: unknown };

export type Harness = {
  readonly name: string;
  /** False: its agent runs on a model of its own, and neither a start nor a prompt can name another. */
  readonly choosesModel: boolean;
  /** Rejects with `AgentStartError`. */
  start(host: AgentHost, options: StartOptions): Promise<AgentSession>;
};

export class AgentStartError extends Error {
  override name = "AgentStartError";
  /** `start_timeout`, `agent_exited`, `agent_missing`, `session_unknown`, `aborted`, `protocol`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type PermissionOutcome = "allow_once" | "allow_always" | "deny";

export type AgentSession = {
  readonly agentSessionId: string;
  readonly record: AgentRecord;
  /** True when the process of the record was still there and was taken over. */
  readonly reattached: boolean;
  /** Resolves when the agent accepted it. Rejects with `AgentBusyError` during a turn, `AgentGoneError` after the end. */
  prompt(prompt: {
    promptId: string;
    text: string;
    /** Id of a model of the start; default the one that it was started with. `AgentModelError`: it cannot without a new start. */
    model?: string | undefined;
  }): Promise<void>;
  /** Resolves when the turn has ended; harmless when there is none. */
  cancel(): Promise<void>;
  /** False when nobody asks that (any more): a turn that ended takes its questions with it. */
  answerPermission(id: string, outcome: PermissionOutcome, message?: string): Promise<boolean>;
  /** By question the labels that were chosen and what was said; null: nobody will answer. Only where questions are asked. */
  answerQuestions?(id: string, answers: readonly (readonly string[])[] | null): Promise<boolean>;
  resync(): Promise<TurnState | null>;
  /** Every event from this call on, in order. One listener; the second call replaces the first. */
  onEvent(listener: (event: AgentEvent) => void): void;
  /** Ends the agent's process. */
  close(): Promise<void>;
  /** Lets go of the process without ending it, as a killed server would. */
  detach(): void;
};

export class AgentBusyError extends Error {
  override name = "AgentBusyError";
}
/** The agent cannot change to that model while it runs. */
export class AgentModelError extends Error {
  override name = "AgentModelError";
}
export class AgentGoneError extends Error {
  override name = "AgentGoneError";
}

export type TurnEnd = { reason: "completed" } | { reason: "canceled" } | { reason: "failed"; error: { code: string; message: string } };

export type Usage = {
  inputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
};

export type PlanEntry = { content: string; status: "pending" | "in_progress" | "completed" };

export type AgentEvent =
  | { type: "turn.started"; promptId: string }
  /** A step is one answer of the model: what it says, thinks and calls until it must hear from its tools. */
  | { type: "step.started"; stepId: string }
  | { type: "text.delta"; stepId: string; partId: string; delta: string }
  | { type: "message.completed"; stepId: string; partId: string; role: "assistant"; text: string }
  | { type: "thought.delta"; stepId: string; partId: string; delta: string }
  | { type: "thought.completed"; stepId: string; partId: string; text: string }
  | { type: "tool.started"; stepId: string; callId: string; name: string; title: string | undefined; arguments: unknown }
  /** `replace` when the agent shows only a window of its output. */
  | { type: "tool.progress"; callId: string; mode: "append" | "replace"; output: string }
  | {
      type: "tool.completed";
      callId: string;
      title: string | undefined;
      output: string;
      truncated: boolean;
      metadata: Record<string, unknown>;
    }
  | { type: "tool.failed"; callId: string; error: string; output: string; truncated: boolean }
  | { type: "plan.updated"; entries: PlanEntry[] }
  | { type: "permission.requested"; id: string; callId: string | undefined; tool: string; title: string; arguments: unknown }
  /** The agent waits for a person. What is asked in one go is answered in one go. */
  | { type: "questions.asked"; id: string; questions: AgentQuestion[] }
  | { type: "questions.closed"; id: string }
  /** Answered, by us or otherwise, or gone with its turn. */
  | { type: "permission.closed"; id: string }
  /** Of one step, or of the whole turn (`stepId` "turn") where the agent counts only that. */
  | { type: "usage"; stepId: string; usage: Usage }
  /** The model does not answer and the agent tries again. */
  | { type: "model.retrying"; attempt: number; message: string }
  | { type: "turn.ended"; promptId: string; end: TurnEnd }
  /** The last event there is. A turn that was live has ended before it. */
  | { type: "agent.exited"; code: number | null; signal: string | null };

export type PartState =
  | { kind: "text" | "thought"; stepId: string; partId: string; text: string; completed: boolean }
  | {
      kind: "tool";
      stepId: string;
      callId: string;
      name: string;
      title: string | undefined;
      arguments: unknown;
      status: "running" | "completed" | "failed";
      output: string;
      truncated: boolean;
      error: string | undefined;
      metadata: Record<string, unknown>;
    };

export type PendingPermission = { id: string; callId: string | undefined; tool: string; title: string; arguments: unknown };

export type AgentQuestion = {
  header: string | undefined;
  text: string;
  options: { label: string; description: string | undefined }[];
  multiple: boolean;
  freeText: boolean;
};
export type PendingQuestions = { id: string; questions: AgentQuestion[] };

export type TurnState = {
  /** Undefined when the turn was started by something else than `prompt` (an attached terminal). */
  promptId: string | undefined;
  status: "running" | "ended";
  end: TurnEnd | undefined;
  /** In the order in which they began. */
  parts: PartState[];
  plan: PlanEntry[];
  permissions: PendingPermission[];
  questions?: PendingQuestions[] | undefined;
  usage: Usage;
};
