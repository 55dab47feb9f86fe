/* Events, windowed: the list is as long as the log, what is drawn is what is on screen. The page before is read as one nears it. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { IconButton } from "@signalbox/ui/button";
import { clock } from "@signalbox/ui/format";
import { JsonView } from "@signalbox/ui/json-view";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Link } from "@tanstack/react-router";
import { ChevronRight, Copy, History } from "lucide-react";
import { memo, useCallback, useEffect, useRef, useState } from "react";
import { summaryOf, weightOf, type Weight } from "../../../events/summary.ts";
import { copy } from "../clipboard.ts";
import { shownName } from "../names.ts";

const ROW_PX = 33;
const NEAR_END = 40;
const DOT: Record<Weight, string> = { wants: "bg-signal lit", clear: "bg-clear", danger: "bg-danger", plain: "bg-line-strong" };

export function EventsList({
  events,
  at,
  onNearEnd,
}: {
  events: readonly EventEnvelope[];
  /** The moment that the page shows. */
  at: number | null;
  /** Called while the end of what is here is near; absent: that is all. */
  onNearEnd: (() => void) | null;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback(
    (id: string) => setOpen((before) => (before.has(id) ? new Set([...before].filter((each) => each !== id)) : new Set(before).add(id))),
    [],
  );
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    getItemKey: (index) => events[index]!.event_id,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const isNear = last >= events.length - NEAR_END;
  useEffect(() => {
    if (isNear) onNearEnd?.();
  }, [isNear, onNearEnd]);

  // New ones push the rest down: whoever reads further down stays with what they read.
  const newest = useRef(events[0]?.event_id);
  useEffect(() => {
    const before = newest.current;
    newest.current = events[0]?.event_id;
    const element = scroller.current;
    if (element === null || before === undefined || before === newest.current || element.scrollTop < ROW_PX) return;
    const added = events.findIndex(({ event_id }) => event_id === before);
    if (added > 0) element.scrollTop += added * ROW_PX;
  }, [events]);
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto [overflow-anchor:none]">
      <ol className="relative" style={{ height: virtual.getTotalSize() }} aria-label="Events">
        {items.map(({ index, key, start }) => {
          const event = events[index]!;
          return (
            <li
              key={key}
              data-index={index}
              ref={virtual.measureElement}
              className="absolute inset-x-0 top-0"
              style={{ transform: `translateY(${start}px)` }}
            >
              <EventLine
                event={event}
                isOpen={open.has(event.event_id)}
                isLater={at !== null && event.seq > at}
                isHere={event.seq === at}
                onToggle={toggle}
              />
            </li>
          );
        })}
      </ol>
    </div>
  );
}

const EventLine = memo(function EventLine({
  event,
  isOpen,
  isLater,
  isHere,
  onToggle,
}: {
  event: EventEnvelope;
  isOpen: boolean;
  isLater: boolean;
  isHere: boolean;
  onToggle(id: string): void;
}) {
  return (
    <div className={`border-b border-line ${isHere ? "bg-chosen" : ""}`}>
      <div className="flex items-center hover:bg-raised">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => onToggle(event.event_id)}
          className="flex h-8 min-w-0 flex-1 items-center gap-x-2.5 pl-2 text-left text-sm -outline-offset-2"
        >
          <span className="w-9 shrink-0 text-right font-mono text-plate text-ink-3">{event.seq}</span>
          <span aria-hidden className={`size-2 shrink-0 rounded-full ${DOT[weightOf(event.type)]}`} />
          <span className={`max-w-[60%] min-w-0 truncate font-mono ${isLater ? "text-ink-3" : ""}`}>{event.type}</span>
          <span className="clamp-1 min-w-0 flex-1 text-ink-2">{shownName(summaryOf(event))}</span>
          <time
            dateTime={event.occurred_at}
            title={new Date(event.occurred_at).toLocaleString()}
            className="shrink-0 font-mono text-plate text-ink-3"
          >
            {clock(event.occurred_at)}
          </time>
          <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 ${isOpen ? "rotate-90" : ""}`} />
        </button>
        <Link
          to="."
          search={(before) => ({ ...before, at: event.seq })}
          replace
          aria-label={`See the session as it was after event ${event.seq}`}
          title="As it was then"
          className="mr-1 flex size-7 shrink-0 items-center justify-center rounded-md text-ink-3 hover:bg-chosen hover:text-ink"
        >
          <History size={14} />
        </Link>
      </div>
      {isOpen && <Opened event={event} />}
    </div>
  );
});

function Opened({ event }: { event: EventEnvelope }) {
  return (
    <div className="space-y-2 border-t border-line bg-sunken px-3 py-3">
      <dl className="grid gap-x-5 gap-y-0.5 font-mono text-plate sm:grid-cols-[auto_1fr]">
        <Part name="by" value={`${event.principal.id} (${event.principal.type}, ${event.zone})`} />
        <Part name="subject" value={`${event.subject} at version ${event.subject_version}`} />
        <Part name="follows" value={event.prev_hash} />
        <Part name="hash" value={event.hash} />
      </dl>
      <div className="relative">
        <JsonView value={event} label={`Event ${event.seq}`} defaultDepth={2} />
        <span className="absolute top-1 right-1">
          <IconButton label="Copy the event" onClick={() => copy(JSON.stringify(event, null, 2), "the event")}>
            <Copy size={14} />
          </IconButton>
        </span>
      </div>
    </div>
  );
}

function Part({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt className="text-ink-3">{name}</dt>
      <dd className="break-all">{value}</dd>
    </>
  );
}
