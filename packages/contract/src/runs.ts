import { z } from "zod";
import { RunKind, RunOutcome } from "./events/runs.ts";
import {
  ArtifactId,
  JsonObject,
  page,
  PageQuery,
  PrincipalId,
  RoomId,
  RunId,
  SessionId,
  StepId,
  Timestamp,
  Title,
  ToolCallId,
} from "./primitives.ts";
import { route } from "./route.ts";

export const RunStatus = z
  .enum(["queued", "claimed", "running", "succeeded", "failed", "needs_human", "timed_out", "canceled", "skipped"])
  .meta({ id: "RunStatus" });
export type RunStatus = z.infer<typeof RunStatus>;

export const RunView = z
  .object({
    id: RunId,
    kind: RunKind,
    status: RunStatus,
    title: z.string().nullable(),
    goal: z.string().nullable(),
    input: JsonObject.nullable(),
    output: JsonObject.nullable(),
    summary: z.string().nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    tags: z.array(z.string()),
    room_id: RoomId.nullable(),
    session_id: SessionId.nullable(),
    requested_by: PrincipalId,
    assignee: PrincipalId.nullable(),
    claimed_by: PrincipalId.nullable(),
    attempt_no: z.int(),
    max_attempts: z.int(),
    epoch: z.int(),
    lease_expires_at: Timestamp.nullable(),
    correlation_id: z.string(),
    created_at: Timestamp,
    started_at: Timestamp.nullable(),
    ended_at: Timestamp.nullable(),
  })
  .meta({ id: "Run" });
export const StepView = z
  .object({ id: StepId, run_id: RunId, kind: z.string(), title: z.string().nullable(), created_at: Timestamp })
  .meta({ id: "Step" });
export const ToolCallView = z
  .object({
    id: ToolCallId,
    step_id: StepId,
    run_id: RunId,
    name: z.string(),
    title: z.string().nullable(),
    status: z.enum(["invoked", "succeeded", "failed"]),
    arguments: z.json(),
    output: z.string().nullable(),
    output_truncated: z.boolean(),
    error: z.string().nullable(),
    artifact_id: ArtifactId.nullable(),
    duration_ms: z.int().nullable(),
    created_at: Timestamp,
  })
  .meta({ id: "ToolCall" });
export const ArtifactView = z
  .object({
    id: ArtifactId,
    run_id: RunId.nullable(),
    step_id: StepId.nullable(),
    kind: z.enum(["text", "json", "uri", "file"]),
    name: z.string(),
    media_type: z.string(),
    size_bytes: z.int(),
    sha256: z.string().nullable(),
    uri: z.string().nullable(),
    text: z.string().nullable(),
    created_at: Timestamp,
  })
  .meta({ id: "Artifact" });
export const AttemptView = z
  .object({
    attempt_no: z.int(),
    epoch: z.int(),
    claimed_by: PrincipalId,
    claimed_at: Timestamp,
    ended_at: Timestamp.nullable(),
    end_reason: z.enum(["released", "lease_expired_reclaimed", "completed", "failed", "canceled"]).nullable(),
  })
  .meta({ id: "RunAttempt" });

/** What only the claimer learns: the token and epoch that fence every later write. */
export const ClaimedRun = RunView.extend({ run_id: RunId, claim_token: z.string() }).meta({ id: "ClaimedRun" });

/** Both are required by every write of an engine. */
const fence = { claim_token: z.string().min(1).max(200), epoch: z.int().min(1) };
/** Writes on a run are made by its engine (fence) or, for session turns, by the platform itself. */
const LEASE = {
  run_not_found: 404,
  run_not_queued: 409,
  run_not_running: 409,
  run_already_ended: 409,
  lease_expired: 409,
  lease_token_mismatch: 409,
} as const;

const run = z.object({ id: RunId });
const read = { resource: "run", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "run", role: "member", scopes: ["write"] } as const;
const engine = { resource: "run", role: "member", scopes: ["engine"] } as const;

export const createRun = route({
  id: "runs.create",
  summary: "Create a task run, open to engines",
  method: "POST",
  path: "/v1/runs",
  body: z.object({
    room_id: RoomId,
    title: Title.optional(),
    goal: z.string().max(100_000).optional(),
    input: JsonObject.optional(),
    tags: z.array(z.string().max(50)).max(20).optional(),
    max_attempts: z.int().min(1).max(20).default(3),
  }),
  ok: RunView,
  okStatus: 201,
  refusals: { room_not_found: 404, room_role_too_low: 403 },
  access: write,
  idempotent: true,
});
export const listRuns = route({
  id: "runs.list",
  summary: "Runs, newest first unless asked otherwise",
  method: "GET",
  path: "/v1/runs",
  query: PageQuery.extend({
    room_id: RoomId.optional(),
    session_id: SessionId.optional(),
    /** One, or several separated by commas. */
    status: z
      .string()
      .transform((text) => text.split(","))
      .pipe(z.array(RunStatus).min(1).max(20))
      .optional(),
    kind: RunKind.optional(),
    correlation_id: z.string().max(100).optional(),
    /** Words of title or goal. */
    q: z.string().trim().min(1).max(200).optional(),
    assignee: PrincipalId.optional(),
    sort: z.enum(["newest", "oldest"]).default("newest"),
  }),
  ok: page(RunView).meta({ id: "RunPage" }),
  refusals: {},
  access: read,
});
export const getRun = route({
  id: "runs.get",
  summary: "One run",
  method: "GET",
  path: "/v1/runs/:id",
  params: run,
  ok: RunView,
  refusals: { run_not_found: 404 },
  access: read,
});
export const claimRun = route({
  id: "runs.claim",
  summary: "Claim the oldest open task run",
  method: "POST",
  path: "/v1/runs/claim",
  body: z.object({ room_id: RoomId.optional() }),
  ok: z.object({ claimed: z.boolean(), run: ClaimedRun.nullable() }).meta({ id: "Claim" }),
  refusals: {},
  access: engine,
});
export const heartbeatRun = route({
  id: "runs.heartbeat",
  summary: "Extend the lease by its TTL (30 s); beat every 10 s",
  method: "POST",
  path: "/v1/runs/:id/lease/heartbeat",
  params: run,
  body: z.object(fence),
  ok: z.object({ lease_expires_at: Timestamp }).meta({ id: "Lease" }),
  refusals: LEASE,
  access: engine,
});
export const releaseRun = route({
  id: "runs.release",
  summary: "Give a claimed run back",
  method: "POST",
  path: "/v1/runs/:id/lease/release",
  params: run,
  body: z.object({ ...fence, reason: z.string().max(500).optional() }),
  ok: RunView,
  refusals: LEASE,
  access: engine,
});
export const startRun = route({
  id: "runs.start",
  summary: "Say that work on a claimed run begins",
  method: "POST",
  path: "/v1/runs/:id/start",
  params: run,
  body: z.object(fence),
  ok: RunView,
  refusals: LEASE,
  access: engine,
});
export const createStep = route({
  id: "runs.steps.create",
  summary: "Record a step of a run",
  method: "POST",
  path: "/v1/runs/:id/steps",
  params: run,
  body: z.object({ ...fence, kind: z.string().min(1).max(50), title: Title.optional(), input: JsonObject.optional() }),
  ok: StepView,
  okStatus: 201,
  refusals: LEASE,
  access: engine,
  idempotent: true,
});
export const completeRun = route({
  id: "runs.complete",
  summary: "End a run with success",
  method: "POST",
  path: "/v1/runs/:id/complete",
  params: run,
  body: z.object({ ...fence, summary: z.string().max(100_000).optional(), output: JsonObject.optional() }),
  ok: RunView,
  refusals: LEASE,
  access: engine,
});
export const failRun = route({
  id: "runs.fail",
  summary: "End a run with failure",
  method: "POST",
  path: "/v1/runs/:id/fail",
  params: run,
  body: z.object({ ...fence, code: z.string().min(1).max(100), message: z.string().max(10_000) }),
  ok: RunView,
  refusals: LEASE,
  access: engine,
});
export const cancelRun = route({
  id: "runs.cancel",
  summary: "Cancel a run that has not ended",
  method: "POST",
  path: "/v1/runs/:id/cancel",
  params: run,
  body: z.object({ reason: z.string().max(500).optional() }),
  ok: RunView,
  refusals: { run_not_found: 404, run_already_ended: 409 },
  access: write,
});
export const resolveRun = route({
  id: "runs.resolve",
  summary: "A person's verdict on a run that needs one",
  method: "POST",
  path: "/v1/runs/:id/resolve",
  params: run,
  body: z.object({ outcome: RunOutcome, comment: z.string().max(10_000).optional() }),
  ok: RunView,
  refusals: { run_not_found: 404, run_not_resolvable: 409 },
  access: { resource: "run", role: "approver", scopes: ["approve"] },
});
export const assignRun = route({
  id: "runs.assign",
  summary: "Assign a run to a person",
  method: "POST",
  path: "/v1/runs/:id/assign",
  params: run,
  body: z.object({ assignee: PrincipalId.optional() }),
  ok: RunView,
  refusals: { run_not_found: 404, run_already_assigned: 409, principal_not_found: 404 },
  access: write,
});
export const unassignRun = route({
  id: "runs.unassign",
  summary: "Take the assignment back",
  method: "POST",
  path: "/v1/runs/:id/unassign",
  params: run,
  body: z.object({}),
  ok: RunView,
  refusals: { run_not_found: 404 },
  access: write,
});
export const listSteps = route({
  id: "runs.steps.list",
  summary: "Steps of a run, in order",
  method: "GET",
  path: "/v1/runs/:id/steps",
  params: run,
  query: PageQuery,
  ok: page(StepView).meta({ id: "StepPage" }),
  refusals: { run_not_found: 404 },
  access: read,
});
export const listAttempts = route({
  id: "runs.attempts.list",
  summary: "Who claimed a run, and how each attempt ended",
  method: "GET",
  path: "/v1/runs/:id/attempts",
  params: run,
  ok: z.object({ items: z.array(AttemptView) }).meta({ id: "RunAttempts" }),
  refusals: { run_not_found: 404 },
  access: read,
});
export const invokeTool = route({
  id: "toolcalls.create",
  summary: "Record the start of a tool call",
  method: "POST",
  path: "/v1/steps/:id/toolcalls",
  params: z.object({ id: StepId }),
  body: z.object({ ...fence, name: z.string().min(1).max(200), title: Title.optional(), arguments: z.json() }),
  ok: ToolCallView,
  okStatus: 201,
  refusals: { step_not_found: 404, ...LEASE },
  access: engine,
  idempotent: true,
});
export const succeedToolCall = route({
  id: "toolcalls.succeed",
  summary: "Record the outcome of a tool call",
  method: "POST",
  path: "/v1/toolcalls/:id/succeed",
  params: z.object({ id: ToolCallId }),
  body: z.object({ ...fence, output: z.string().max(1_048_576).optional(), duration_ms: z.int().min(0) }),
  ok: ToolCallView,
  refusals: { toolcall_not_found: 404, toolcall_already_ended: 409, ...LEASE },
  access: engine,
  bodyLimit: 4_194_304,
});
export const failToolCall = route({
  id: "toolcalls.fail",
  summary: "Record the failure of a tool call",
  method: "POST",
  path: "/v1/toolcalls/:id/fail",
  params: z.object({ id: ToolCallId }),
  body: z.object({ ...fence, error: z.string().max(100_000), output: z.string().max(1_048_576).optional(), duration_ms: z.int().min(0) }),
  ok: ToolCallView,
  refusals: { toolcall_not_found: 404, toolcall_already_ended: 409, ...LEASE },
  access: engine,
  bodyLimit: 4_194_304,
});
export const listToolCalls = route({
  id: "toolcalls.list",
  summary: "Tool calls, in order",
  method: "GET",
  path: "/v1/toolcalls",
  query: PageQuery.extend({ run_id: RunId }),
  ok: page(ToolCallView).meta({ id: "ToolCallPage" }),
  refusals: { run_not_found: 404 },
  access: read,
});
export const createArtifact = route({
  id: "artifacts.create",
  summary: "Attach an output to a step",
  method: "POST",
  path: "/v1/steps/:id/artifacts",
  params: z.object({ id: StepId }),
  body: z.object({
    ...fence,
    kind: z.enum(["text", "json", "uri", "file"]),
    name: Title,
    media_type: z.string().max(200).default("text/plain"),
    text: z.string().max(1_048_576).optional(),
    json: z.json().optional(),
    uri: z.url().max(2000).optional(),
    /** Of a `file`: at most 4 MiB of bytes, as base64. */
    content_base64: z.base64().max(5_592_408).optional(),
  }),
  ok: ArtifactView,
  okStatus: 201,
  refusals: { step_not_found: 404, artifact_content_mismatch: 400, artifact_too_large: 413, ...LEASE },
  access: engine,
  idempotent: true,
  bodyLimit: 8_388_608,
});
export const listArtifacts = route({
  id: "artifacts.list",
  summary: "Artifacts, newest first",
  method: "GET",
  path: "/v1/artifacts",
  query: PageQuery.extend({ run_id: RunId.optional(), session_id: SessionId.optional() }),
  ok: page(ArtifactView).meta({ id: "ArtifactPage" }),
  refusals: {},
  access: read,
});
export const getArtifact = route({
  id: "artifacts.get",
  summary: "One artifact with its text",
  method: "GET",
  path: "/v1/artifacts/:id",
  params: z.object({ id: ArtifactId }),
  ok: ArtifactView,
  refusals: { artifact_not_found: 404 },
  access: read,
});
