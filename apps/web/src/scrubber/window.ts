/* Which part of the reel the strip shows, and what stands where on it. Pure; places are of the reel, x in CSS pixels. */
import { timeOfPlace, totalOf, type Reel } from "./reel.ts";
import { dayText, timeText } from "./phrase.ts";

export interface Window {
  readonly from: number;
  readonly to: number;
}
/** How the strip lies: marks keep off both edges, so that the first and the last are whole. */
export interface Frame {
  readonly left: number;
  readonly width: number;
}

/** Closer than this there is nothing more to see. */
const CLOSEST_MS = 240;

export const wholeOf = (reel: Reel): Window => ({ from: 0, to: Math.max(CLOSEST_MS, totalOf(reel)) });
export const isWhole = (window: Window, reel: Reel): boolean => window.from <= 0 && window.to >= totalOf(reel);

export const xOf = (place: number, { from, to }: Window, frame: Frame): number => frame.left + ((place - from) / (to - from)) * frame.width;
export const placeOf = (x: number, { from, to }: Window, frame: Frame): number => from + ((x - frame.left) / frame.width) * (to - from);

/** Of the same width, moved until it lies on the reel. */
function within(from: number, span: number, { to: end }: Window): Window {
  const width = Math.min(span, end);
  const start = Math.max(0, Math.min(from, end - width));
  return { from: start, to: start + width };
}

/** `factor` under 1 comes closer; what is at `around` stays where it is. */
export function zoomed(window: Window, reel: Reel, factor: number, around: number): Window {
  const whole = wholeOf(reel);
  const span = Math.max(CLOSEST_MS, Math.min(whole.to, (window.to - window.from) * factor));
  const share = (around - window.from) / (window.to - window.from);
  return within(around - share * span, span, whole);
}
export const panned = (window: Window, reel: Reel, by: number): Window => within(window.from + by, window.to - window.from, wholeOf(reel));

/** After the reel grew: all of it goes on being all of it, the end goes on being the end. */
export function grownTo(window: Window, before: Reel, after: Reel): Window {
  if (before.length === 0 || isWhole(window, before)) return wholeOf(after);
  const span = window.to - window.from;
  return window.to >= totalOf(before) - 1 ? within(totalOf(after) - span, span, wholeOf(after)) : within(window.from, span, wholeOf(after));
}

/** With `place` in it: turned over like a page when it is not. */
export function showing(window: Window, reel: Reel, place: number): Window {
  const span = window.to - window.from;
  if (place >= window.from && place <= window.to) return window;
  return within(place < window.from ? place - span * 0.9 : place - span * 0.1, span, wholeOf(reel));
}

export interface Tick {
  readonly x: number;
  readonly text: string;
}
/** Times along the strip, `every` pixels or so; the same time is not written twice, a new day is named. */
export function ticksOf(reel: Reel, window: Window, frame: Frame, every = 120): Tick[] {
  if (reel.length === 0) return [];
  const steps = Math.max(1, Math.floor(frame.width / every));
  const ticks: Tick[] = [];
  let [before, day] = ["", ""];
  for (let step = 0; step <= steps; step++) {
    const x = frame.left + (frame.width * step) / steps;
    const time = timeOfPlace(reel, placeOf(x, window, frame));
    const [text, today] = [timeText(time), dayText(time)];
    if (text === before && today === day) continue;
    ticks.push({ x, text: day !== "" && today !== day ? `${today} ${text}` : text });
    [before, day] = [text, today];
  }
  return ticks;
}
