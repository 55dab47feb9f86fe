import type { EventEnvelope } from "@signalbox/contract/envelope";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { memo } from "react";
import { CopyButton } from "@signalbox/ui/copy-button";
import { useNames } from "../data/queries.ts";
import { clock } from "@signalbox/ui/format";
import { summaryOf, weightOf, type Weight } from "./summary.ts";

const DOT: Record<Weight, string> = { wants: "bg-signal lit", clear: "bg-clear", danger: "bg-danger", plain: "bg-line-strong" };

interface EventRowProps {
  event: EventEnvelope;
  isOpen: boolean;
  onToggle(eventId: string): void;
  showStream?: boolean;
}

const isToday = (at: string): boolean => new Date(at).toDateString() === new Date().toDateString();

/** One line of the register; opens to the whole event as it was recorded, with its place in the chain. */
export const EventRow = memo(function EventRow({ event, isOpen, onToggle, showStream = false }: EventRowProps) {
  return (
    <div className="border-b border-line">
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => onToggle(event.event_id)}
        className="grid w-full grid-cols-[2.5rem_0.5rem_1fr_auto] items-center gap-x-3 px-3 py-1.5 text-left text-sm -outline-offset-2 hover:bg-raised"
      >
        <span className="text-right font-mono text-plate text-ink-3">{showStream ? event.position : event.seq}</span>
        <span aria-hidden className={`size-2 rounded-full ${DOT[weightOf(event.type)]}`} />
        <span className={`flex min-w-0 items-baseline gap-x-3 ${showStream ? "" : "flex-wrap"}`}>
          <span className={`font-mono ${showStream ? "w-56 shrink-0 narrow:w-auto" : ""}`}>{event.type}</span>
          <span className="clamp-1 text-ink-2">{summaryOf(event)}</span>
        </span>
        <span className="flex items-center gap-2 text-ink-3">
          {showStream && <span className="clamp-1 max-w-40 font-mono text-plate narrow:hidden">{event.stream.type}</span>}
          <time dateTime={event.occurred_at} title={new Date(event.occurred_at).toLocaleString()} className="font-mono text-plate">
            {isToday(event.occurred_at)
              ? ""
              : `${new Date(event.occurred_at).toLocaleDateString(undefined, { day: "numeric", month: "short" })} `}
            {clock(event.occurred_at)}
          </time>
          <ChevronRight size={14} aria-hidden className={`transition-transform ${isOpen ? "rotate-90" : ""}`} />
        </span>
      </button>
      {isOpen && <Opened event={event} />}
    </div>
  );
});

function Opened({ event }: { event: EventEnvelope }) {
  const json = JSON.stringify(event, null, 2);
  const name = useNames()(event.principal.id);
  return (
    <div className="space-y-3 border-t border-line bg-sunken px-3 py-3 text-sm sm:pl-[3.75rem]">
      <dl className="grid gap-x-6 gap-y-1 font-mono text-plate sm:grid-cols-[auto_1fr]">
        <Link_ name="by" value={`${name} · ${event.principal.id} (${event.principal.type}, ${event.zone})`} />
        <Link_ name="subject" value={`${event.subject} at version ${event.subject_version}`} />
        <Link_ name="follows" value={event.prev_hash} />
        <Link_ name="hash" value={event.hash} />
      </dl>
      <p className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <Link to="/timeline" search={{ event: event.event_id }} className="underline underline-offset-2">
          Link to this entry
        </Link>
        {event.session_id !== undefined && (
          <Link
            to="/sessions/$sessionId"
            params={{ sessionId: event.session_id }}
            search={event.stream.type === "room" ? { at: event.seq } : {}}
            className="underline underline-offset-2"
          >
            The session at that moment
          </Link>
        )}
        {event.run_id !== undefined && (
          <Link to="/runs/$runId" params={{ runId: event.run_id }} className="underline underline-offset-2">
            Its run
          </Link>
        )}
        <Link to="/correlations/$correlationId" params={{ correlationId: event.correlation_id }} className="underline underline-offset-2">
          Everything of its cause
        </Link>
        <Link to="/audit" search={{ tab: "proof", event: event.event_id }} className="underline underline-offset-2">
          Prove it
        </Link>
        {event.redaction !== "full" && event.type !== "event.redacted" && (
          <Link to="/audit" search={{ tab: "redactions", event: event.event_id }} className="underline underline-offset-2">
            Erase what it says…
          </Link>
        )}
      </p>
      <div className="relative">
        <pre className="max-h-96 overflow-auto rounded-md border border-line bg-panel p-3 text-sm break-normal whitespace-pre">{json}</pre>
        <span className="absolute top-1 right-1 rounded-md bg-panel">
          <CopyButton text={json} label="Copy the event" />
        </span>
      </div>
    </div>
  );
}

function Link_({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt className="text-ink-3">{name}</dt>
      <dd className="break-all">{value}</dd>
    </>
  );
}
