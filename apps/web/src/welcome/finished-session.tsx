/* A finished session of elsewhere, as a picture that asks to be opened: there from the first second. */
import type { SessionView } from "@signalbox/contract/sessions";
import { Status } from "@signalbox/ui/badge";
import { buttonLook } from "@signalbox/ui/button";
import { count, duration, money } from "@signalbox/ui/format";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Play } from "lucide-react";
import { changedLines } from "../sessions/state.ts";
import { firstPromptOf, LANE_LOOKS, LANE_NAMES, Lifecycle, timelineQuery } from "./lifecycle.tsx";

const OUTCOME = { succeeded: "It succeeded", failed: "It failed", canceled: "It was canceled" } as const;

export function FinishedSession({ session }: { session: SessionView }) {
  const { data: timeline } = useQuery(timelineQuery(session.id));
  const lines = changedLines(session.files_changed);
  // Until the first prompt is known, the very beginning.
  const beginning = (timeline === undefined ? undefined : firstPromptOf(timeline)) ?? 1;
  const isDemo = /demo/i.test(session.model);
  return (
    <section aria-label="A finished session" className="soft-shadow overflow-clip rounded-lg border border-line bg-panel">
      <div className="border-b border-line bg-sunken px-4 pt-4 pb-3">
        {timeline === undefined ? (
          <div className="breathing h-20 rounded-md bg-panel" />
        ) : (
          <Lifecycle
            timeline={timeline}
            label={`The life of “${session.title}”: ${count(timeline.events.seq.length, "moment")}, ${count(session.tool_calls, "tool call")}`}
          />
        )}
        <ul aria-hidden className="mt-2 flex flex-wrap gap-x-3 text-plate text-ink-2">
          {LANE_NAMES.map((name, i) => (
            <li key={name} className="flex items-center gap-1">
              <span className={`size-2 rounded-sm ${LANE_LOOKS[i]}`} /> {name}
            </li>
          ))}
          <li className="flex items-center gap-1">
            <span className="h-0.5 w-3 bg-ink-2" /> Cost
          </li>
        </ul>
      </div>
      <div className="px-4 py-4">
        <h2 className="font-semibold">Watch a finished session</h2>
        <p className="mt-0.5 text-sm text-ink-2">
          “{session.title}”. Scrub through it: conversation, files, cost and decisions show as they were.
          {isDemo && " Recorded with the scripted demo, not an AI; the tools and the proof are real."}
        </p>
        <dl className="mt-3 grid grid-cols-3 gap-x-3 gap-y-2 text-sm">
          <Figure name="Outcome">
            <Status state={session.outcome === "succeeded" ? "clear" : session.outcome === "failed" ? "danger" : "dark"}>
              {session.outcome === null ? "Ended" : OUTCOME[session.outcome].replace("It ", "")}
            </Status>
          </Figure>
          <Figure name="Cost">{money(session.cost_micro_usd)}</Figure>
          <Figure name="At work">{duration(session.active_seconds * 1_000)}</Figure>
          <Figure name="Tool calls">{session.tool_calls}</Figure>
          <Figure name="Messages">{session.messages}</Figure>
          <Figure name="Changed">
            {session.files_changed.length === 0 ? (
              "nothing"
            ) : (
              <>
                <span className="text-clear-ink">+{lines.additions}</span> <span className="text-danger-ink">−{lines.deletions}</span>
              </>
            )}
          </Figure>
        </dl>
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: session.id }}
          search={{ at: beginning }}
          className={`${buttonLook({})} mt-4 w-full`}
        >
          <Play size={16} aria-hidden /> Watch it from the start
        </Link>
      </div>
    </section>
  );
}

const Figure = ({ name, children }: { name: string; children: React.ReactNode }) => (
  <div className="min-w-0">
    <dt className="plate">{name}</dt>
    <dd className="tabular-nums">{children}</dd>
  </div>
);
