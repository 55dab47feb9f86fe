/* One row of the conversation. Finished rows are drawn once: their props do not change when something else is said. */
import { Info, TriangleAlert } from "lucide-react";
import { memo } from "react";
import type { Row as RowOf } from "../rows.ts";
import { ApprovalRow } from "./approval-row.tsx";
import { EndedRow } from "./ended-row.tsx";
import { LiveRow } from "./live-row.tsx";
import { LookUps } from "./lookups-row.tsx";
import { MessageRow } from "./message-row.tsx";
import { OnTrack } from "./on-track.tsx";
import { Plan } from "./plan-row.tsx";
import { QuestionRow } from "./question-row.tsx";
import { Thought } from "./thought-row.tsx";
import { ToolCall } from "./tool-call.tsx";

export const Row = memo(function Row({ row }: { row: RowOf }) {
  switch (row.kind) {
    case "day":
      return <Day at={row.at} />;
    case "message":
      return <MessageRow row={row} />;
    case "thought":
      return <Thought id={row.item.id} text={row.item.text} tookMs={row.tookMs} />;
    case "lookups":
      return <LookUps id={`group:${row.key}`} calls={row.calls} />;
    case "run_ended":
      return <EndedRow row={row} />;
    case "live":
      return <LiveRow id={row.key} />;
    case "item":
      return <Item item={row.item} />;
  }
});

function Item({ item }: { item: Extract<RowOf, { kind: "item" }>["item"] }) {
  switch (item.type) {
    case "tool_call":
      return (
        <OnTrack tight>
          <ToolCall call={item} />
        </OnTrack>
      );
    case "plan":
      return <Plan item={item} />;
    case "approval":
      return <ApprovalRow item={item} />;
    case "question":
      return <QuestionRow item={item} />;
    case "notice":
      return (
        <OnTrack
          tight
          node={
            item.level === "info" ? (
              <Info size={13} className="text-ink-3" />
            ) : (
              <TriangleAlert size={13} className={item.level === "error" ? "text-danger-ink" : "text-signal-ink"} />
            )
          }
        >
          <p className={`py-1 text-sm ${item.level === "error" ? "text-danger-ink" : "text-ink-2"}`}>{item.text}</p>
        </OnTrack>
      );
  }
}

function Day({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <p className="flex items-center gap-3 py-3 text-sm text-ink-3">
      <span aria-hidden className="h-px flex-1 bg-line" />
      <time dateTime={at}>
        {date.toLocaleDateString(undefined, {
          weekday: "long",
          day: "numeric",
          month: "long",
          year: "numeric",
        })}
      </time>
      <span aria-hidden className="h-px flex-1 bg-line" />
    </p>
  );
}
