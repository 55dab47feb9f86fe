/* The levers of the strip: step, play, how fast; where one is in words; and the way back to now. */
import { Button, IconButton } from "@signalbox/ui/button";
import { count, duration } from "@signalbox/ui/format";
import { KeyHint } from "@signalbox/ui/key-hint";
import { Select } from "@signalbox/ui/select";
import { toast } from "@signalbox/ui/toasts";
import { ChevronLeft, ChevronRight, History, Link2, Pause, Play, Radio, SkipBack, SkipForward } from "lucide-react";
import { phraseOf, timeText } from "./phrase.ts";
import { SPEEDS, type Speed } from "./play.ts";
import { clockOf, indexOfSeq, LONGEST_MS } from "./reel.ts";
import type { Scrub } from "./scrub.ts";
import { useScrubbed } from "./use-scrub.ts";

interface Props<Then> {
  scrub: Scrub<Then>;
  /** Nothing more will happen here: its end is where "live" leads. */
  isOver: boolean;
}

export function Levers<Then>({ scrub, isCompact = false }: { scrub: Scrub<Then>; isCompact?: boolean }) {
  const isPlaying = useScrubbed(scrub, ({ isPlaying }) => isPlaying);
  const speed = useScrubbed(scrub, ({ speed }) => speed);
  const isEmpty = useScrubbed(scrub, ({ reel }) => reel.length < 2);
  const isLive = useScrubbed(scrub, ({ at }) => at === null);
  return (
    <div role="toolbar" aria-label="Play the timeline" className="flex shrink-0 items-center gap-0.5">
      {!isCompact && (
        <IconButton label="Previous prompt (Shift ←)" disabled={isEmpty} onClick={() => scrub.walk("prompt", -1)}>
          <SkipBack size={15} />
        </IconButton>
      )}
      <IconButton label="Previous event (←)" disabled={isEmpty} onClick={() => scrub.step(-1)}>
        <ChevronLeft size={17} />
      </IconButton>
      <IconButton
        label={isPlaying ? "Pause (Space)" : "Play (Space)"}
        look="solid"
        disabled={isEmpty}
        className="!rounded-full"
        onClick={() => scrub.toggle()}
      >
        {isPlaying ? <Pause size={14} fill="currentColor" /> : <Play size={14} fill="currentColor" className="ml-0.5" />}
      </IconButton>
      <IconButton label="Next event (→)" disabled={isEmpty || isLive} onClick={() => scrub.step(1)}>
        <ChevronRight size={17} />
      </IconButton>
      {!isCompact && (
        <IconButton label="Next prompt (Shift →)" disabled={isEmpty || isLive} onClick={() => scrub.walk("prompt", 1)}>
          <SkipForward size={15} />
        </IconButton>
      )}
      {!isCompact && <SpeedSelect speed={speed} onChange={(speed) => scrub.setSpeed(speed)} />}
    </div>
  );
}

export function SpeedSelect({ speed, onChange }: { speed: Speed; onChange(speed: Speed): void }) {
  return (
    <Select
      aria-label="Speed"
      small
      options={SPEEDS.map((each) => ({ value: String(each), label: `${each}×` }))}
      value={String(speed)}
      onChange={(value) => onChange(Number(value) as Speed)}
      className="ml-1 w-[4.5rem] tabular-nums"
    />
  );
}

/** Where one is, in a line. */
export function Whereabouts<Then>({ scrub, isOver, isCompact = false }: Props<Then> & { isCompact?: boolean }) {
  const { reel, at, pauseMs, phase } = useScrubbed(scrub, (state) => state);
  if (phase === "loading" && reel.length === 0) return <p className="min-w-0 flex-1 text-sm text-ink-3">Reading what happened…</p>;
  if (reel.length === 0) return <p className="min-w-0 flex-1 text-sm text-ink-3">Nothing has happened yet.</p>;
  const i = at === null ? reel.length - 1 : Math.max(0, indexOfSeq(reel, at));
  return (
    <p className="flex min-w-0 flex-1 items-center gap-x-2 text-sm" data-testid="whereabouts">
      {/* On a phone there is no room for it: the foot says it, and so does the way back to now. */}
      {at !== null && !isCompact && (
        <span className="inline-flex shrink-0 items-center gap-1.5 rounded-sm bg-ink px-1.5 font-semibold text-on-ink">
          <History size={13} aria-hidden /> As it was
        </span>
      )}
      <span className="shrink-0 font-semibold tabular-nums">{timeText(clockOf(reel, i))}</span>
      {!isCompact && (
        <span className="shrink-0 text-ink-3 tabular-nums">
          event {reel.seq[i]!.toLocaleString()} of {reel.lastSeq.toLocaleString()}
        </span>
      )}
      <span className="clamp-1 min-w-0 text-ink-2" title={phraseOf(reel, i)}>
        {pauseMs === null
          ? (at === null && !isCompact ? (isOver ? "the end: " : "newest: ") : "") + phraseOf(reel, i)
          : `${duration(pauseMs)} pass here, played as ${duration(LONGEST_MS)}`}
      </span>
    </p>
  );
}

/** How far behind one is, and the way back. */
export function ToLive<Then>({ scrub, isOver, isCompact = false }: Props<Then> & { isCompact?: boolean }) {
  const at = useScrubbed(scrub, ({ at }) => at);
  const head = useScrubbed(scrub, ({ head, reel }) => Math.max(head, reel.lastSeq));
  if (at === null)
    return (
      <span className="inline-flex h-7 shrink-0 items-center gap-1.5 rounded-md border border-line px-2 text-sm text-ink-2">
        <Radio size={14} aria-hidden className={isOver ? "text-ink-3" : "text-moving-ink"} />
        {isOver ? "At the end" : "Live"}
      </span>
    );
  const behind = Math.max(0, head - at);
  return (
    <Button size="sm" look="solid" onClick={() => scrub.live()}>
      <Radio size={14} aria-hidden />
      {isOver ? "Jump to the end" : "Jump to live"}
      {!isCompact && (
        <span className="opacity-80">
          · {count(behind, "event")} {isOver ? "on" : "behind"}
        </span>
      )}
      {!isCompact && <KeyHint keys="l" />}
    </Button>
  );
}

export function CopyMoment<Then>({ scrub }: { scrub: Scrub<Then> }) {
  const at = useScrubbed(scrub, ({ at }) => at);
  const last = useScrubbed(scrub, ({ reel }) => reel.lastSeq);
  const copy = (): void => {
    const address = new URL(window.location.href);
    address.searchParams.set("at", String(at ?? last));
    void navigator.clipboard.writeText(address.href).then(
      () => toast("Link to this moment copied"),
      () => toast("The browser does not let this page copy.", "danger"),
    );
  };
  return (
    <IconButton label="Copy a link to this moment" disabled={last === 0} onClick={copy}>
      <Link2 size={15} />
    </IconButton>
  );
}
