/* Steps, calls, artifacts, questions and costs of one run or of everything one cause led to, on one axis of time first. */
import type { Inspection } from "@signalbox/contract/evidence";
import type { RunId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { bytes, count, money } from "@signalbox/ui/format";
import { useNow } from "@signalbox/ui/now";
import { Empty } from "@signalbox/ui/placeholder";
import { Status } from "@signalbox/ui/badge";
import { Tabs } from "@signalbox/ui/tabs";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Waterfall, type Span as Bar } from "@signalbox/ui/waterfall";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Hourglass, PackageOpen } from "lucide-react";
import { useMemo, useState } from "react";
import { ApprovalCard } from "../approvals/approval-card.tsx";
import { DecidedApproval } from "../approvals/decided-approval.tsx";
import { isOpen } from "../data/queries.ts";
import { ModelCalls } from "./model-calls.tsx";
import { Receipt } from "./receipt.tsx";
import { RunEvents } from "./run-events.tsx";
import { runLamp, runWord, spanLamp } from "./run-state.ts";
import { SpanDetails } from "./span-details.tsx";
import { ToolCalls } from "./tool-calls.tsx";

const TABS = ["time", "calls", "artifacts", "approvals", "models", "events", "receipt"] as const;
type TabName = (typeof TABS)[number];

export function Inspector({ inspection, runId }: { inspection: Inspection; runId: RunId | null }) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const shown = TABS.find((name) => name === search.tab) ?? "time";
  const show = (tab: TabName): void =>
    void navigate({
      to: ".",
      search: (previous) => ({ ...previous, tab: tab === "time" ? undefined : tab, call: undefined }),
      replace: true,
    });
  /** A bar by its id, in the address as `step`. */
  const look = (id: string | null): void =>
    void navigate({ to: ".", search: (previous) => ({ ...previous, step: id ?? undefined }), replace: true });
  const waiting = inspection.approvals.filter(isOpen).length;
  return (
    <div className="space-y-4">
      <Summary inspection={inspection} />
      {inspection.truncated && (
        <p className="rounded-md border border-line bg-sunken px-3.5 py-2 text-sm text-ink-2">
          This is the beginning: there is more of it than is shown here. The events tab leads to all of it.
        </p>
      )}
      <RunsOfIt inspection={inspection} runId={runId} />
      <Tabs
        label="Inspector"
        value={shown}
        onChange={(tab) => show(tab)}
        tabs={[
          { name: "time", label: "Time", content: <Time inspection={inspection} spanId={search.step ?? null} onSpan={look} /> },
          {
            name: "calls",
            label: "Tool calls",
            badge: inspection.tool_calls.length,
            content: <ToolCalls calls={inspection.tool_calls} openId={search.call ?? null} />,
          },
          { name: "artifacts", label: "Artifacts", badge: inspection.artifacts.length, content: <Artifacts inspection={inspection} /> },
          {
            name: "approvals",
            label: "Approvals",
            badge: inspection.approvals.length,
            wants: waiting > 0,
            content: <Approvals inspection={inspection} />,
          },
          {
            name: "models",
            label: "Model calls",
            badge: inspection.model_calls.length,
            content: <ModelCalls calls={inspection.model_calls} />,
          },
          {
            name: "events",
            label: "Events",
            badge: inspection.events?.count,
            content: <RunEvents inspection={inspection} runId={runId} />,
          },
          ...(runId === null
            ? []
            : [
                {
                  name: "receipt" as const,
                  label: "Receipt",
                  content: <Receipt runId={runId} isAvailable={inspection.receipt_available} />,
                },
              ]),
        ]}
      />
    </div>
  );
}

/** Of a cause with several: which runs it led to, and how each ended. */
function RunsOfIt({ inspection: { runs }, runId }: { inspection: Inspection; runId: RunId | null }) {
  if (runId !== null || runs.length === 0) return null;
  return (
    <ul aria-label="Runs" className="divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
      {runs.map((run) => (
        <li key={run.id}>
          <Link
            to="/runs/$runId"
            params={{ runId: run.id }}
            className="flex flex-wrap items-baseline gap-x-4 px-4 py-2 -outline-offset-2 hover:bg-raised"
          >
            <span className="min-w-0 flex-1 basis-48 font-medium">{run.title ?? run.goal ?? run.id}</span>
            <Status state={runLamp(run.status)}>{runWord(run.status)}</Status>
            <span className="text-sm text-ink-3">
              <Timestamp at={run.created_at} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Summary({ inspection }: { inspection: Inspection }) {
  const { egress } = inspection;
  const failed = inspection.tool_calls.filter(({ status }) => status === "failed").length;
  const tokens = inspection.model_calls.reduce((sum, call) => sum + call.input_tokens + call.output_tokens, 0);
  const facts: readonly { readonly name: string; readonly value: string; readonly note?: string | undefined }[] = [
    { name: "Cost", value: money(inspection.cost_micro_usd) },
    { name: "Steps", value: String(inspection.steps.length) },
    { name: "Tool calls", value: String(inspection.tool_calls.length), note: failed > 0 ? `${failed} failed` : undefined },
    { name: "Tokens", value: tokens.toLocaleString() },
    { name: "Requests out", value: String(egress.requests), note: egress.blocked > 0 ? `${egress.blocked} blocked` : undefined },
    { name: "Events", value: String(inspection.events?.count ?? 0) },
  ];
  return (
    <dl className="grid grid-cols-3 gap-px overflow-clip rounded-lg border border-line bg-line sm:grid-cols-6">
      {facts.map(({ name, value, note }) => (
        <div key={name} className="bg-panel px-3.5 py-2.5">
          <dt className="plate">{name}</dt>
          <dd className="text-lg font-semibold tabular-nums">{value}</dd>
          {note !== undefined && <dd className="text-sm text-danger-ink">{note}</dd>}
        </div>
      ))}
    </dl>
  );
}

/** So many bars are looked through at a glance; of more, the parts of steps are folded away until they are asked for. */
const FOLDED_FROM = 60;
/** So many at a time: a run of thousands is read in pieces. */
const SHOWN_BARS = 300;

function Time({ inspection, spanId, onSpan }: { inspection: Inspection; spanId: string | null; onSpan(id: string | null): void }) {
  const now = useNow();
  const { spans } = inspection;
  const [isFolded, setFolded] = useState(spans.length > FOLDED_FROM);
  const [shown, setShown] = useState(SHOWN_BARS);
  const bars = useMemo(() => {
    const depths = new Map<string, number>();
    return spans.map((span): Bar => {
      const depth = span.parent_id === null ? 0 : (depths.get(span.parent_id) ?? 0) + 1;
      depths.set(span.id, depth);
      return {
        id: span.id,
        label: span.label,
        detail: span.kind.replaceAll("_", " "),
        startMs: Date.parse(span.started_at),
        endMs: span.ended_at === null ? null : Date.parse(span.ended_at),
        depth,
        state: spanLamp(span.status),
        stateWord: span.status.replaceAll("_", " "),
      };
    });
  }, [spans]);
  if (bars.length === 0)
    return (
      <Empty icon={<Hourglass size={32} />} title="Nothing has begun yet">
        As soon as something does, its time shows here.
      </Empty>
    );
  const chosen = spans.find(({ id }) => id === spanId);
  // What failed or waits is never folded away, nor what one looks at.
  const isKept = ({ id, depth = 0, state }: Bar): boolean =>
    !isFolded || depth < 2 || state === "danger" || state === "wants" || id === spanId;
  const kept = bars.filter(isKept);
  const hasDepth = bars.some(({ depth = 0 }) => depth >= 2);
  return (
    <div className="space-y-3">
      {chosen !== undefined && <SpanDetails key={chosen.id} span={chosen} inspection={inspection} onClose={() => onSpan(null)} />}
      <div className="overflow-clip rounded-lg border border-line bg-panel px-3 py-2">
        {hasDepth && bars.length > 10 && (
          <div className="flex flex-wrap items-center justify-between gap-3 border-b border-line pb-2 text-sm text-ink-2">
            <span>
              {count(kept.length, "entry", "entries")}
              {kept.length < bars.length && ` of ${bars.length}: tool calls that went well are folded into their steps`}
            </span>
            <Button size="sm" aria-pressed={isFolded} onClick={() => setFolded(!isFolded)}>
              {isFolded ? "Unfold the steps" : "Fold the steps"}
            </Button>
          </div>
        )}
        <Waterfall label="What took how long" spans={kept.slice(0, shown)} nowMs={now} selectedId={spanId} onSelect={onSpan} />
        {kept.length > shown && (
          <div className="border-t border-line py-2 text-center">
            <Button size="sm" onClick={() => setShown(shown + SHOWN_BARS)}>
              {count(kept.length - shown, "more bar")}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

function Artifacts({ inspection: { artifacts } }: { inspection: Inspection }) {
  if (artifacts.length === 0)
    return (
      <Empty icon={<PackageOpen size={32} />} title="No artifacts">
        Patches, reports and long outputs land here.
      </Empty>
    );
  return (
    <ul className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
      {artifacts.map((artifact) => (
        <li key={artifact.id}>
          <Link
            to="/artifacts/$artifactId"
            params={{ artifactId: artifact.id }}
            className="flex flex-wrap items-baseline gap-x-4 px-4 py-2.5 -outline-offset-2 hover:bg-raised"
          >
            <span className="min-w-0 flex-1 basis-48 font-medium">{artifact.name}</span>
            <span className="font-mono text-sm text-ink-3">{artifact.media_type}</span>
            <span className="text-sm text-ink-2 tabular-nums">{bytes(artifact.size_bytes)}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Approvals({ inspection: { approvals, invocations } }: { inspection: Inspection }) {
  if (approvals.length === 0 && invocations.length === 0)
    return <Empty title="Nothing was asked">No call of this run needed a person, and none left the sandbox.</Empty>;
  return (
    <div className="max-w-3xl space-y-4">
      {approvals.map((approval) =>
        isOpen(approval) ? (
          <ApprovalCard key={approval.id} approval={approval} />
        ) : (
          <DecidedApproval key={approval.id} approval={approval} />
        ),
      )}
      {invocations.length > 0 && (
        <section aria-label="Invocations">
          <h2 className="mb-2 font-semibold">{count(invocations.length, "invocation")}</h2>
          <ul className="divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
            {invocations.map((invocation) => (
              <li key={invocation.id} className="flex flex-wrap items-baseline gap-x-4 px-4 py-2.5">
                <span className="font-mono text-sm">{invocation.action}</span>
                <span className="min-w-0 flex-1 basis-48">{invocation.title}</span>
                <span className="text-sm text-ink-2">{invocation.status}</span>
                {invocation.error !== null && <span className="basis-full text-sm text-danger-ink">{invocation.error.message}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
