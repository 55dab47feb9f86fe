/* The conversation, windowed, staying at its end while one is there and still while one reads above. */
import type { SessionView } from "@signalbox/contract/sessions";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { isDeferred } from "../sessions/state.ts";
import { Button } from "@signalbox/ui/button";
import { Lamp } from "@signalbox/ui/lamp";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { entries, type Conversation, type Entry } from "./conversation.ts";
import { EntryRow } from "./entry-row.tsx";
import type { ConversationView as State } from "./conversation-store.ts";

/** How close to the end still counts as being there. */
const NEAR_END_PX = 80;
/** A scroll this soon after wheel, touch, key or press was the reader's; any other is rows settling to their heights. */
const INTENT_MS = 800;

interface ConversationViewProps {
  session: SessionView;
  state: State;
  /** The approval that the keys of the page answer. */
  keyedApproval: string | null;
  onRetry(): void;
}

export function ConversationView({ session, state, keyedApproval, onRetry }: ConversationViewProps) {
  const { conversation, phase, error } = state;
  const shown = useMemo(() => entries(conversation), [conversation]);
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const touchedAt = useRef(-Infinity);
  const [isAway, setAway] = useState(false);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimate(shown[index]!),
    overscan: 8,
    getItemKey: (index) => shown[index]!.key,
  });
  const height = virtual.getTotalSize();

  const touch = (): void => void (touchedAt.current = performance.now());
  const toEnd = (): void => {
    isAtEnd.current = true;
    setAway(false);
    const element = scroller.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  };
  useLayoutEffect(() => {
    if (isAtEnd.current) toEnd();
  }, [height, conversation]);
  useEffect(() => {
    // Rows settle to their real heights after the first draw.
    if (phase === "ready" && isAtEnd.current) requestAnimationFrame(toEnd);
  }, [phase]);

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label="Conversation"
        className="min-h-0 flex-1 overflow-y-auto -outline-offset-2 [overflow-anchor:none]"
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          const near = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
          if (!near && performance.now() - touchedAt.current > INTENT_MS) return;
          isAtEnd.current = near;
          setAway(!near);
        }}
        onWheel={touch}
        onTouchMove={touch}
        onKeyDown={touch}
        onPointerDown={touch}
      >
        <div className="mx-auto max-w-3xl px-4 py-4 sm:px-8">
          {phase === "loading" && shown.length === 0 && <Skeleton rows={3} className="h-20" />}
          {error !== null && <Trouble error={error} onRetry={onRetry} className="mb-4" />}
          {phase === "ready" && shown.length === 0 && (
            <p className="py-12 text-center text-ink-2">
              Nothing was said yet.{" "}
              {session.status === "creating" && !isDeferred(session) ? "The sandbox is being made." : "Give the agent its task below."}
            </p>
          )}
          <ol className="relative" style={{ height }}>
            {virtual.getVirtualItems().map((row) => {
              const entry = shown[row.index]!;
              return (
                <li
                  key={row.key}
                  data-index={row.index}
                  ref={virtual.measureElement}
                  className="absolute inset-x-0 top-0"
                  style={{ transform: `translateY(${row.start}px)` }}
                >
                  <EntryRow
                    entry={entry}
                    isQueued={isQueued(entry, conversation, session)}
                    hasKeys={entry.item?.type === "approval" && entry.item.approval_id === keyedApproval}
                  />
                </li>
              );
            })}
          </ol>
          <Underway conversation={conversation} session={session} />
        </div>
      </div>
      {isAway && (
        <div className="absolute inset-x-0 bottom-3 flex justify-center">
          <Button size="sm" className="soft-shadow rounded-full" onClick={toEnd}>
            <ArrowDown size={14} aria-hidden /> To the end
          </Button>
        </div>
      )}
    </div>
  );
}

/** A first guess, so that the bar does not jump; the real height is measured once drawn. */
function estimate(entry: Entry): number {
  if (entry.item === null) return 48;
  switch (entry.item.type) {
    case "message":
      return 60 + Math.ceil(entry.item.content_md.length / 90) * 24;
    case "approval":
      return 320;
    case "plan":
      return 60 + entry.item.entries.length * 22;
    default:
      return 32;
  }
}

/** Said while the agent was busy, and not begun yet. */
function isQueued({ item }: Entry, conversation: Conversation, session: SessionView): boolean {
  if (item?.type !== "message" || item.role !== "user" || item.run_id === null) return false;
  return (
    !conversation.startedRuns.has(item.run_id) &&
    !conversation.endedRuns.has(item.run_id) &&
    session.current_run !== null &&
    session.current_run.id !== item.run_id
  );
}

/** What the session is at when no part of it shows that. */
function Underway({ conversation, session }: { conversation: Conversation; session: SessionView }) {
  if (conversation.parts.length > 0 || session.pending_approvals > 0) return null;
  const starting = (session.status === "creating" && !isDeferred(session)) || session.status === "resuming";
  if (!starting && (session.status !== "running" || session.current_run === null)) return null;
  const text = conversation.progress ?? (starting ? "Making the sandbox…" : "Working…");
  return (
    <p className="flex items-center gap-3 py-2 pl-1 text-sm text-ink-2">
      <Lamp state="moving" />
      <span className="pl-1.5">{text}</span>
    </p>
  );
}
