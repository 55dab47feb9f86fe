/* Events, windowed: the list is as long as the log, what is drawn is what is on screen. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useRef, useState, type ReactNode } from "react";
import { EventRow } from "./event-row.tsx";

const ROW_PX = 33;

export function EventList({
  events,
  footer,
  showStream = false,
}: {
  events: readonly EventEnvelope[];
  footer?: ReactNode;
  showStream?: boolean;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback(
    (id: string) =>
      setOpen((previous) => (previous.has(id) ? new Set([...previous].filter((each) => each !== id)) : new Set(previous).add(id))),
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
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto">
      <ol className="relative" style={{ height: virtual.getTotalSize() }} aria-label="Events">
        {virtual.getVirtualItems().map((row) => {
          const event = events[row.index]!;
          return (
            <li
              key={row.key}
              data-index={row.index}
              ref={virtual.measureElement}
              className="absolute inset-x-0 top-0"
              style={{ transform: `translateY(${row.start}px)` }}
            >
              <EventRow event={event} isOpen={open.has(event.event_id)} onToggle={toggle} showStream={showStream} />
            </li>
          );
        })}
      </ol>
      {footer}
    </div>
  );
}
