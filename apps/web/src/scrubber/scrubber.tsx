/*
 * The timeline of a session or a room: levers and whereabouts above, the strip under them, and beside it (under a
 * button where there is no room, a sheet on a phone) how it stood.
 */
import { IconButton } from "@signalbox/ui/button";
import { Drawer } from "@signalbox/ui/drawer";
import { Popover } from "@signalbox/ui/popover";
import { Trouble } from "@signalbox/ui/trouble";
import { useMedia } from "@signalbox/ui/use-media";
import { ChevronDown, ChevronUp, Filter, Info, Maximize2, ZoomIn, ZoomOut } from "lucide-react";
import { useState, useSyncExternalStore, type ReactNode } from "react";
import { useKept } from "../frame/kept.ts";
import { CopyMoment, Levers, SpeedSelect, ToLive, Whereabouts } from "./controls.tsx";
import { COMPACT, WIDE } from "./draw.ts";
import { Kinds } from "./kinds.tsx";
import type { Scrub } from "./scrub.ts";
import { Strip } from "./strip.tsx";
import { createStripWindow, type StripWindow } from "./strip-window.ts";
import { useScrubbed } from "./use-scrub.ts";
import { useScrubKeys } from "./use-scrub-keys.ts";

const FOLDED = "signalbox.timeline-folded";

interface ScrubberProps<Then> {
  readonly scrub: Scrub<Then>;
  /** Nothing more will happen in it. */
  readonly isOver: boolean;
  /** What the slider is called: "Timeline of the session". */
  readonly label: string;
  /** How it stands, or stood: mounted only while it is on screen. */
  readonly state: ReactNode;
}

export function Scrubber<Then>(props: ScrubberProps<Then>) {
  const { scrub } = props;
  const [strip] = useState(createStripWindow);
  const [isFolded, setFolded] = useKept(FOLDED, false);
  const fold = (): void => setFolded(!isFolded);
  useScrubKeys(scrub, fold);
  const isWide = useMedia("(min-width: 1200px)");
  const Form = isWide ? Wide : Compact;
  return (
    <section aria-label="Timeline" className="shrink-0 border-b border-line bg-panel narrow:border-t narrow:border-b-0">
      <Form {...props} strip={strip} isFolded={isFolded} onFold={fold} />
    </section>
  );
}

interface FormProps<Then> extends ScrubberProps<Then> {
  readonly strip: StripWindow;
  readonly isFolded: boolean;
  onFold(): void;
}

function Wide<Then>({ scrub, isOver, label, state, strip, isFolded, onFold }: FormProps<Then>) {
  return (
    <>
      <div className="flex h-10 items-center gap-3 px-3">
        <Levers scrub={scrub} />
        <Whereabouts scrub={scrub} isOver={isOver} />
        {!isFolded && <Zoom strip={strip} />}
        <span className="flex">
          {!isFolded && (
            <Popover
              label="What the timeline shows"
              align="end"
              className="w-80 p-3"
              trigger={
                <IconButton label="What the timeline shows">
                  <Filter size={15} />
                </IconButton>
              }
            >
              <Kinds scrub={scrub} />
            </Popover>
          )}
          <CopyMoment scrub={scrub} />
          <IconButton label={isFolded ? "Open the timeline (t)" : "Fold the timeline (t)"} aria-expanded={!isFolded} onClick={onFold}>
            {isFolded ? <ChevronDown size={16} /> : <ChevronUp size={16} />}
          </IconButton>
        </span>
        <ToLive scrub={scrub} isOver={isOver} />
      </div>
      {!isFolded && (
        <div className="flex border-t border-line">
          <Drawn scrub={scrub} strip={strip} label={label} />
          <div className="min-h-32 w-[22rem] shrink-0 border-l border-line px-3 py-1.5">{state}</div>
        </div>
      )}
    </>
  );
}

function Compact<Then>({ scrub, isOver, label, state, strip }: FormProps<Then>) {
  const [isOpen, setOpen] = useState(false);
  const speed = useScrubbed(scrub, ({ speed }) => speed);
  return (
    <>
      <div className="flex h-11 items-center gap-2 px-2">
        <Levers scrub={scrub} isCompact />
        <Whereabouts scrub={scrub} isOver={isOver} isCompact />
        <IconButton label="How it stood, speed and what is shown" onClick={() => setOpen(true)}>
          <Info size={16} />
        </IconButton>
        <ToLive scrub={scrub} isOver={isOver} isCompact />
      </div>
      <Drawn scrub={scrub} strip={strip} label={label} isCompact />
      {isOpen && (
        <Drawer title="This moment" onClose={() => setOpen(false)}>
          <div className="space-y-4">
            <Whereabouts scrub={scrub} isOver={isOver} />
            {state}
            <div className="flex items-center gap-2 border-t border-line pt-3">
              <span className="flex-1 text-sm text-ink-2">Speed</span>
              <SpeedSelect speed={speed} onChange={(next) => scrub.setSpeed(next)} />
              <CopyMoment scrub={scrub} />
            </div>
            <Kinds scrub={scrub} />
          </div>
        </Drawer>
      )}
    </>
  );
}

function Drawn<Then>({
  scrub,
  strip,
  label,
  isCompact = false,
}: Pick<FormProps<Then>, "scrub" | "strip" | "label"> & { isCompact?: boolean }) {
  const phase = useScrubbed(scrub, ({ phase }) => phase);
  const error = useScrubbed(scrub, ({ error }) => error);
  if (phase === "failed" && error instanceof Error)
    return (
      <div className="min-w-0 flex-1 p-3">
        <Trouble error={error} onRetry={() => scrub.retry()} />
      </div>
    );
  return <Strip scrub={scrub} strip={strip} label={label} layout={isCompact ? COMPACT : WIDE} />;
}

function Zoom({ strip }: { strip: StripWindow }) {
  const isWhole = useSyncExternalStore(strip.subscribe, strip.isWhole);
  return (
    <span role="group" aria-label="How close" className="flex">
      <IconButton label="Further" disabled={isWhole} onClick={() => strip.zoom(2)}>
        <ZoomOut size={15} />
      </IconButton>
      <IconButton label="Closer" onClick={() => strip.zoom(0.5)}>
        <ZoomIn size={15} />
      </IconButton>
      <IconButton label="All of it" disabled={isWhole} onClick={() => strip.whole()}>
        <Maximize2 size={14} />
      </IconButton>
    </span>
  );
}
