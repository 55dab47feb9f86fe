import { TIMELINE_KINDS, TIMELINE_OUTCOMES, type Timeline } from "@signalbox/contract/session-history";

export interface Happened {
  readonly kind: string;
  readonly atMs: number;
  readonly outcome?: string;
  readonly label?: string;
  readonly ref?: string;
}

/** As the server tells it; `cost` is [seq, spent in all], a span [ref, label, from, to]. */
export function timelineOf(
  happened: readonly Happened[],
  of: {
    after?: number;
    cost?: readonly [number, number][];
    turns?: readonly [string, string, number, number][];
    tools?: readonly [string, string, number, number][];
  } = {},
): Timeline {
  const after = of.after ?? 0;
  const labels: string[] = [];
  const refs: string[] = [];
  const place = (all: string[], value = ""): number => (value === "" ? -1 : all.includes(value) ? all.indexOf(value) : all.push(value) - 1);
  const spans = (told: readonly [string, string, number, number][] = []): Timeline["turns"] => ({
    ref: told.map(([ref]) => place(refs, ref)),
    label: told.map(([, label]) => place(labels, label)),
    start_seq: told.map(([, , from]) => from),
    end_seq: told.map(([, , , to]) => to),
    status: told.map(([, , , to]) => (to === -1 ? "running" : "succeeded")),
  });
  return {
    room_id: "room_1" as Timeline["room_id"],
    session_id: null,
    started_at: "2026-11-21T14:00:00.000Z",
    after_seq: after,
    last_seq: after + happened.length,
    kinds: [...TIMELINE_KINDS],
    outcomes: [...TIMELINE_OUTCOMES],
    labels,
    refs,
    events: {
      seq: happened.map((_, i) => after + i + 1),
      at_ms: happened.map(({ atMs }) => atMs),
      kind: happened.map(({ kind }) => TIMELINE_KINDS.indexOf(kind as never)),
      label: happened.map(({ label }) => place(labels, label)),
      ref: happened.map(({ ref }) => place(refs, ref)),
      outcome: happened.map(({ outcome }) => TIMELINE_OUTCOMES.indexOf((outcome ?? "none") as never)),
    },
    cost: {
      seq: (of.cost ?? []).map(([seq]) => seq),
      at_ms: (of.cost ?? []).map(() => 0),
      micro_usd: (of.cost ?? []).map(([, spent]) => spent),
    },
    turns: spans(of.turns),
    tools: spans(of.tools),
  };
}
