import { duration, money } from "@signalbox/ui/format";
import { Lamp, type LampState } from "@signalbox/ui/lamp";
import { Timestamp } from "@signalbox/ui/timestamp";
import type { Row } from "../rows.ts";
import { OnTrack } from "./on-track.tsx";
import { useRows } from "./row-context.ts";

const ENDED: Record<string, { lamp: LampState; text: string; tone: string }> = {
  succeeded: { lamp: "clear", text: "Turn complete", tone: "text-ink-3" },
  failed: { lamp: "danger", text: "Turn failed", tone: "text-danger-ink" },
  needs_human: { lamp: "wants", text: "Needs a person", tone: "text-signal-ink" },
  timed_out: { lamp: "danger", text: "Turn timed out", tone: "text-danger-ink" },
  canceled: { lamp: "dark", text: "Turn canceled", tone: "text-ink-2" },
};

/** How a turn ended, after how long, and what it cost. */
export function EndedRow({ row: { item, tookMs, previousEnd } }: { row: Extract<Row, { kind: "run_ended" }> }) {
  const { costOf } = useRows();
  const cost = previousEnd === null ? null : costOf(item.seq, previousEnd);
  const look = ENDED[item.status] ?? { lamp: "dark" as const, text: item.status, tone: "text-ink-2" };
  const figures = [...(tookMs === null || tookMs < 0 ? [] : [duration(tookMs)]), ...(cost === null ? [] : [money(cost)])];
  return (
    <OnTrack tight nodeAt="top-1.5" node={<Lamp state={look.lamp} />}>
      <p className={`flex flex-wrap items-baseline gap-x-2 py-1.5 text-sm ${look.tone}`}>
        <span className="font-semibold whitespace-nowrap">{look.text}</span>
        {figures.length > 0 && <span className="text-ink-3 tabular-nums">{figures.join(" · ")}</span>}
        {/* A good end was just said in the agent's own words. */}
        {item.status !== "succeeded" && item.message !== null && <span>{item.message}</span>}
        <Timestamp at={item.at} className="ml-auto shrink-0 text-ink-3" />
      </p>
    </OnTrack>
  );
}
