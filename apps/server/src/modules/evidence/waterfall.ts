/* The bars of the inspector's waterfall, from what is known of a run. Pure. */
import type { ModelCallView, Span } from "@signalbox/contract/evidence";
import type { Recorded } from "@signalbox/eventlog/log";
import type { z } from "zod";
import type { InvocationRecord } from "../actions/public.ts";
import type { ApprovalRecord } from "../approvals/public.ts";
import type { RunRecord, StepRecord, ToolCallRecord } from "../runs/public.ts";

export type SpanRecord = z.input<typeof Span>;
export type ModelCallRecord = z.input<typeof ModelCallView>;

export interface Known {
  readonly runs: readonly RunRecord[];
  readonly steps: readonly StepRecord[];
  readonly toolCalls: readonly ToolCallRecord[];
  readonly approvals: readonly ApprovalRecord[];
  readonly invocations: readonly InvocationRecord[];
  readonly modelCalls: readonly ModelCallRecord[];
  readonly events: readonly Recorded[];
}

const plus = (at: string, ms: number): string => new Date(Date.parse(at) + ms).toISOString();

export function waterfall(known: Known): SpanRecord[] {
  const seqs = new Map<string, number>();
  for (const { event, seq, subjectId } of known.events) {
    const data = event.data as { step_id?: string; tool_call_id?: string };
    const id =
      event.type === "step.created"
        ? data.step_id
        : event.type === "tool.invoked"
          ? data.tool_call_id
          : /^(run\.created|approval\.requested|invocation\.requested)$/.test(event.type)
            ? subjectId
            : undefined;
    if (id !== undefined && !seqs.has(id)) seqs.set(id, seq);
  }
  const ends = new Map(known.runs.map((run) => [run.id, run]));
  const spans: SpanRecord[] = known.runs.map((run) => ({
    id: run.id,
    parent_id: null,
    kind: "run",
    label: run.title ?? run.goal?.slice(0, 200) ?? run.kind,
    status: run.status,
    started_at: run.started_at ?? run.created_at,
    ended_at: run.ended_at,
    seq: seqs.get(run.id) ?? 0,
  }));
  known.steps.forEach((step, i) => {
    const run = ends.get(step.run_id);
    // A step says no end: it goes on until the next one of its run begins, or the run is over.
    const next = known.steps.slice(i + 1).find((other) => other.run_id === step.run_id)?.created_at ?? run?.ended_at ?? null;
    spans.push({
      id: step.id,
      parent_id: step.run_id,
      kind: "step",
      label: step.title ?? step.kind,
      status: next === null ? "running" : "ended",
      started_at: step.created_at,
      ended_at: next,
      seq: seqs.get(step.id) ?? 0,
    });
  });
  for (const call of known.toolCalls)
    spans.push({
      id: call.id,
      parent_id: call.step_id,
      kind: "tool_call",
      label: call.title ?? call.name,
      status: call.status,
      started_at: call.created_at,
      ended_at: call.duration_ms === null ? null : plus(call.created_at, call.duration_ms),
      seq: seqs.get(call.id) ?? 0,
    });
  for (const call of known.modelCalls)
    spans.push({
      id: call.id,
      parent_id: call.run_id,
      kind: "model_call",
      label: call.model,
      status: call.outcome,
      started_at: call.started_at,
      ended_at: call.ended_at,
      seq: 0,
    });
  for (const one of known.approvals)
    spans.push({
      id: one.id,
      parent_id: one.run_id,
      kind: "approval",
      label: one.title,
      status: one.status,
      started_at: one.requested_at,
      ended_at: one.decided_at ?? (one.status === "expired" ? one.expires_at : null),
      seq: seqs.get(one.id) ?? 0,
    });
  for (const one of known.invocations)
    spans.push({
      id: one.id,
      parent_id: one.run_id,
      kind: "invocation",
      label: one.title,
      status: one.status,
      started_at: one.created_at,
      ended_at: one.ended_at,
      seq: seqs.get(one.id) ?? 0,
    });
  const rank = { run: 0, step: 1, model_call: 2, tool_call: 2, approval: 2, invocation: 2 };
  const order = (a: SpanRecord, b: SpanRecord): number =>
    a.started_at < b.started_at ? -1 : a.started_at > b.started_at ? 1 : rank[a.kind] - rank[b.kind];
  return parentsFirst(spans.toSorted(order));
}

/** By time, but never a child before its parent. */
function parentsFirst(spans: readonly SpanRecord[]): SpanRecord[] {
  const here = new Map(spans.map((span) => [span.id, span]));
  const out: SpanRecord[] = [];
  const done = new Set<string>();
  const place = (span: SpanRecord): void => {
    if (done.has(span.id)) return;
    done.add(span.id);
    const parent = span.parent_id === null ? undefined : here.get(span.parent_id);
    if (parent !== undefined) place(parent);
    out.push(span);
  };
  for (const span of spans) place(span);
  return out;
}

/** Model calls from the ledger's entries. */
export function modelCallsOf(events: readonly Recorded[]): ModelCallRecord[] {
  return events.flatMap(({ event, occurredAt, redaction }) => {
    if (event.type !== "ledger.settled" || redaction === "full") return [];
    const d = event.data as {
      reservation_id: string;
      run_id?: string;
      model: string;
      upstream: string;
      cost_micro_usd: number;
      usage: { input_tokens: number; output_tokens: number };
      duration_ms: number;
      outcome?: ModelCallRecord["outcome"];
    };
    return [
      {
        id: d.reservation_id,
        run_id: d.run_id ?? null,
        model: d.model,
        upstream: d.upstream,
        cost_micro_usd: d.cost_micro_usd,
        input_tokens: d.usage.input_tokens,
        output_tokens: d.usage.output_tokens,
        duration_ms: d.duration_ms,
        outcome: d.outcome ?? "completed",
        started_at: plus(occurredAt, -d.duration_ms),
        ended_at: occurredAt,
      },
    ];
  });
}
