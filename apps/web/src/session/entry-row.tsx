/* One entry of the conversation, at its place on the track. */
import { ApprovalId } from "@signalbox/contract/primitives";
import type { ConversationItem } from "@signalbox/contract/sessions";
import { useQuery } from "@tanstack/react-query";
import { Check, Circle, CircleDot, Info, TriangleAlert } from "lucide-react";
import { memo, type ReactNode } from "react";
import { ApprovalCard } from "../approvals/approval-card.tsx";
import { DecidedApproval } from "../approvals/decided-approval.tsx";
import { approvalQuery } from "../approvals/decide.ts";
import { isOpen, useNames } from "../data/queries.ts";
import { Lamp, type LampState } from "@signalbox/ui/lamp";
import { Markdown } from "@signalbox/ui/markdown";
import { Moment } from "@signalbox/ui/moment";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import type { Entry, LivePart } from "./conversation.ts";
import { ToolCall } from "./tool-call.tsx";

export const EntryRow = memo(function EntryRow({ entry, isQueued, hasKeys }: { entry: Entry; isQueued: boolean; hasKeys: boolean }) {
  if (entry.item === null) return <Live part={entry.live} />;
  const { item } = entry;
  switch (item.type) {
    case "message":
      return item.role === "user" ? (
        <Prompt item={item} isQueued={isQueued} />
      ) : (
        <OnTrack>
          <Markdown text={item.content_md} className="py-1.5" />
        </OnTrack>
      );
    case "thought":
      return <Thought text={item.text} />;
    case "tool_call":
      return (
        <OnTrack tight>
          <ToolCall
            name={item.name}
            title={item.title}
            status={item.status}
            arguments={item.arguments}
            output={item.output ?? entry.live?.text ?? null}
            outputTruncated={item.output_truncated}
            error={item.error}
            artifactId={item.artifact_id}
            durationMs={item.duration_ms}
          />
        </OnTrack>
      );
    case "plan":
      return <Plan item={item} />;
    case "approval":
      return <Approval id={item.approval_id} hasKeys={hasKeys} />;
    case "run_ended":
      return <RunEnded item={item} />;
    case "notice":
      return (
        <OnTrack
          node={
            <NodeIcon>
              {item.level === "info" ? (
                <Info size={13} />
              ) : (
                <TriangleAlert size={13} className={item.level === "error" ? "text-danger-ink" : "text-signal-ink"} />
              )}
            </NodeIcon>
          }
          tight
        >
          <p className={`py-1 text-sm ${item.level === "error" ? "text-danger-ink" : "text-ink-2"}`}>{item.text}</p>
        </OnTrack>
      );
  }
});

/** The line that everything of a session hangs on. */
function OnTrack({
  node,
  nodeAt = "top-1",
  children,
  tight = false,
}: {
  node?: ReactNode;
  nodeAt?: string;
  children: ReactNode;
  tight?: boolean;
}) {
  return (
    <div className={`relative pl-8 ${tight ? "" : "py-1"}`}>
      <span aria-hidden className="absolute inset-y-0 left-[9px] w-0.5 bg-line" />
      {node !== undefined && (
        <span className={`absolute left-0 flex size-5 items-center justify-center rounded-full bg-ground ${nodeAt}`}>{node}</span>
      )}
      {children}
    </div>
  );
}
const NodeIcon = ({ children }: { children: ReactNode }) => <span className="text-ink-3">{children}</span>;

function Prompt({ item, isQueued }: { item: Extract<ConversationItem, { type: "message" }>; isQueued: boolean }) {
  const nameOf = useNames();
  // The box itself sometimes has something to say to the agent: what was decided meanwhile.
  const isPerson = item.author.startsWith("usr_");
  const look = isQueued
    ? "border-dashed border-line-strong"
    : isPerson
      ? "soft-shadow border-line bg-raised"
      : "border-line bg-panel text-sm text-ink-2";
  return (
    <OnTrack nodeAt="top-7" node={<span className="size-2.5 rounded-[2px] bg-ink" />}>
      <div className={`my-3 rounded-lg border px-4 py-3 ${look}`}>
        <p className="mb-1 flex items-center gap-2 text-sm">
          <span className="font-semibold">{nameOf(item.author)}</span>
          {isQueued && <span className="rounded-full border border-line-strong px-2 text-plate text-ink-2">queued</span>}
          <Moment at={item.at} className="ml-auto text-ink-3" />
        </p>
        <Markdown text={item.content_md} />
      </div>
    </OnTrack>
  );
}

function Live({ part }: { part: LivePart }) {
  switch (part.kind) {
    case "text":
      return (
        <OnTrack nodeAt="top-3" node={<Lamp state="moving" />}>
          <Markdown text={part.text} className="arriving py-1.5" />
        </OnTrack>
      );
    case "thought":
      return <Thought text={part.text} isLive />;
    case "tool":
      return (
        <OnTrack tight>
          <ToolCall name={part.name ?? "tool"} title={part.title} status="invoked" arguments={part.arguments} output={part.text} />
        </OnTrack>
      );
  }
}

function Thought({ text, isLive = false }: { text: string; isLive?: boolean }) {
  // The newest line while it thinks, the first once it has: that is what each is about.
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return (
    <OnTrack tight node={isLive ? <Lamp state="moving" /> : undefined}>
      <details className="text-sm text-ink-3">
        <summary className="flex list-none gap-2 rounded-md px-2.5 py-1 hover:bg-panel [&::-webkit-details-marker]:hidden">
          <span className="font-semibold">{isLive ? "Thinking" : "Thought"}</span>
          <span className="clamp-1 italic">{isLive ? lines.at(-1) : lines[0]}</span>
        </summary>
        <p className="px-2.5 py-1 whitespace-pre-wrap text-ink-2">{text}</p>
      </details>
    </OnTrack>
  );
}

const PLAN_MARK = {
  completed: <Check size={15} className="text-clear-ink" aria-label="done" />,
  in_progress: <CircleDot size={15} className="text-moving-ink" aria-label="under way" />,
  pending: <Circle size={15} className="text-ink-3" aria-label="to do" />,
};

function Plan({ item }: { item: Extract<ConversationItem, { type: "plan" }> }) {
  const done = item.entries.filter((entry) => entry.status === "completed").length;
  return (
    <OnTrack>
      <section className="my-1 rounded-md border border-line bg-panel px-3 py-2.5" aria-label="Plan">
        <h3 className="plate mb-1">
          Plan · {done} of {item.entries.length}
        </h3>
        <ul className="space-y-0.5 text-sm">
          {item.entries.map((entry, i) => (
            <li key={i} className={`flex items-start gap-2 ${entry.status === "completed" ? "text-ink-3" : ""}`}>
              <span className="mt-[3px] shrink-0">{PLAN_MARK[entry.status]}</span>
              {entry.content}
            </li>
          ))}
        </ul>
      </section>
    </OnTrack>
  );
}

function Approval({ id, hasKeys }: { id: string; hasKeys: boolean }) {
  const { data: approval, error, refetch } = useQuery(approvalQuery(ApprovalId.parse(id)));
  return (
    <OnTrack
      nodeAt="top-5"
      node={
        approval !== undefined && !isOpen(approval) ? (
          <Lamp state={approval.status === "approved" ? "clear" : approval.status === "denied" ? "danger" : "dark"} />
        ) : undefined
      }
    >
      <div className="my-2">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {approval === undefined && error === null && <Skeleton rows={1} className="h-48" />}
        {approval !== undefined &&
          (isOpen(approval) ? <ApprovalCard approval={approval} hasKeys={hasKeys} /> : <DecidedApproval approval={approval} />)}
      </div>
    </OnTrack>
  );
}

const ENDED: Record<string, { lamp: LampState; text: string; tone: string }> = {
  succeeded: { lamp: "clear", text: "Turn complete", tone: "text-ink-3" },
  failed: { lamp: "danger", text: "Turn failed", tone: "text-danger-ink" },
  needs_human: { lamp: "wants", text: "Needs a person", tone: "text-signal-ink" },
  timed_out: { lamp: "danger", text: "Turn timed out", tone: "text-danger-ink" },
  canceled: { lamp: "dark", text: "Turn canceled", tone: "text-ink-2" },
};

function RunEnded({ item }: { item: Extract<ConversationItem, { type: "run_ended" }> }) {
  const look = ENDED[item.status] ?? { lamp: "dark" as const, text: item.status, tone: "text-ink-2" };
  return (
    <OnTrack tight nodeAt="top-1.5" node={<Lamp state={look.lamp} />}>
      <p className={`flex items-baseline gap-2 py-1.5 text-sm ${look.tone}`}>
        <span className="font-semibold whitespace-nowrap">{look.text}</span>
        {/* A good end was just said in the agent's own words. */}
        {item.status !== "succeeded" && item.message !== null && <span>{item.message}</span>}
        <Moment at={item.at} className="ml-auto shrink-0 text-ink-3" />
      </p>
    </OnTrack>
  );
}
