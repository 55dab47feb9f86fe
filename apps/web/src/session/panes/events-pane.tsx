/* The session's own register: its room's stream, newest first, live. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { Button } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { Skeleton } from "@signalbox/ui/placeholder";
import { SearchInput } from "@signalbox/ui/search-input";
import { ToggleGroup } from "@signalbox/ui/segmented-control";
import { Trouble } from "@signalbox/ui/trouble";
import { Link } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { FAMILIES, familyOf, summaryOf, type Family } from "../../events/summary.ts";
import { VerifyButton } from "../../events/verify-button.tsx";
import { EventsList } from "./events/events-list.tsx";
import { usePaneEvents } from "./events/pane-events.ts";
import type { PaneProps } from "./panes.ts";

/** The organization's own events are in another stream. */
const KINDS = (Object.entries(FAMILIES) as [Family, { label: string }][])
  .filter(([name]) => name !== "organization" && name !== "money")
  .map(([value, { label }]) => ({ value, label }));

export function EventsPane({ session: { room_id: roomId }, conversation, at }: PaneProps) {
  const { events, phase, error, hasEarlier, isReading, loadEarlier, retry } = usePaneEvents(roomId, conversation);
  const [kinds, setKinds] = useState<Family[]>([]);
  const [words, setWords] = useState("");
  const isNarrowed = kinds.length > 0 || words !== "";
  const shown = useMemo(() => {
    const wanted = words.toLowerCase();
    return !isNarrowed
      ? events
      : events.filter((event) => (kinds.length === 0 || kinds.includes(familyOf(event.type))) && (wanted === "" || has(event, wanted)));
  }, [events, kinds, words, isNarrowed]);

  // What one looks for may be far back: it is read to the beginning while one looks.
  useEffect(() => {
    if (isNarrowed && hasEarlier && !isReading && error === null) loadEarlier();
  }, [isNarrowed, hasEarlier, isReading, error, loadEarlier]);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="shrink-0 space-y-2 border-b border-line px-3 py-2">
        <div className="flex flex-wrap items-center gap-2">
          <SearchInput label="Search the events" value={words} onChange={setWords} className="min-w-40 flex-1" />
          <VerifyButton streams={[`room:${roomId}`]} compact />
          <Link to="/timeline" search={{ stream: `room:${roomId}` }} className="py-1 text-sm text-moving-ink underline underline-offset-2">
            Open in the timeline
          </Link>
        </div>
        <ToggleGroup label="Kinds of events" segments={KINDS} values={kinds} onChange={setKinds} />
      </div>
      {error !== null && <Trouble error={error} onRetry={phase === "failed" ? retry : loadEarlier} className="m-4" />}
      {phase === "loading" && (
        <div className="p-4">
          <Skeleton rows={8} className="h-7" />
        </div>
      )}
      {phase === "ready" && (
        <>
          {isNarrowed && (
            <p role="status" className="shrink-0 border-b border-line px-3 py-1 text-sm text-ink-2">
              {shown.length === 0 && !hasEarlier ? "No event like that." : count(shown.length, "event")}
              {hasEarlier && ` so far, back to event ${events.at(-1)?.seq.toLocaleString()}`}
            </p>
          )}
          <EventsList events={shown} at={at} onNearEnd={hasEarlier && error === null && !isReading ? loadEarlier : null} />
          {error !== null && hasEarlier && (
            <div className="border-t border-line p-2 text-center">
              <Button size="sm" onClick={loadEarlier}>
                Earlier
              </Button>
            </div>
          )}
        </>
      )}
    </div>
  );
}

const texts = new WeakMap<EventEnvelope, string>();
/** In its type, in the line about it, or anywhere in what it carries. */
function has(event: EventEnvelope, words: string): boolean {
  let text = texts.get(event);
  if (text === undefined) {
    text = `${event.type} ${event.seq} ${event.event_id} ${event.subject} ${summaryOf(event)} ${JSON.stringify(event.data)}`.toLowerCase();
    texts.set(event, text);
  }
  return text.includes(words);
}
