/*
 * What can be asked of a run, and by whom. Time, ids, token hashes and the lease as it stands in
 * `run_leases` arrive in the command, so that the decider stays pure.
 */
import type { RunEvent, RunKind } from "@signalbox/contract/events/runs";
import type { ArtifactId, PrincipalId, RunId, SessionId, StepId, ToolCallId } from "@signalbox/contract/primitives";
import type { Decision } from "@signalbox/kernel/decider";

/** A row of `run_leases`. */
export interface Lease {
  readonly epoch: number;
  readonly expiresAt: string;
}

/**
 * `platform` writes turns and automations. With `overridesLease` it also ends a task that no
 * engine will end (the sweeper's time-out); nothing else may set it.
 */
export type Writer =
  | { readonly type: "platform"; readonly overridesLease?: boolean | undefined }
  | { readonly type: "engine"; readonly tokenHash: string; readonly epoch: number; readonly lease: Lease | null };

export const PLATFORM: Writer = { type: "platform" };

type JsonObject = NonNullable<Extract<RunEvent, { type: "run.created" }>["data"]["input"]>;
type Json = Extract<RunEvent, { type: "tool.invoked" }>["data"]["arguments"];

export interface CreateRun {
  readonly type: "create";
  readonly runId: RunId;
  readonly kind: RunKind;
  readonly requestedBy: PrincipalId;
  readonly title?: string | undefined;
  readonly goal?: string | undefined;
  readonly input?: JsonObject | undefined;
  readonly tags?: string[] | undefined;
  readonly sessionId?: SessionId | undefined;
  /** Default 3 for tasks, 1 for the rest. */
  readonly maxAttempts?: number | undefined;
}

/** `epoch` and `leaseExpiresAt` are what the claimer wrote into `run_leases`; `lease` is what stood there before. */
export interface ClaimRun {
  readonly type: "claim";
  readonly runId: RunId;
  readonly by: PrincipalId;
  readonly tokenHash: string;
  readonly epoch: number;
  readonly leaseExpiresAt: string;
  readonly lease: Lease | null;
  readonly now: string;
}

interface Write {
  readonly runId: RunId;
  readonly writer: Writer;
  readonly now: string;
}
export interface ReleaseRun extends Write {
  readonly type: "release";
  readonly reason?: string | undefined;
}
/** Beginning and ending: with a late `complete` or `fail` kept as evidence. */
export type EndRun =
  | (Write & { readonly type: "start" })
  | (Write & { readonly type: "complete"; readonly summary?: string | undefined; readonly output?: JsonObject | undefined })
  | (Write & { readonly type: "fail"; readonly code: string; readonly message: string })
  | (Write & { readonly type: "need_human"; readonly reason: string })
  | (Write & { readonly type: "time_out"; readonly afterMs: number });

/** An output as it is recorded: text inline up to 64 KiB, otherwise the blob behind `sha256`. */
export interface NewArtifact {
  readonly artifactId: ArtifactId;
  readonly kind: "text" | "json" | "uri" | "file";
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly sha256?: string | undefined;
  readonly uri?: string | undefined;
  readonly text?: string | undefined;
}

interface Outcome {
  readonly toolCallId: ToolCallId;
  readonly output?: string | undefined;
  readonly outputTruncated?: boolean | undefined;
  /** The whole output, when `output` is only its beginning. */
  readonly artifact?: NewArtifact | undefined;
  readonly durationMs: number;
}
export type RecordCommand =
  | (Write & {
      readonly type: "create_step";
      readonly stepId: StepId;
      readonly kind: string;
      readonly title?: string | undefined;
      readonly input?: JsonObject | undefined;
    })
  | (Write & { readonly type: "think"; readonly stepId: StepId; readonly text: string })
  | (Write & {
      readonly type: "plan";
      readonly stepId: StepId;
      readonly entries: Extract<RunEvent, { type: "step.plan_updated" }>["data"]["entries"];
    })
  | (Write & {
      readonly type: "invoke_tool";
      readonly toolCallId: ToolCallId;
      readonly stepId: StepId;
      readonly name: string;
      readonly title?: string | undefined;
      readonly arguments: Json;
    })
  | (Write & Outcome & { readonly type: "succeed_tool" })
  | (Write & Outcome & { readonly type: "fail_tool"; readonly error: string })
  | (Write & { readonly type: "create_artifact"; readonly stepId?: StepId | undefined; readonly artifact: NewArtifact });

export type RunCommand =
  | CreateRun
  | ClaimRun
  | ReleaseRun
  | EndRun
  | RecordCommand
  | { readonly type: "exhaust"; readonly runId: RunId; readonly lease: Lease | null; readonly now: string }
  | { readonly type: "cancel"; readonly runId: RunId; readonly by: PrincipalId; readonly reason?: string | undefined }
  /** Only while it is queued, both: its prompt was changed; it is to run before another one of its session. */
  | { readonly type: "edit"; readonly runId: RunId; readonly title: string; readonly by: PrincipalId }
  | {
      readonly type: "move";
      readonly runId: RunId;
      readonly sessionId: SessionId;
      readonly beforeRunId: RunId | null;
      readonly by: PrincipalId;
    }
  /** Takes it out of the queue; refused once it began. */
  | { readonly type: "withdraw"; readonly runId: RunId; readonly by: PrincipalId; readonly reason?: string | undefined }
  | { readonly type: "skip"; readonly runId: RunId; readonly reason: string }
  | {
      readonly type: "resolve";
      readonly runId: RunId;
      readonly outcome: Extract<RunEvent, { type: "run.resolved" }>["data"]["outcome"];
      readonly comment?: string | undefined;
      readonly by: PrincipalId;
    }
  | { readonly type: "assign"; readonly runId: RunId; readonly assignee: PrincipalId; readonly by: PrincipalId }
  | { readonly type: "unassign"; readonly runId: RunId; readonly by: PrincipalId };

export type RunRefusal =
  | { readonly code: "run_not_found" }
  | {
      readonly code: "run_not_queued" | "run_not_running" | "run_already_ended" | "run_not_resolvable";
      readonly details: { readonly status: string };
    }
  | { readonly code: "run_already_assigned"; readonly details: { readonly assignee: string } }
  | { readonly code: "lease_expired" | "lease_token_mismatch" | "attempts_exhausted" }
  | { readonly code: "step_not_found" | "toolcall_already_ended" };

export type RunDecision = Decision<RunEvent, RunRefusal>;
