/*
 * The strip on its canvas, like the diagram above the levers: turns as bands, under them three tracks with what stands
 * on them, times at the foot, and behind it all what it cost.
 *
 *   turns   ▐ Fix the failing test      ▌▐ Now push it   ▌
 *   people  ──●─────────────────────▬▬▬▬✓──●────────▬▬▬✓──
 *   agent   ──────▂▅█▇▃▁▂▆█▅▃───────────────▂▅▃───────────
 *   result  ─────────────────×──◆──────────────────◆──────
 *           14:02:11          14:02:40          14:03:22
 *
 * Amber is only where a person was waited for. Nothing here is state: all of it is drawn anew each time.
 */
import { densityOf, heightOf, MARK_PX, type Bin } from "./density.ts";
import type { Colours } from "./colours.ts";
import { indexOfSeq, MARKS, placeOfSeq, type Mark, type Reel, type Span } from "./reel.ts";
import { ticksOf, xOf, type Frame, type Window } from "./window.ts";

export interface Layout {
  readonly height: number;
  readonly turns: { readonly y: number; readonly height: number };
  /** From above: people, agent, result. */
  readonly lanes: readonly { readonly y: number; readonly height: number }[];
  readonly axis: number;
  readonly gutter: number;
  readonly edge: number;
}
export const WIDE: Layout = {
  height: 112,
  turns: { y: 6, height: 18 },
  lanes: [
    { y: 28, height: 18 },
    { y: 48, height: 24 },
    { y: 74, height: 16 },
  ],
  axis: 105,
  gutter: 64,
  edge: 14,
};
export const COMPACT: Layout = {
  height: 78,
  turns: { y: 5, height: 6 },
  lanes: [
    { y: 14, height: 14 },
    { y: 29, height: 18 },
    { y: 48, height: 12 },
  ],
  axis: 72,
  gutter: 0,
  edge: 12,
};
export const frameOf = (layout: Layout, width: number): Frame => ({
  left: layout.gutter + layout.edge,
  width: Math.max(1, width - layout.gutter - 2 * layout.edge),
});

interface Picture {
  readonly reel: Reel;
  readonly window: Window;
  readonly width: number;
  readonly layout: Layout;
  readonly colours: Colours;
  readonly hidden: ReadonlySet<Mark>;
}
type Pen = CanvasRenderingContext2D;

export function draw(pen: Pen, picture: Picture): void {
  const { reel, window, width, layout, colours, hidden } = picture;
  const frame = frameOf(layout, width);
  pen.clearRect(0, 0, width, layout.height);
  tracks(pen, picture, frame);
  if (reel.length === 0) return;
  pen.save();
  pen.beginPath();
  pen.rect(layout.gutter, 0, width - layout.gutter, layout.height);
  pen.clip();
  cost(pen, picture, frame);
  turns(pen, picture, frame);
  const [people, agent, result] = densityOf(reel, window, frame, hidden);
  if (!hidden.has("tool")) calls(pen, picture, frame);
  if (!hidden.has("approval")) waits(pen, picture, frame);
  for (const [lane, bins] of [agent!, people!, result!].entries()) {
    const at = layout.lanes[[1, 0, 2][lane]!]!;
    for (const bin of bins) if (!bin.isAlone) bar(pen, reel, bin, at, colours);
    for (const bin of bins) if (bin.isAlone) mark(pen, reel, bin, at, colours);
  }
  axis(pen, picture, frame);
  pen.restore();
}

function tracks(pen: Pen, { layout, width, colours }: Picture, frame: Frame): void {
  pen.fillStyle = colours.line;
  for (const { y, height } of layout.lanes) pen.fillRect(layout.gutter, Math.round(y + height) - 1, width - layout.gutter, 1);
  void frame;
}

function turns(pen: Pen, { reel, window, layout, colours, width }: Picture, frame: Frame): void {
  const { y, height } = layout.turns;
  pen.textBaseline = "middle";
  pen.font = `500 11.5px ${colours.sans}`;
  for (const turn of reel.turns) {
    const [from, to] = ends(reel, turn, window, frame);
    if (to < layout.gutter || from > width) continue;
    const isFailed = turn.status === "failed" || turn.status === "timed_out" || turn.status === "needs_human";
    const isOpen = turn.end === -1;
    const w = Math.max(2, to - from - 1);
    pen.fillStyle = isFailed ? colours["danger-wash"] : colours.sunken;
    rounded(pen, from, y, w, height, 3);
    pen.fill();
    pen.fillStyle = isFailed
      ? colours.danger
      : isOpen
        ? colours.moving
        : turn.status === "succeeded"
          ? colours.clear
          : colours["line-strong"];
    pen.fillRect(from, y, Math.min(3, w), height);
    if (height < 14 || w < 40) continue;
    const left = Math.max(from, layout.gutter) + 9;
    const room = Math.min(to, width) - left - 6;
    if (room < 30) continue;
    pen.fillStyle = colours["ink-2"];
    pen.fillText(fitting(pen, turn.label === "" ? "A turn" : turn.label, room), left, y + height / 2 + 0.5);
  }
}

function ends(reel: Reel, span: Span, window: Window, frame: Frame): [number, number] {
  const to = span.end === -1 ? reel.place[reel.length - 1]! : placeOfSeq(reel, span.end);
  return [xOf(placeOfSeq(reel, span.start), window, frame), xOf(to, window, frame)];
}

/** A call is as wide as it took, where that can be seen. */
function calls(pen: Pen, { reel, window, layout, colours, width }: Picture, frame: Frame): void {
  const { y, height } = layout.lanes[1]!;
  const block = Math.round((height - 3) * 0.6);
  for (const call of reel.tools) {
    const [from, to] = ends(reel, call, window, frame);
    if (to - from < 4 || to < layout.gutter || from > width) continue;
    pen.fillStyle = call.status === "failed" ? colours.danger : colours.moving;
    pen.globalAlpha = call.end === -1 ? 0.8 : 0.35;
    rounded(pen, from, y + height - 1 - block, to - from, block, 3);
    pen.fill();
    pen.globalAlpha = 1;
  }
}

function waits(pen: Pen, { reel, window, layout, colours, width }: Picture, frame: Frame): void {
  const { y, height } = layout.lanes[0]!;
  const middle = y + height / 2 - 1;
  for (const wait of reel.waits) {
    const [from, to] = ends(reel, wait, window, frame);
    if (to < layout.gutter || from > width) continue;
    pen.fillStyle = colours.signal;
    pen.globalAlpha = 0.9;
    rounded(pen, from, middle - 2, Math.max(2, to - from), 4, 2);
    pen.fill();
    pen.globalAlpha = 1;
  }
}

function bar(pen: Pen, reel: Reel, bin: Bin, { y, height }: { y: number; height: number }, colours: Colours): void {
  const full = Math.min(height - 3, heightOf(bin.count) * (height - 3) * (MARKS[reel.mark[bin.index]!] === "tool" ? 1.6 : 1));
  pen.fillStyle = colourOf(reel, bin.index, colours, true);
  if (bin.failures > 0 && bin.count > bin.failures) pen.fillStyle = colours["ink-3"];
  pen.fillRect(bin.x - 1, y + height - 1 - full, 2, full);
  if (bin.failures === 0) return;
  const bad = Math.max(4, full * Math.sqrt(bin.failures / bin.count));
  pen.fillStyle = colours.danger;
  pen.fillRect(bin.x - 1, y + height - 1 - full, 2, bad);
}

function mark(pen: Pen, reel: Reel, bin: Bin, { y, height }: { y: number; height: number }, colours: Colours): void {
  const i = bin.index;
  const x = bin.x;
  const middle = y + height / 2 - 1;
  const colour = colourOf(reel, i, colours, false);
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  switch (MARKS[reel.mark[i]!]) {
    case "prompt":
      pen.arc(x, middle, 4.5, 0, 2 * Math.PI);
      pen.fill();
      return;
    case "approval":
      if (reel.outcome[i] === "pending") {
        // A lamp that is lit.
        pen.arc(x, middle, 4.5, 0, 2 * Math.PI);
        pen.fill();
        return;
      }
      plate(pen, x, middle, colours);
      pen.strokeStyle = colour;
      if (reel.outcome[i] === "approved" || reel.outcome[i] === "answered") tick(pen, x, middle);
      else cross(pen, x, middle);
      return;
    case "failure":
      cross(pen, x, middle);
      return;
    case "change":
      pen.moveTo(x, middle - 5);
      pen.lineTo(x + 5, middle);
      pen.lineTo(x, middle + 5);
      pen.lineTo(x - 5, middle);
      pen.closePath();
      pen.fill();
      return;
  }
}

function colourOf(reel: Reel, i: number, colours: Colours, isBar: boolean): string {
  switch (MARKS[reel.mark[i]!]) {
    case "prompt":
      return colours.ink;
    case "approval":
      return reel.outcome[i] === "pending" ? colours.signal : /approved|answered/.test(reel.outcome[i]!) ? colours.clear : colours.danger;
    case "failure":
      return colours.danger;
    case "change":
      return colours.clear;
    case "tool":
      return colours.moving;
    case "message":
      return colours["ink-3"];
    default:
      return isBar ? colours["line-strong"] : colours["ink-3"];
  }
}

function plate(pen: Pen, x: number, y: number, colours: Colours): void {
  pen.fillStyle = colours.panel;
  pen.arc(x, y, MARK_PX / 2 + 1, 0, 2 * Math.PI);
  pen.fill();
  pen.beginPath();
}
function tick(pen: Pen, x: number, y: number): void {
  pen.beginPath();
  pen.moveTo(x - 4, y);
  pen.lineTo(x - 1, y + 3.2);
  pen.lineTo(x + 4.4, y - 3.6);
  pen.stroke();
}
function cross(pen: Pen, x: number, y: number): void {
  pen.beginPath();
  pen.moveTo(x - 3.5, y - 3.5);
  pen.lineTo(x + 3.5, y + 3.5);
  pen.moveTo(x + 3.5, y - 3.5);
  pen.lineTo(x - 3.5, y + 3.5);
  pen.stroke();
}

/** A staircase behind the tracks, as high as what had been spent of all that was. */
function cost(pen: Pen, { reel, window, layout, colours, width }: Picture, frame: Frame): void {
  const { place, microUsd } = reel.cost;
  const most = microUsd.at(-1) ?? 0;
  if (most === 0) return;
  const top = layout.lanes[0]!.y + 2;
  const foot = layout.lanes[2]!.y + layout.lanes[2]!.height - 1;
  const yOf = (spent: number): number => foot - (spent / most) * (foot - top);
  pen.beginPath();
  pen.moveTo(layout.gutter, foot);
  let y = foot;
  let x = layout.gutter;
  for (let i = 0; i < place.length; i++) {
    const next = xOf(place[i]!, window, frame);
    const up = yOf(microUsd[i]!);
    // Several steps on one pixel are one.
    if (next < layout.gutter || (next - x < 0.5 && i < place.length - 1)) {
      y = up;
      continue;
    }
    if (next > width) break;
    pen.lineTo(next, y);
    pen.lineTo(next, up);
    [x, y] = [next, up];
  }
  pen.lineTo(width, y);
  pen.strokeStyle = colours["line-strong"];
  pen.lineWidth = 1;
  pen.stroke();
  pen.lineTo(width, foot);
  pen.lineTo(layout.gutter, foot);
  pen.fillStyle = colours.sunken;
  pen.globalAlpha = 0.7;
  pen.fill();
  pen.globalAlpha = 1;
}

function axis(pen: Pen, { reel, window, layout, colours, width }: Picture, frame: Frame): void {
  pen.font = `11px ${colours.sans}`;
  pen.textBaseline = "middle";
  pen.fillStyle = colours["ink-3"];
  let free = layout.gutter;
  for (const { x, text } of ticksOf(reel, window, frame, layout.gutter === 0 ? 90 : 120)) {
    const w = pen.measureText(text).width;
    // At the ends beside the line of the present moment, not under it.
    const left = x - w / 2 < layout.gutter + 4 ? x + 6 : x + w / 2 > width - 4 ? x - 6 - w : x - w / 2;
    if (left < free) continue;
    pen.fillText(text, left, layout.axis);
    free = left + w + 16;
  }
  // Where a pause was shortened, where there is room to say so.
  pen.strokeStyle = colours["ink-3"];
  pen.lineWidth = 1;
  let drawn = -99;
  const last = Math.min(reel.length - 2, indexOfSeq(reel, reel.lastSeq));
  for (let i = 0; i <= last; i++) {
    if (reel.atMs[i + 1]! - reel.atMs[i]! <= 5_000) continue;
    const x = (xOf(reel.place[i]!, window, frame) + xOf(reel.place[i + 1]!, window, frame)) / 2;
    if (x < layout.gutter || x > width || x - drawn < 12) continue;
    drawn = x;
    const y = layout.lanes[2]!.y + layout.lanes[2]!.height - 1;
    pen.fillStyle = colours.panel;
    pen.fillRect(x - 2.5, y - 1, 5, 3);
    pen.beginPath();
    pen.moveTo(x - 4, y + 4);
    pen.lineTo(x - 1, y - 4);
    pen.moveTo(x + 1, y + 4);
    pen.lineTo(x + 4, y - 4);
    pen.stroke();
  }
}

function rounded(pen: Pen, x: number, y: number, width: number, height: number, radius: number): void {
  pen.beginPath();
  pen.roundRect(x, y, width, height, Math.min(radius, width / 2));
}

function fitting(pen: Pen, text: string, room: number): string {
  if (pen.measureText(text).width <= room) return text;
  let length = Math.min(text.length, Math.floor(room / 5));
  while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
  return length > 2 ? `${text.slice(0, length).trimEnd()}…` : "";
}
