/* What a run did and what it left behind: the inspector's view, the signed receipt, the bytes of artifacts. */
import { z } from "zod";
import { ApprovalView } from "./approvals.ts";
import { StreamRef } from "./envelope.ts";
import { InvocationView } from "./gate.ts";
import { ArtifactId, MicroUsd, ReservationId, RunId, Sha256, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";
import { ArtifactView, RunView, StepView, ToolCallView } from "./runs.ts";

const read = { resource: "run", role: "viewer", scopes: ["read"] } as const;

/** One settled call to a model, from the ledger. */
export const ModelCallView = z
  .object({
    id: ReservationId,
    run_id: RunId.nullable(),
    model: z.string(),
    upstream: z.string(),
    cost_micro_usd: MicroUsd,
    input_tokens: z.int(),
    output_tokens: z.int(),
    duration_ms: z.int(),
    outcome: z.enum(["completed", "cut", "canceled", "reconciled"]),
    started_at: Timestamp,
    ended_at: Timestamp,
  })
  .meta({ id: "ModelCall" });
export type ModelCallView = z.infer<typeof ModelCallView>;

/** One bar of the waterfall. */
export const Span = z
  .object({
    id: z.string(),
    /** The step that a tool call belongs to, the run that a step belongs to; null for a run. */
    parent_id: z.string().nullable(),
    kind: z.enum(["run", "step", "tool_call", "model_call", "approval", "invocation"]),
    label: z.string(),
    /** As the thing itself has it: `succeeded`, `pending`, `denied` … */
    status: z.string(),
    started_at: Timestamp,
    /** Null while it goes on. */
    ended_at: Timestamp.nullable(),
    /** Of its first event in its stream; 0 for a model call, which has its own. */
    seq: z.int(),
  })
  .meta({ id: "Span" });
export type Span = z.infer<typeof Span>;

/** At most 2,000 of each; `truncated` says when there were more. */
export const Inspection = z
  .object({
    runs: z.array(RunView),
    steps: z.array(StepView),
    tool_calls: z.array(ToolCallView),
    artifacts: z.array(ArtifactView),
    approvals: z.array(ApprovalView),
    invocations: z.array(InvocationView),
    model_calls: z.array(ModelCallView),
    egress: z.object({ requests: z.int(), blocked: z.int() }),
    /** In order of their beginning, parents before children. */
    spans: z.array(Span),
    /** Where its events stand; null when there are none one may see. */
    events: z.object({ stream: StreamRef, first_seq: z.int(), last_seq: z.int(), count: z.int() }).nullable(),
    cost_micro_usd: MicroUsd,
    /** For a run that has ended. */
    receipt_available: z.boolean(),
    truncated: z.boolean(),
  })
  .meta({ id: "Inspection" });
export type Inspection = z.infer<typeof Inspection>;
export const inspectRun = route({
  id: "runs.inspect",
  summary: "Everything about one run: steps, tool calls, artifacts, approvals, model calls, waterfall",
  method: "GET",
  path: "/v1/runs/:id/inspect",
  params: z.object({ id: RunId }),
  ok: Inspection,
  refusals: { run_not_found: 404 },
  access: read,
});
/** A correlation shows only what the caller may see of it. */
export const inspectCorrelation = route({
  id: "correlations.inspect",
  summary: "Everything that one cause led to, over runs and sessions",
  method: "GET",
  path: "/v1/correlations/:id",
  params: z.object({ id: z.string().min(1).max(100) }),
  ok: Inspection,
  refusals: { correlation_not_found: 404 },
  access: read,
});

/** DSSE envelope (https://github.com/secure-systems-lab/dsse) around an in-toto Statement v1. */
export const ReceiptEnvelope = z
  .object({
    payloadType: z.literal("application/vnd.in-toto+json"),
    /** base64 of the statement's RFC 8785 text. */
    payload: z.string(),
    signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
  })
  .meta({ id: "ReceiptEnvelope" });
export type ReceiptEnvelope = z.infer<typeof ReceiptEnvelope>;
/** `predicate` of the statement; the whole form is in specs/receipt.md. */
export const ReceiptPredicate = z
  .object({
    run: z.object({
      id: RunId,
      kind: z.string(),
      status: z.string(),
      organization_id: z.string(),
      room_id: z.string().nullable(),
      session_id: z.string().nullable(),
      goal_sha256: Sha256.nullable(),
      requested_by: z.string(),
      created_at: Timestamp,
      started_at: Timestamp.nullable(),
      ended_at: Timestamp,
    }),
    evidence: z.object({
      stream: z.string(),
      first_seq: z.int(),
      last_seq: z.int(),
      first_hash: Sha256,
      last_hash: Sha256,
      /** The run's own events within the window. */
      events: z.int(),
      /** RFC 6962 tree over the window's events that are the run's, in order of seq: leaf = the event's `hash`. */
      merkle_root: Sha256,
      completeness: z.object({
        chain_verified: z.boolean(),
        began_and_ended: z.boolean(),
        all_tool_calls_ended: z.boolean(),
        nothing_redacted: z.boolean(),
        all_costs_settled: z.boolean(),
      }),
    }),
    artifacts: z.array(
      z.object({ id: ArtifactId, name: z.string(), media_type: z.string(), sha256: Sha256.nullable(), size_bytes: z.int() }),
    ),
    /** Commands among the tool calls that check something (tests, types, lint, builds), with how they ended. */
    verification: z.array(z.object({ tool_call_id: z.string(), command: z.string(), exit_code: z.int().nullable(), passed: z.boolean() })),
    approvals: z.array(
      z.object({ id: z.string(), action: z.string(), call_hash: z.string(), status: z.string(), decided_by: z.string().nullable() }),
    ),
    cost: z.object({ micro_usd: MicroUsd, model_calls: z.int(), input_tokens: z.int(), output_tokens: z.int() }),
    payments: z.array(z.json()),
  })
  .meta({ id: "ReceiptPredicate" });
export type ReceiptPredicate = z.infer<typeof ReceiptPredicate>;
export const getReceipt = route({
  id: "runs.receipt",
  summary: "The signed statement of what a run did, verifiable offline",
  method: "GET",
  path: "/v1/runs/:id/receipt",
  params: z.object({ id: RunId }),
  ok: ReceiptEnvelope,
  refusals: { run_not_found: 404, run_not_ended: 409 },
  access: read,
});

/** Under its own media type, but inert: an attachment unless it is a PNG, JPEG, GIF, WebP or AVIF image, in a sandbox without any source. */
export const getArtifactContent = route({
  id: "artifacts.content",
  summary: "The bytes of an artifact",
  method: "GET",
  path: "/v1/artifacts/:id/content",
  params: z.object({ id: ArtifactId }),
  ok: z.unknown(),
  stream: "bytes",
  refusals: { artifact_not_found: 404, artifact_has_no_content: 404 },
  access: read,
});
export const TestReport = z
  .object({
    format: z.enum(["junit", "jest", "vitest"]),
    tests: z.int(),
    passed: z.int(),
    failed: z.int(),
    skipped: z.int(),
    duration_ms: z.int().nullable(),
    suites: z.array(
      z.object({
        name: z.string(),
        cases: z.array(
          z.object({
            name: z.string(),
            status: z.enum(["passed", "failed", "skipped"]),
            duration_ms: z.int().nullable(),
            message: z.string().nullable(),
          }),
        ),
      }),
    ),
    /** More than 10,000 cases: the counts are of all, the list is not. */
    truncated: z.boolean(),
  })
  .meta({ id: "TestReport" });
export type TestReport = z.infer<typeof TestReport>;
export const getArtifactReport = route({
  id: "artifacts.report",
  summary: "A JUnit, jest or vitest report, parsed",
  method: "GET",
  path: "/v1/artifacts/:id/report",
  params: z.object({ id: ArtifactId }),
  ok: TestReport,
  refusals: { artifact_not_found: 404, not_a_test_report: 422 },
  access: read,
});
