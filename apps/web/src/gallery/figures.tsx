import { Duration } from "@signalbox/ui/duration";
import { CostMeter } from "@signalbox/ui/meter";
import { Money } from "@signalbox/ui/money";
import { Sparkline } from "@signalbox/ui/sparkline";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Waterfall, type Span } from "@signalbox/ui/waterfall";
import { useState } from "react";
import { HOSTILE, Specimen, Specimens } from "./specimen.tsx";

const POINTS = [3, 5, 4, 8, 13, 9, 6, 7, 12, 15, 11].map((value, i) => ({ label: `${i}:00`, value }));
const T = Date.parse("2026-01-02T10:00:00Z");
const SPANS: readonly Span[] = [
  { id: "1", label: "Turn 1", startMs: T, endMs: T + 42_000, state: "clear", stateWord: "completed" },
  {
    id: "2",
    label: "read",
    detail: "src/invoice.js",
    startMs: T + 1_200,
    endMs: T + 1_300,
    depth: 1,
    state: "clear",
    stateWord: "completed",
  },
  { id: "3", label: "bash", detail: "npm test", startMs: T + 3_000, endMs: T + 14_000, depth: 1, state: "danger", stateWord: "failed" },
  { id: "4", label: HOSTILE, startMs: T + 15_000, endMs: T + 21_000, depth: 1, state: "clear", stateWord: "completed" },
  { id: "5", label: "Approval", detail: "git push", startMs: T + 24_000, endMs: T + 40_000, depth: 1, state: "wants", stateWord: "waits" },
  { id: "6", label: "Turn 2", startMs: T + 44_000, endMs: null, state: "moving", stateWord: "running" },
];

export function Figures() {
  const [selected, setSelected] = useState("3");
  return (
    <Specimens>
      <Specimen name="Money against a cap">
        <div className="space-y-2">
          <CostMeter spent={42_000} reserved={200_000} cap={2_000_000} />
          <CostMeter spent={1_900_000} cap={2_000_000} />
          <CostMeter spent={0} cap={0} />
        </div>
      </Specimen>
      <Specimen name="Money, moments, durations">
        <dl className="grid grid-cols-[auto_1fr] gap-x-4 text-sm">
          <dt>Money</dt>
          <dd>
            <Money microUsd={4_200} />
          </dd>
          <dt>When</dt>
          <dd>
            <Timestamp at="2026-01-02T10:00:00Z" /> · <Timestamp at="2026-01-02T10:00:00Z" exact />
          </dd>
          <dt>How long</dt>
          <dd>
            <Duration from="2026-01-02T10:00:00Z" to="2026-01-02T10:01:12Z" />
          </dd>
          <dt>A clock behind</dt>
          <dd>
            <Duration from="2026-01-02T10:00:00Z" to="2026-01-02T09:59:00Z" />
          </dd>
        </dl>
      </Specimen>
      <Specimen name="Sparkline">
        <div className="flex flex-wrap items-end gap-6">
          <Sparkline label="Calls an hour" points={POINTS} />
          <Sparkline label="Failures an hour" points={POINTS} tone="danger" />
          <Sparkline label="Nothing yet" points={[]} />
        </div>
      </Specimen>
      <Specimen name="Waterfall" wide>
        <div className="rounded-lg border border-line bg-panel p-3">
          <Waterfall label="Steps" spans={SPANS} nowMs={T + 61_000} selectedId={selected} onSelect={setSelected} />
        </div>
      </Specimen>
    </Specimens>
  );
}
