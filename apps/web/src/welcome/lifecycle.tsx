/* A session's life in one picture: a mark for every moment, in its lane, and the money growing under it. */
import { getSessionTimeline, TIMELINE_KINDS, type Timeline, type TimelineKind } from "@signalbox/contract/session-history";
import type { SessionId } from "@signalbox/contract/primitives";
import { queryOptions } from "@tanstack/react-query";
import { client } from "../data/api.ts";

const WIDTH = 320;
const LANE = 14;
const COST = 22;

const LANES: readonly { readonly name: string; readonly kinds: readonly TimelineKind[]; readonly look: string }[] = [
  { name: "Said", kinds: ["prompt", "message", "thought", "plan", "question"], look: "fill-ink-3" },
  { name: "Done", kinds: ["tool"], look: "fill-moving" },
  { name: "Decided", kinds: ["approval"], look: "fill-signal" },
  { name: "Changed", kinds: ["change"], look: "fill-clear" },
];
const HEIGHT = LANES.length * LANE + COST;

export const timelineQuery = (id: SessionId) =>
  queryOptions({
    queryKey: ["session", id, "lifecycle"],
    queryFn: ({ signal }) => client.call(getSessionTimeline, { params: { id }, query: {}, signal }),
    staleTime: 60_000,
  });

/** Of how many moments of a kind the picture tells, and the first prompt to begin at. */
export function firstPromptOf({ events, kinds }: Timeline): number | undefined {
  const prompt = kinds.indexOf("prompt" satisfies TimelineKind);
  return events.seq.find((_, i) => events.kind[i] === prompt);
}

export function Lifecycle({ timeline, label }: { timeline: Timeline; label: string }) {
  const { events, cost, kinds } = timeline;
  const end = Math.max(1, events.at_ms.at(-1) ?? 1);
  const x = (ms: number): number => 4 + (ms / end) * (WIDTH - 8);
  const most = Math.max(1, cost.micro_usd.at(-1) ?? 1);
  const y = (micro: number): number => HEIGHT - 2 - (micro / most) * (COST - 6);
  const line = cost.at_ms.map((ms, i) => `${x(ms).toFixed(1)},${y(cost.micro_usd[i] ?? 0).toFixed(1)}`).join(" ");
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label} className="block h-auto w-full">
      {LANES.map(({ name, kinds: of, look }, lane) => (
        <g key={name}>
          <line x1={4} x2={WIDTH - 4} y1={lane * LANE + LANE / 2} y2={lane * LANE + LANE / 2} className="stroke-line" />
          {events.seq.map((seq, i) => {
            const kind = kinds[events.kind[i]!] ?? TIMELINE_KINDS[events.kind[i]!];
            return of.includes(kind as TimelineKind) ? (
              <rect key={seq} x={x(events.at_ms[i]!) - 1.5} y={lane * LANE + 3} width={3} height={LANE - 6} rx={1} className={look} />
            ) : null;
          })}
        </g>
      ))}
      {line !== "" && <polyline points={line} fill="none" strokeWidth={1.5} className="stroke-ink-2" />}
    </svg>
  );
}

export const LANE_NAMES: readonly string[] = LANES.map(({ name }) => name);
export const LANE_LOOKS: readonly string[] = LANES.map(({ look }) => look.replace("fill-", "bg-"));
