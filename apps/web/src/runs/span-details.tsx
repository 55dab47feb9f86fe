import type { Inspection, Span } from "@signalbox/contract/evidence";
import { Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { Duration } from "@signalbox/ui/duration";
import { money } from "@signalbox/ui/format";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { ApprovalCard } from "../approvals/approval-card.tsx";
import { DecidedApproval } from "../approvals/decided-approval.tsx";
import { isOpen } from "../data/queries.ts";
import { spanLamp } from "./run-state.ts";
import { ToolCallDetails } from "./tool-calls.tsx";

/** What one bar of the waterfall stands for, beneath it. */
export function SpanDetails({ span, inspection, onClose }: { span: Span; inspection: Inspection; onClose(): void }) {
  return (
    <section aria-label={`Details of ${span.label}`} className="rounded-lg border border-line bg-panel">
      <header className="flex items-start gap-3 border-b border-line px-4 py-2.5">
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold [overflow-wrap:anywhere]">{span.label}</h2>
          <p className="flex flex-wrap items-center gap-x-4 text-sm text-ink-2">
            <span>{span.kind.replaceAll("_", " ")}</span>
            <Status state={spanLamp(span.status)}>{span.status.replaceAll("_", " ")}</Status>
            <Duration from={span.started_at} to={span.ended_at} />
            <Timestamp at={span.started_at} />
          </p>
        </div>
        <Button size="sm" look="quiet" onClick={onClose}>
          <X size={14} aria-hidden /> Close
        </Button>
      </header>
      <div className="px-4 py-3">
        <Of span={span} inspection={inspection} />
      </div>
    </section>
  );
}

function Of({ span: { kind, id }, inspection }: { span: Span; inspection: Inspection }) {
  switch (kind) {
    case "tool_call": {
      const call = inspection.tool_calls.find((each) => each.id === id);
      return call === undefined ? null : <ToolCallDetails call={call} />;
    }
    case "approval": {
      const approval = inspection.approvals.find((each) => each.id === id);
      if (approval === undefined) return null;
      return isOpen(approval) ? <ApprovalCard approval={approval} /> : <DecidedApproval approval={approval} isOpenAtFirst />;
    }
    case "model_call": {
      const call = inspection.model_calls.find((each) => each.id === id);
      if (call === undefined) return null;
      return (
        <p className="tabular-nums">
          <span className="font-mono">{call.model}</span> · {call.input_tokens.toLocaleString()} tokens in,{" "}
          {call.output_tokens.toLocaleString()} out · {money(call.cost_micro_usd)} · {call.outcome}
        </p>
      );
    }
    case "invocation": {
      const invocation = inspection.invocations.find((each) => each.id === id);
      if (invocation === undefined) return null;
      return (
        <p>
          <span className="font-mono">{invocation.action}</span> · {invocation.title} · {invocation.status}
          {invocation.error !== null && <span className="block text-danger-ink">{invocation.error.message}</span>}
        </p>
      );
    }
    case "run": {
      const run = inspection.runs.find((each) => each.id === id);
      if (run === undefined) return null;
      return (
        <p>
          <Link to="/runs/$runId" params={{ runId: run.id }} className="underline underline-offset-2">
            {run.title ?? run.id}
          </Link>
          {run.error !== null && <span className="block text-danger-ink">{run.error.message}</span>}
        </p>
      );
    }
    case "step": {
      const calls = inspection.tool_calls.filter((call) => call.step_id === id);
      return (
        <p className="text-ink-2">
          {calls.length === 0 ? "No tool was called in it." : `Tools called: ${calls.map(({ name }) => name).join(", ")}.`}
        </p>
      );
    }
  }
}
