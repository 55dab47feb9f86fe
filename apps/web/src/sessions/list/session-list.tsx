/* The rows, windowed on the page's own scrolling: as many as there are sessions, as few in the page as are seen. */
import type { SessionView } from "@signalbox/contract/sessions";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useEffectEvent, useLayoutEffect, useRef, useState } from "react";
import { useNames } from "../../data/queries.ts";
import { SessionRow } from "./session-row.tsx";

const ROW_PX = 92;
/** How many rows before the end the next page is asked for. */
const AHEAD = 25;

interface SessionListProps {
  sessions: readonly SessionView[];
  selected: number;
  picked: ReadonlySet<string>;
  rowRef(index: number): (element: HTMLElement | null) => void;
  onFocus(index: number): void;
  onPick(session: SessionView): void;
  onPeek(session: SessionView): void;
  onSeen(first: number, last: number): void;
  onNearEnd(): void;
}

export function SessionList(props: SessionListProps) {
  const { sessions, selected, picked } = props;
  const nameOf = useNames();
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const main = document.getElementById("main");
    if (list.current === null || main === null) return;
    setTop(list.current.getBoundingClientRect().top - main.getBoundingClientRect().top + main.scrollTop);
  }, []);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: sessions.length,
    getScrollElement: () => document.getElementById("main"),
    estimateSize: () => ROW_PX,
    scrollMargin: top,
    overscan: 8,
    getItemKey: (index) => sessions[index]!.id,
  });
  const rows = virtual.getVirtualItems();
  const first = rows[0]?.index ?? 0;
  const last = rows.at(-1)?.index ?? 0;
  const seen = useEffectEvent((from: number, to: number) => {
    props.onSeen(from, to);
    if (to >= sessions.length - AHEAD) props.onNearEnd();
  });
  useEffect(() => seen(first, last), [first, last, sessions.length]);
  return (
    <ul
      ref={list}
      aria-label="Sessions"
      className="soft-shadow relative overflow-clip rounded-lg border border-line bg-panel"
      style={{ height: virtual.getTotalSize() + 2 }}
    >
      {rows.map((row) => {
        const session = sessions[row.index]!;
        return (
          <li
            key={row.key}
            data-index={row.index}
            ref={virtual.measureElement}
            aria-setsize={sessions.length}
            aria-posinset={row.index + 1}
            className="absolute inset-x-0 top-0 border-b border-line"
            style={{ transform: `translateY(${row.start - top}px)` }}
          >
            <SessionRow
              session={session}
              isSelected={row.index === selected}
              isPicked={picked.has(session.id)}
              nameOf={nameOf}
              linkRef={props.rowRef(row.index)}
              onFocus={() => props.onFocus(row.index)}
              onPick={() => props.onPick(session)}
              onPeek={() => props.onPeek(session)}
            />
          </li>
        );
      })}
    </ul>
  );
}
