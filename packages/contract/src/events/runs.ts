import { z } from "zod";
import { ArtifactId, JsonObject, PrincipalId, RunId, SessionId, StepId, Timestamp, ToolCallId } from "../primitives.ts";

/** `turn`: one prompt of a session; `task`: open to external engines; `automation`: started by a trigger. */
export const RunKind = z.enum(["turn", "automation", "task"]).meta({ id: "RunKind" });
export type RunKind = z.infer<typeof RunKind>;

export const RunOutcome = z.enum(["succeeded", "failed", "canceled"]).meta({ id: "RunOutcome" });

const run_id = RunId;

export const RunEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("run.created"),
    data: z.object({
      run_id,
      kind: RunKind,
      title: z.string().optional(),
      goal: z.string().optional(),
      input: JsonObject.optional(),
      tags: z.array(z.string()).optional(),
      session_id: SessionId.optional(),
      requested_by: PrincipalId,
      max_attempts: z.int().min(1),
    }),
  }),
  /** The fence: every later write of this attempt must present the token behind the hash and this epoch. */
  z.object({
    type: z.literal("run.claimed"),
    data: z.object({
      run_id,
      attempt_no: z.int().min(1),
      epoch: z.int().min(1),
      claimed_by: PrincipalId,
      claim_token_hash: z.string(),
      lease_expires_at: Timestamp,
      reclaimed: z.boolean(),
    }),
  }),
  /** While it was queued its prompt was changed, and its title with it. */
  z.object({ type: z.literal("run.edited"), data: z.object({ run_id, title: z.string(), by: PrincipalId }) }),
  /**
   * A queued prompt is to run before another one (null: last). Subject is the run that was moved, so that it and the
   * start of that run cannot both happen.
   */
  z.object({
    type: z.literal("session.prompt_moved"),
    data: z.object({ session_id: SessionId, run_id, before_run_id: RunId.nullable(), by: PrincipalId }),
  }),
  z.object({ type: z.literal("run.started"), data: z.object({ run_id, epoch: z.int().min(0) }) }),
  z.object({ type: z.literal("run.released"), data: z.object({ run_id, epoch: z.int(), reason: z.string().optional() }) }),
  z.object({
    type: z.literal("run.completed"),
    data: z.object({ run_id, summary: z.string().optional(), output: JsonObject.optional() }),
  }),
  z.object({ type: z.literal("run.failed"), data: z.object({ run_id, code: z.string(), message: z.string() }) }),
  z.object({ type: z.literal("run.needs_human"), data: z.object({ run_id, reason: z.string() }) }),
  z.object({ type: z.literal("run.timed_out"), data: z.object({ run_id, after_ms: z.int() }) }),
  z.object({ type: z.literal("run.canceled"), data: z.object({ run_id, reason: z.string().optional(), by: PrincipalId }) }),
  /** It never ran, by decision: filtered, superseded, or not wanted any more. */
  z.object({ type: z.literal("run.skipped"), data: z.object({ run_id, reason: z.string() }) }),
  z.object({
    type: z.literal("run.resolved"),
    data: z.object({ run_id, outcome: RunOutcome, comment: z.string().optional(), by: PrincipalId }),
  }),
  /** A result that came after the end: kept as evidence, changes no state. */
  z.object({
    type: z.literal("run.late_result"),
    data: z.object({ run_id, epoch: z.int(), attempted: z.string(), summary: z.string().optional() }),
  }),
  z.object({ type: z.literal("run.assigned"), data: z.object({ run_id, assignee: PrincipalId, by: PrincipalId }) }),
  z.object({ type: z.literal("run.unassigned"), data: z.object({ run_id, by: PrincipalId }) }),
  z.object({
    type: z.literal("step.created"),
    data: z.object({ step_id: StepId, run_id, kind: z.string(), title: z.string().optional(), input: JsonObject.optional() }),
  }),
  /** What the agent said to itself in a step, when the model shows it. */
  z.object({ type: z.literal("step.thought"), data: z.object({ step_id: StepId, run_id, text: z.string() }) }),
  z.object({
    type: z.literal("step.plan_updated"),
    data: z.object({
      step_id: StepId,
      run_id,
      entries: z.array(z.object({ content: z.string(), status: z.enum(["pending", "in_progress", "completed"]) })),
    }),
  }),
  z.object({
    type: z.literal("tool.invoked"),
    data: z.object({
      tool_call_id: ToolCallId,
      step_id: StepId,
      run_id,
      name: z.string(),
      title: z.string().optional(),
      arguments: z.json(),
    }),
  }),
  z.object({
    type: z.literal("tool.succeeded"),
    data: z.object({
      tool_call_id: ToolCallId,
      step_id: StepId,
      run_id,
      /** At most 16 KB; the rest is the artifact. */
      output: z.string().optional(),
      output_truncated: z.boolean().optional(),
      artifact_id: ArtifactId.optional(),
      duration_ms: z.int().min(0),
    }),
  }),
  z.object({
    type: z.literal("tool.failed"),
    data: z.object({
      tool_call_id: ToolCallId,
      step_id: StepId,
      run_id,
      error: z.string(),
      output: z.string().optional(),
      output_truncated: z.boolean().optional(),
      artifact_id: ArtifactId.optional(),
      duration_ms: z.int().min(0),
    }),
  }),
  z.object({
    type: z.literal("artifact.created"),
    data: z.object({
      artifact_id: ArtifactId,
      step_id: StepId.optional(),
      run_id: RunId.optional(),
      kind: z.enum(["text", "json", "uri", "file"]),
      name: z.string(),
      media_type: z.string(),
      size_bytes: z.int().min(0),
      sha256: z.string().optional(),
      uri: z.string().optional(),
      text: z.string().optional(),
    }),
  }),
]);
export type RunEvent = z.infer<typeof RunEvent>;
