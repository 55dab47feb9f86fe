/*
 * The conversation, windowed. The list keeps its place by itself: at the end it follows what comes, anywhere else what
 * one reads stays where it is while older items are put before it and rows settle to their heights (`anchorTo: "end"`).
 * Rows are drawn when what they show changes; where they stand is written to the page without drawing them.
 */
import type { SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Spinner } from "@signalbox/ui/spinner";
import { Trouble } from "@signalbox/ui/trouble";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode, type UIEvent } from "react";
import { useShortcuts } from "../frame/shortcuts.ts";
import type { ConversationStore } from "./conversation-store.ts";
import { FindBar } from "./find-bar.tsx";
import { Row } from "./rows/row.tsx";
import { useRows } from "./rows/row-context.ts";
import { dayOf, NOTHING_QUEUED, rowsOf, type Row as RowOf } from "./rows.ts";

/** How close to the end still counts as being there. */
const NEAR_END_PX = 80;
/** A scroll this soon after wheel, touch, key or press was the reader's; any other is rows settling to their heights. */
const INTENT_MS = 800;
/** Rows from the edge at which the window beside it is read. */
const READ_AHEAD = 25;

interface ConversationViewProps {
  store: ConversationStore;
  queued?: ReadonlySet<string>;
  /** An item to show: from the address. */
  target: string | null;
  /** What stands where nothing was said yet. */
  empty: ReactNode;
  /** What is going on while no row shows it. */
  underway?: ReactNode;
}

export function ConversationView({ store, queued = NOTHING_QUEUED, target, empty, underway }: ConversationViewProps) {
  const today = useToday();
  const around = useMemo(() => ({ today, queued }), [today, queued]);
  // The same rows while only words arrive: then nothing here is drawn again.
  const rows = useSyncExternalStore(store.subscribe, () => rowsOf(store.get().conversation, around));
  const phase = useSyncExternalStore(store.subscribe, () => store.get().phase);
  const error = useSyncExternalStore(store.subscribe, () => store.get().error);
  const newer = useSyncExternalStore(store.subscribe, () => store.get().conversation.newer);
  const hasOlder = useSyncExternalStore(store.subscribe, () => store.get().conversation.older !== null);
  const isReadingOlder = useSyncExternalStore(store.subscribe, () => store.get().isReadingOlder);

  const { openRows } = useRows();
  const scroller = useRef<HTMLDivElement>(null);
  const [isAway, setAway] = useState(false);
  /** The last row that was there when the reader left the end. */
  const [seen, setSeen] = useState<string | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [marked, setMarked] = useState<string | null>(null);
  const [isFinding, setFinding] = useState(false);
  /** Before the first scroll to the end the top of the window is in sight, and nobody asked for more of it. */
  const isPlaced = useRef(target !== null);
  const isLoading = phase === "loading" && rows.length === 0;

  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimate(rows[index]!),
    overscan: 6,
    paddingStart: 16,
    paddingEnd: 16,
    getItemKey: (index) => rows[index]!.key,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: NEAR_END_PX,
    directDomUpdates: true,
    onChange: (instance) => {
      const { range } = instance;
      if (range === null || rows.length === 0 || !isPlaced.current) return;
      if (range.startIndex < READ_AHEAD) void store.older().catch(() => undefined); // Said by the row at the top, which can be pressed.
      if (range.endIndex > rows.length - READ_AHEAD) void store.newer().catch(() => undefined); // The next scroll asks again.
    },
  });

  /** Where the reader wants to be; what rows do to the scroll position by growing does not change it. */
  const isFollowing = useRef(target === null);
  const touchedAt = useRef(-Infinity);
  const touch = (): void => void (touchedAt.current = performance.now());
  const place = (away: boolean): void => {
    isFollowing.current = !away;
    store.setAtEnd(!away);
    setAway(away);
    setSeen(away ? (rows.at(-1)?.key ?? null) : null);
  };
  const onScroll = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }: UIEvent<HTMLElement>): void => {
    const away = scrollHeight - scrollTop - clientHeight > NEAR_END_PX;
    if (away === isAway || (away && performance.now() - touchedAt.current > INTENT_MS)) return;
    place(away);
  };
  // Whatever grows (a card that loads, words that arrive), the end stays in sight of whoever is there.
  useEffect(() => {
    const [outer, inner] = [scroller.current, scroller.current?.firstElementChild];
    if (outer === null || inner == null) return;
    const follow = (): void => {
      if (isFollowing.current) outer.scrollTop = outer.scrollHeight;
      isPlaced.current ||= outer.scrollHeight > outer.clientHeight;
    };
    const observer = new ResizeObserver(follow);
    observer.observe(inner);
    observer.observe(outer);
    return () => observer.disconnect();
  }, []);

  const show = (key: string, align: "center" | "auto" = "center"): boolean => {
    const index = rows.findIndex((row) => row.key === key || (row.kind === "lookups" && row.calls.some(({ id }) => id === key)));
    if (index === -1) return false;
    const row = rows[index]!;
    if (row.kind === "lookups" && row.key !== key) openRows.set(`group:${row.key}`, true);
    place(true);
    virtual.scrollToIndex(index, { align });
    return true;
  };

  // Reads back to the item that the address names, then opens and marks it. Once for each address.
  const shownTarget = useRef<string | null>(null);
  useEffect(() => {
    if (target === null || shownTarget.current === target || phase !== "ready") return;
    let isOver = false;
    void store.reach(target).then((id) => {
      if (isOver || id === null) return;
      // What was read is drawn with the next frame.
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          if (isOver) return;
          openRows.set(id, true);
          setMarked(id);
          shownTarget.current = target;
        }),
      );
    });
    return () => {
      isOver = true;
    };
  }, [target, phase, store, openRows]);
  useEffect(() => {
    if (marked !== null) show(marked);
    // oxlint-disable-next-line react/exhaustive-deps -- shown once when it is marked, not whenever a row is added
  }, [marked]);

  const toEnd = (): void => {
    place(false);
    void store.toNewest().then(() => requestAnimationFrame(() => virtual.scrollToEnd()));
  };

  const at = chosen === null ? -1 : rows.findIndex((row) => row.key === chosen);
  const walk = (by: 1 | -1): void => {
    if (rows.length === 0) return;
    const from = at === -1 ? (by === 1 ? (virtual.range?.startIndex ?? 0) - 1 : (virtual.range?.endIndex ?? rows.length - 1) + 1) : at;
    let to = Math.max(0, Math.min(rows.length - 1, from + by));
    if (rows[to]!.kind === "day") to = Math.max(0, Math.min(rows.length - 1, to + by));
    setChosen(rows[to]!.key);
    touch();
    if (to < rows.length - 1) isFollowing.current = false;
    virtual.scrollToIndex(to, { align: "auto" });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${to}"]`)?.focus({ preventScroll: true }));
  };
  const toggle = (): void => {
    const row = rows[at];
    if (row === undefined) return;
    const key = row.kind === "lookups" ? `group:${row.key}` : row.key;
    openRows.set(key, openRows.isOpen(key) !== true);
  };
  useShortcuts([
    { keys: "j", label: "Next item of the conversation", run: () => walk(1) },
    { keys: "k", label: "Item before", run: () => walk(-1) },
    { keys: "o", label: "Open or fold the item", run: toggle },
    { keys: "Enter", label: "Open or fold the item", run: toggle },
    { keys: "G", label: "To the newest", run: toEnd },
    { keys: "/", label: "Find in the conversation", run: () => setFinding(true) },
  ]);

  const fresh = (newer ?? 0) + (isAway && seen !== null ? Math.max(0, rows.length - 1 - rows.findLastIndex((row) => row.key === seen)) : 0);

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <h2 className="sr-only">Conversation</h2>
      {isFinding && <FindBar rows={rows} store={store} scroller={scroller} onShow={(key) => show(key)} onClose={() => setFinding(false)} />}
      <div
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label="Conversation"
        data-testid="conversation"
        className="min-h-0 flex-1 overflow-y-auto overscroll-contain -outline-offset-2 [overflow-anchor:none]"
        onScroll={onScroll}
        onWheel={touch}
        onTouchMove={touch}
        onPointerDown={touch}
        onKeyDown={(event) => {
          touch();
          if (!(event.ctrlKey || event.metaKey) || event.key !== "f") return;
          event.preventDefault();
          setFinding(true);
        }}
      >
        <div className="mx-auto max-w-3xl px-4 sm:px-8">
          {isLoading && (
            <div className="py-4">
              <Skeleton rows={4} className="h-20" />
            </div>
          )}
          {error !== null && phase !== "gone" && <Trouble error={error} onRetry={() => store.retry()} className="my-4" />}
          {phase === "ready" && rows.length === 0 && empty}
          {hasOlder && rows.length > 0 && (
            <p className="flex h-8 items-end justify-center text-sm text-ink-3">
              {isReadingOlder ? (
                <Spinner label="Reading what was said before" />
              ) : (
                <Button size="sm" look="quiet" onClick={() => void store.older()}>
                  Show what was said before
                </Button>
              )}
            </p>
          )}
          <ol ref={virtual.containerRef} className="relative" aria-label="What was said and done">
            {virtual.getVirtualItems().map(({ index, key }) => {
              const row = rows[index]!;
              return (
                <li
                  key={key}
                  data-index={index}
                  data-key={row.key}
                  ref={virtual.measureElement}
                  tabIndex={-1}
                  aria-setsize={-1}
                  aria-posinset={index + 1}
                  className={`absolute inset-x-0 top-0 rounded-md -outline-offset-1 ${row.key === marked ? "bg-signal-wash" : ""} ${row.key === chosen ? "outline-1 outline-moving" : ""}`}
                >
                  <Row row={row} />
                </li>
              );
            })}
          </ol>
          {newer === null && underway}
        </div>
      </div>
      {isAway && (
        <div className="pointer-events-none absolute inset-x-0 bottom-3 flex justify-center">
          <Button size="sm" className="soft-shadow pointer-events-auto rounded-full" onClick={toEnd}>
            <ArrowDown size={14} aria-hidden /> {fresh > 0 ? count(fresh, "new item") : "To the end"}
          </Button>
        </div>
      )}
    </div>
  );
}

/** A first guess, so that the bar does not jump; the real height is measured once drawn. */
function estimate(row: RowOf): number {
  switch (row.kind) {
    case "message":
      return (row.item.role === "user" ? 96 : 36) + Math.min(4_000, Math.ceil(row.item.content_md.length / 90) * 24);
    case "day":
      return 48;
    case "item":
      return row.item.type === "approval" || row.item.type === "question"
        ? 120
        : row.item.type === "plan"
          ? 60 + row.item.entries.length * 22
          : 32;
    default:
      return 32;
  }
}

function useToday(): string {
  const [today, setToday] = useState(() => dayOf(Date.now()));
  useEffect(() => {
    const timer = setInterval(() => setToday(dayOf(Date.now())), 60_000);
    return () => clearInterval(timer);
  }, []);
  return today;
}

/** What the session is at when no part of it shows that. */
export function Underway({ text }: { text: string }) {
  return (
    <p className="flex items-center gap-3 pb-4 pl-1 text-sm text-ink-2">
      <Lamp state="moving" />
      <span className="pl-1.5">{text}</span>
    </p>
  );
}

/** A starting session says what is being made; the words come from the session itself. */
export const underwayText = (session: SessionView, progress: string | null): string =>
  progress ?? (session.status === "creating" || session.status === "resuming" ? "Making the sandbox…" : "Working…");
