import type { ReactNode } from "react";
import { duration } from "./format.ts";
import type { LampState } from "./lamp.tsx";

export interface Span {
  readonly id: string;
  readonly label: string;
  readonly detail?: ReactNode;
  readonly startMs: number;
  /** Null while it goes on. */
  readonly endMs: number | null;
  readonly depth?: number;
  readonly state: LampState;
  /** What its state is called, for whoever does not see the colour. */
  readonly stateWord: string;
}

const BAR: Record<LampState, string> = {
  wants: "bg-signal",
  moving: "bg-moving",
  clear: "bg-ink-3",
  danger: "bg-danger",
  dark: "bg-line-strong",
};

/** Round steps, at most five of them: 1, 2, 5, 10, 20, … of ms. */
function ticks(total: number): number[] {
  const rough = total / 5;
  const base = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const step = [1, 2, 5, 10].map((n) => n * base).find((n) => n >= rough) ?? base * 10;
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, i) => i * step);
}

/** What took how long, one under another on one axis of time. `nowMs` ends what has no end yet. */
export function Waterfall({
  label,
  spans,
  nowMs,
  selectedId,
  onSelect,
}: {
  label: string;
  spans: readonly Span[];
  nowMs: number;
  selectedId?: string | null;
  onSelect?(id: string): void;
}) {
  if (spans.length === 0) return null;
  const from = Math.min(...spans.map(({ startMs }) => startMs));
  const to = Math.max(from + 1, ...spans.map(({ startMs, endMs }) => Math.max(startMs, endMs ?? nowMs)));
  const total = to - from;
  const at = (ms: number): string => `${((ms - from) / total) * 100}%`;
  return (
    <div className="text-sm">
      <div aria-hidden className="grid grid-cols-[minmax(9rem,2fr)_5fr] narrow:grid-cols-1">
        <span className="narrow:hidden" />
        <div className="relative mr-16 h-5 border-b border-line narrow:mr-0">
          {/* The last one would stand over the edge. */}
          {ticks(total)
            .filter((tick) => tick < total * 0.9)
            .map((tick) => (
              <span key={tick} className="absolute top-0 text-plate whitespace-nowrap text-ink-3" style={{ left: at(from + tick) }}>
                {duration(tick)}
              </span>
            ))}
        </div>
      </div>
      <ol aria-label={label}>
        {spans.map(({ id, label, detail, startMs, endMs, depth = 0, state, stateWord }) => {
          const took = Math.max(0, (endMs ?? nowMs) - startMs);
          const Row = onSelect === undefined ? "div" : "button";
          return (
            <li key={id} className="border-b border-line last:border-0 [contain-intrinsic-size:auto_2.25rem] [content-visibility:auto]">
              <Row
                {...(onSelect === undefined ? {} : { type: "button" as const, onClick: () => onSelect(id) })}
                aria-current={selectedId === id || undefined}
                className="grid w-full grid-cols-[minmax(9rem,2fr)_5fr] items-center py-1.5 text-left -outline-offset-2 hover:bg-raised aria-[current]:bg-chosen narrow:grid-cols-1"
              >
                <span className="flex min-w-0 pr-3" style={{ paddingLeft: `${depth * 1}rem` }}>
                  <span className="truncate" title={label}>
                    {label}
                  </span>
                  {detail !== undefined && <span className="ml-1.5 shrink-0 text-ink-3">{detail}</span>}
                  <span className="sr-only">
                    , {stateWord}, {duration(took)}, {duration(startMs - from)} after the start
                  </span>
                </span>
                <span aria-hidden className="relative mr-16 block h-4 narrow:mt-1">
                  <span
                    className={`absolute top-1 h-2 min-w-[3px] rounded-sm ${BAR[state]} ${endMs === null ? "breathing" : ""}`}
                    style={{ left: at(startMs), width: `${(took / total) * 100}%` }}
                  />
                  <span className="absolute left-full ml-2 text-plate whitespace-nowrap text-ink-2 tabular-nums">{duration(took)}</span>
                </span>
              </Row>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
