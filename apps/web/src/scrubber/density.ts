/*
 * What lies on each pixel of a lane. A mark that stands alone is drawn as itself; where several would touch, they are
 * one bar, as high as they are many. A failure under many is never lost: it has its own count. Pure, one pass.
 */
import { indexOfPlace, LANES, MARKS, type Mark, type Reel } from "./reel.ts";
import type { Frame, Window } from "./window.ts";

export interface Bin {
  readonly x: number;
  readonly count: number;
  readonly failures: number;
  /** Of the most telling event in it, which a lone mark shows. */
  readonly index: number;
  /** Drawn as itself: nothing that tells as much stands so near that they would touch. */
  readonly isAlone: boolean;
}

/** Marks nearer than this touch. */
export const MARK_PX = 9;
const BAR_PX = 3;
const FAILURE = MARKS.indexOf("failure");

/** What tells most comes first when there is room for one. */
/** What has a shape of its own; the rest are strokes, however few. */
const KEY: ReadonlySet<Mark> = new Set(["prompt", "approval", "change", "failure"]);
const isKey = (reel: Reel, i: number): boolean => KEY.has(MARKS[reel.mark[i]!]!);
const RANK: readonly Mark[] = ["failure", "approval", "prompt", "change", "tool", "message", "state"];
const RANK_OF = MARKS.map((mark) => RANK.indexOf(mark));
export const rankOf = (reel: Reel, i: number): number => RANK_OF[reel.mark[i]!]!;

/** Bins of each lane, from left to right. */
export function densityOf(reel: Reel, window: Window, frame: Frame, hidden: ReadonlySet<Mark>): readonly (readonly Bin[])[] {
  const isShown = MARKS.map((mark) => !hidden.has(mark));
  const columns = Math.ceil(frame.width / BAR_PX) + 1;
  const lanes = LANES.map(() => ({
    count: new Uint32Array(columns),
    failures: new Uint32Array(columns),
    index: new Int32Array(columns).fill(-1),
  }));
  const last = indexOfPlace(reel, window.to);
  const { place, mark } = reel;
  const perColumn = (BAR_PX * (window.to - window.from)) / frame.width;
  for (let i = Math.max(0, indexOfPlace(reel, window.from)); i <= last; i++) {
    if (!isShown[mark[i]!]! || place[i]! < window.from) continue;
    const column = Math.round((place[i]! - window.from) / perColumn);
    const lane = lanes[reel.lane[i]!]!;
    lane.count[column]! += 1;
    if (mark[i] === FAILURE) lane.failures[column]! += 1;
    const known = lane.index[column]!;
    if (known === -1 || rankOf(reel, i) < rankOf(reel, known)) lane.index[column] = i;
  }
  return lanes.map(({ count, failures, index }) => {
    const taken: number[] = [];
    for (let column = 0; column < columns; column++) if (count[column] !== 0) taken.push(column);
    const isTelling = (column: number): boolean => (index[column] ?? -1) !== -1 && isKey(reel, index[column]!);
    const reach = Math.ceil(MARK_PX / BAR_PX);
    return taken.map((column) => {
      let isAlone = isTelling(column);
      for (let near = 1; near < reach && isAlone; near++) isAlone = !isTelling(column - near) && !isTelling(column + near);
      return { x: frame.left + column * BAR_PX, count: count[column]!, failures: failures[column]!, index: index[column]!, isAlone };
    });
  });
}

/** Share of a lane's height: one event is a third of it, and each doubling adds a step until it is full. */
export const heightOf = (count: number): number => Math.min(1, 1 / 3 + Math.log2(count) / 7);

/** What is under the pointer: the events within reach of a place, the most telling first. */
export function under(reel: Reel, window: Window, frame: Frame, x: number, hidden: ReadonlySet<Mark>, reachPx = 5): readonly number[] {
  const span = (window.to - window.from) / frame.width;
  const place = window.from + (x - frame.left) * span;
  const found: number[] = [];
  const last = indexOfPlace(reel, place + reachPx * span);
  for (let i = Math.max(0, indexOfPlace(reel, place - reachPx * span)); i <= last && found.length < 5_000; i++)
    if (!hidden.has(MARKS[reel.mark[i]!]!) && reel.place[i]! >= place - reachPx * span) found.push(i);
  const distance = (i: number): number => Math.abs(reel.place[i]! - place);
  return found.toSorted((a, b) => rankOf(reel, a) - rankOf(reel, b) || distance(a) - distance(b));
}
