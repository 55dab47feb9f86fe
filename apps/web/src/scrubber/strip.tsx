/*
 * The strip under the hand. The canvas is drawn when what it shows changes; the play head and the veil over what had
 * not happened yet are moved without drawing it, so that a drag costs one transform a frame.
 *
 *   press: to the event under the pointer · drag: through time (captured, also by finger) · two fingers or the wheel:
 *   closer and further, sideways along · keys: a slider's, in events
 */
import {
  useEffect,
  useEffectEvent,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type KeyboardEvent,
  type PointerEvent,
} from "react";
import { useColours } from "./colours.ts";
import { draw, frameOf, type Layout } from "./draw.ts";
import { under } from "./density.ts";
import { clockOf, indexOfPlace, indexOfSeq, totalOf, type Reel } from "./reel.ts";
import { phraseOf, timeText, valueText } from "./phrase.ts";
import type { Scrub } from "./scrub.ts";
import type { StripWindow } from "./strip-window.ts";
import { useScrubbed } from "./use-scrub.ts";
import { placeOf, xOf } from "./window.ts";

/** Moved less than this the press was a click. */
const CLICK_PX = 4;
const PAGE = 10;

interface Hover {
  readonly x: number;
  readonly found: readonly number[];
}

export function Strip<Then>({ scrub, strip, layout, label }: { scrub: Scrub<Then>; strip: StripWindow; layout: Layout; label: string }) {
  const reel = useScrubbed(scrub, ({ reel }) => reel);
  const hidden = useScrubbed(scrub, ({ hidden }) => hidden);
  const at = useScrubbed(scrub, ({ at }) => at);
  const colours = useColours();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const playHead = useRef<HTMLDivElement>(null);
  const veil = useRef<HTMLDivElement>(null);
  const thumb = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const [width, setWidth] = useState(0);
  const isWhole = useSyncExternalStore(strip.subscribe, strip.isWhole);

  useLayoutEffect(() => {
    const element = box.current!;
    const measure = (): void => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => strip.setReel(reel), [strip, reel]);

  const paint = useEffectEvent((): void => {
    const pen = canvas.current?.getContext("2d");
    if (pen == null || width === 0) return;
    const scale = window.devicePixelRatio;
    const [w, h] = [Math.round(width * scale), Math.round(layout.height * scale)];
    if (canvas.current!.width !== w || canvas.current!.height !== h) Object.assign(canvas.current!, { width: w, height: h });
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    performance.mark("strip-begins");
    draw(pen, { reel, window: strip.get(), width, layout, colours, hidden });
    performance.measure("strip", "strip-begins");
    // Whoever measures has it by now; the browser would keep every one of them for as long as the page is open.
    performance.clearMarks("strip-begins");
    performance.clearMeasures("strip");
  });
  const place = useEffectEvent((): void => {
    const shown = strip.get();
    const frame = frameOf(layout, width);
    const x = Math.max(layout.gutter, Math.min(width, xOf(scrub.playHead.place(), shown, frame)));
    playHead.current!.style.transform = `translateX(${x}px)`;
    veil.current!.style.transform = `translateX(${x}px)`;
    const total = Math.max(1, totalOf(reel));
    if (thumb.current !== null)
      Object.assign(thumb.current.style, {
        left: `${(100 * shown.from) / total}%`,
        width: `${Math.min(100, (100 * (shown.to - shown.from)) / total)}%`,
      });
  });

  useLayoutEffect(() => {
    paint();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- what is drawn is read in there; these are when
  }, [reel, hidden, colours, width, layout]);
  useLayoutEffect(() => {
    place();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- as above
  }, [reel, width, layout, at, isWhole]);
  useEffect(() => {
    // The letters on the canvas are drawn in what is there; when the type has come they are drawn again.
    void document.fonts.ready.then(() => paint());
    let frame = 0;
    const again = (): void => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        paint();
        place();
      });
    };
    const moved = (): void => {
      strip.show(scrub.playHead.place());
      place();
    };
    const ends = [strip.subscribe(again), scrub.playHead.subscribe(moved)];
    return () => {
      cancelAnimationFrame(frame);
      for (const end of ends) end();
    };
  }, [strip, scrub]);

  const xIn = (clientX: number): number => clientX - box.current!.getBoundingClientRect().left;
  const placeAt = (x: number): number => placeOf(x, strip.get(), frameOf(layout, width));

  const onWheel = useEffectEvent((event: WheelEvent): void => {
    event.preventDefault();
    const span = strip.get().to - strip.get().from;
    const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) strip.pan((sideways / Math.max(1, width)) * span);
    else strip.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * (event.ctrlKey ? 0.01 : 0.0025)), placeAt(xIn(event.clientX)));
    setHover(null);
  });
  useEffect(() => {
    // React's own listener is passive: it could not keep the page from scrolling.
    const element = box.current!;
    const listener = (event: WheelEvent): void => onWheel(event);
    element.addEventListener("wheel", listener, { passive: false });
    return () => element.removeEventListener("wheel", listener);
  }, []);

  const pointers = useRef(new Map<number, number>());
  const pressed = useRef<{ x: number; isDrag: boolean } | null>(null);
  const scrubTo = (x: number): void => {
    const i = indexOfPlace(reel, placeAt(x));
    scrub.seek(i >= reel.length - 1 ? null : reel.seq[Math.max(0, i)]!);
  };
  const clicked = (x: number): void => {
    const [found] = under(reel, strip.get(), frameOf(layout, width), x, hidden);
    if (found === undefined) scrubTo(x);
    else scrub.seek(found >= reel.length - 1 ? null : reel.seq[found]!);
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>): void => {
    if (event.button !== 0 || reel.length === 0) return;
    const x = xIn(event.clientX);
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, x);
    setHover(null);
    pressed.current = pointers.current.size === 1 ? { x, isDrag: false } : null;
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>): void => {
    const x = xIn(event.clientX);
    if (!pointers.current.has(event.pointerId)) {
      if (event.pointerType !== "mouse" || reel.length === 0) return;
      const found = x < layout.gutter ? [] : under(reel, strip.get(), frameOf(layout, width), x, hidden);
      setHover(found.length === 0 ? null : { x, found });
      return;
    }
    if (pointers.current.size === 2) {
      const [other] = [...pointers.current].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const before = pointers.current.get(event.pointerId)!;
      const around = placeAt((before + other!) / 2);
      strip.zoom(Math.max(8, Math.abs(before - other!)) / Math.max(8, Math.abs(x - other!)), around);
      const span = strip.get().to - strip.get().from;
      strip.pan(((before - x) / 2 / Math.max(1, width)) * span);
      pointers.current.set(event.pointerId, x);
      return;
    }
    pointers.current.set(event.pointerId, x);
    const press = pressed.current;
    if (press === null) return;
    if (!press.isDrag && Math.abs(x - press.x) < CLICK_PX) return;
    press.isDrag = true;
    scrubTo(x);
  };
  const onPointerUp = (event: PointerEvent<HTMLDivElement>): void => {
    if (!pointers.current.delete(event.pointerId)) return;
    const press = pressed.current;
    pressed.current = null;
    if (press === null) return;
    if (!press.isDrag) clicked(xIn(event.clientX));
    scrub.rest();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const by = event.key === "ArrowRight" || event.key === "ArrowUp" ? 1 : event.key === "ArrowLeft" || event.key === "ArrowDown" ? -1 : 0;
    if (by !== 0) {
      if (event.shiftKey) scrub.walk("prompt", by);
      else scrub.step(by);
    } else if (event.key === "PageUp" || event.key === "PageDown") scrub.step(event.key === "PageUp" ? PAGE : -PAGE);
    else if (event.key === "Home") scrub.first();
    else if (event.key === "End") scrub.live();
    else if (event.key === "+" || event.key === "=") strip.zoom(0.5, scrub.playHead.place());
    else if (event.key === "-") strip.zoom(2, scrub.playHead.place());
    else return;
    event.preventDefault();
  };

  const index = at === null ? reel.length - 1 : indexOfSeq(reel, at);
  return (
    <div className="relative min-w-0 flex-1">
      <div
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={reel.lastSeq}
        aria-valuenow={index < 0 ? 0 : reel.seq[index]!}
        aria-valuetext={at === null ? `Now. ${valueText(reel, index)}` : valueText(reel, index)}
        data-testid="strip"
        className="relative cursor-ew-resize touch-none overflow-hidden -outline-offset-2 select-none"
        style={{ height: layout.height }}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={onPointerUp}
        onPointerLeave={() => setHover(null)}
        onKeyDown={onKeyDown}
      >
        <canvas ref={canvas} aria-hidden className="absolute inset-0 size-full" />
        {layout.gutter > 0 && <Gutter layout={layout} />}
        <div ref={veil} aria-hidden className={`absolute inset-y-0 left-0 w-full bg-panel/70 ${at === null ? "hidden" : ""}`} />
        {hover !== null && <div aria-hidden className="absolute inset-y-0 w-px bg-ink-3" style={{ left: hover.x }} />}
        <div ref={playHead} aria-hidden className={`absolute inset-y-0 left-0 w-0 ${reel.length === 0 ? "hidden" : ""}`}>
          <span className={`absolute inset-y-0 -left-px w-0.5 ${at === null ? "bg-moving" : "bg-ink"}`} />
          <span
            className={`absolute top-0 -left-[5px] size-2.5 rounded-full border-2 border-panel ${at === null ? "bg-moving" : "bg-ink"}`}
          />
        </div>
      </div>
      {!isWhole && (
        <div
          aria-hidden
          data-testid="strip-overview"
          className="absolute right-3 bottom-0 h-2 cursor-grab touch-none rounded-full bg-sunken"
          style={{ left: layout.gutter + layout.edge }}
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onPointerMove={(event) => {
            if (event.currentTarget.hasPointerCapture(event.pointerId))
              strip.pan((event.movementX / event.currentTarget.clientWidth) * totalOf(reel));
          }}
        >
          <div ref={thumb} className="absolute inset-y-0 rounded-full bg-line-strong" />
        </div>
      )}
      {hover !== null && <HoverCard reel={reel} hover={hover} width={width} isAbove={layout.gutter === 0} />}
    </div>
  );
}

const LANE_NAMES = ["People", "Agent", "Outcome"] as const;
function Gutter({ layout }: { layout: Layout }) {
  return (
    <div aria-hidden className="absolute inset-y-0 left-0 border-r border-line text-plate text-ink-3" style={{ width: layout.gutter }}>
      <span className="absolute left-3" style={{ top: layout.turns.y + layout.turns.height / 2 - 8 }}>
        Turns
      </span>
      {layout.lanes.map(({ y, height }, i) => (
        <span key={y} className="absolute left-3" style={{ top: y + height / 2 - 9 }}>
          {LANE_NAMES[i]}
        </span>
      ))}
    </div>
  );
}

const CARD_PX = 320;
const LISTED = 4;
function HoverCard({ reel, hover: { x, found }, width, isAbove }: { reel: Reel; hover: Hover; width: number; isAbove: boolean }) {
  const rest = found.length - LISTED;
  return (
    <div
      aria-hidden
      className={`soft-shadow pointer-events-none absolute z-30 rounded-md border border-line bg-raised px-3 py-2 text-sm ${isAbove ? "bottom-full mb-1" : "top-full mt-1"}`}
      style={{ width: CARD_PX, left: Math.max(4, Math.min(width - CARD_PX - 4, x - CARD_PX / 2)) }}
    >
      <ul className="space-y-0.5">
        {found.slice(0, LISTED).map((i) => (
          <li key={i} className="flex gap-2">
            <span className="shrink-0 text-ink-3 tabular-nums">{timeText(clockOf(reel, i))}</span>
            <span className="clamp-1 min-w-0">{phraseOf(reel, i)}</span>
          </li>
        ))}
      </ul>
      {rest > 0 && <p className="text-ink-3">and {rest.toLocaleString()} more here</p>}
    </div>
  );
}
