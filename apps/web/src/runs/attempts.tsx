import { listAttempts } from "@signalbox/contract/runs";
import { Duration } from "@signalbox/ui/duration";
import { Disclosure } from "@signalbox/ui/disclosure";
import { count } from "@signalbox/ui/format";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { client } from "../data/api.ts";
import { useNames } from "../data/queries.ts";
import type { Run } from "./run-queries.ts";

const ENDED = {
  released: "gave it back",
  lease_expired_reclaimed: "fell silent, so its lease ran out",
  completed: "completed it",
  failed: "failed",
  canceled: "was canceled",
} as const;

/** Who claimed a task, and how each attempt ended. A turn of a session is nobody's to claim. */
export function Attempts({ run }: { run: Run }) {
  const nameOf = useNames();
  const { data, error } = useQuery({
    queryKey: ["run", run.id, "attempts", run.epoch, run.status],
    queryFn: ({ signal }) => client.call(listAttempts, { params: { id: run.id }, signal }),
    enabled: run.attempt_no > 0,
    placeholderData: (previous) => previous,
  });
  if (error !== null) return <Trouble error={error} className="mb-4" />;
  if (run.attempt_no === 0 || data === undefined) return null;
  return (
    <Disclosure
      className="mb-4"
      defaultOpen={data.items.length > 1}
      summary={
        <span className="text-sm">
          {count(data.items.length, "attempt")} of at most {run.max_attempts}
        </span>
      }
    >
      <ol aria-label="Attempts" className="divide-y divide-line rounded-lg border border-line bg-panel text-sm">
        {data.items.map((attempt) => (
          <li key={`${attempt.attempt_no} ${attempt.epoch}`} className="flex flex-wrap items-baseline gap-x-4 px-4 py-2">
            <span className="font-medium tabular-nums">{attempt.attempt_no}.</span>
            <span className="min-w-0 flex-1 basis-48">
              {nameOf(attempt.claimed_by)} {attempt.end_reason === null ? "works on it" : ENDED[attempt.end_reason]}
            </span>
            <Duration from={attempt.claimed_at} to={attempt.ended_at} className="text-ink-2 tabular-nums" />
            <span className="text-ink-3">
              <Timestamp at={attempt.claimed_at} />
            </span>
          </li>
        ))}
      </ol>
    </Disclosure>
  );
}
