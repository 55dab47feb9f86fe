/* The inspector of one run: what it was for, what it did and how long each part took, and what can be proved of it. */
import { assignRun, cancelRun, unassignRun } from "@signalbox/contract/runs";
import { Badge, Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Duration } from "@signalbox/ui/duration";
import { Markdown } from "@signalbox/ui/markdown";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { client, isRefusal } from "../data/api.ts";
import { meQuery, useNames } from "../data/queries.ts";
import { Missing } from "../frame/crash.tsx";
import { Page } from "../frame/page.tsx";
import { Inspector } from "./inspector.tsx";
import { Attempts } from "./attempts.tsx";
import { ResolveRun } from "./resolve-run.tsx";
import { refreshRun } from "./refresh-run.ts";
import { inspectRunQuery, type Run } from "./run-queries.ts";
import { hasRunEnded, isResolvable, runLamp, runWord } from "./run-state.ts";

const route = getRouteApi("/frame/runs/$runId");

export function RunPage() {
  const { runId } = route.useParams();
  const { data, error, refetch } = useQuery(inspectRunQuery(runId));
  if (error !== null && data === undefined) {
    if (isRefusal(error, "run_not_found")) return <Missing />;
    return <Trouble error={error} onRetry={() => void refetch()} className="m-6" />;
  }
  const run = data?.runs.find(({ id }) => id === runId);
  if (data === undefined || run === undefined)
    return (
      <Page title="Run">
        <Skeleton rows={5} className="h-16" />
      </Page>
    );
  return (
    <Page title={run.title ?? "Run"} lead={<Facts run={run} />} actions={<Actions run={run} />}>
      {run.error !== null && (
        <Trouble error={Object.assign(new Error(run.error.message), { fix: `Code ${run.error.code}.` })} className="mb-4" />
      )}
      {(run.goal !== null || run.summary !== null) && (
        <div className="mb-5 grid gap-4 sm:grid-cols-2">
          {run.goal !== null && <Said label="Asked" text={run.goal} />}
          {run.summary !== null && <Said label="Answered" text={run.summary} />}
        </div>
      )}
      {run.kind === "task" && <Attempts run={run} />}
      <Inspector inspection={data} runId={runId} />
    </Page>
  );
}

function Said({ label, text }: { label: string; text: string }) {
  return (
    <section aria-label={label} className="max-h-56 min-w-0 overflow-y-auto rounded-lg border border-line bg-panel px-4 py-3">
      <h2 className="plate mb-1">{label}</h2>
      <Markdown text={text} className="text-sm" />
    </section>
  );
}

const lower = (name: string): string => (name === "You" ? "you" : name);

function Facts({ run }: { run: Run }) {
  const nameOf = useNames();
  return (
    <span className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
      <Status state={runLamp(run.status)}>{runWord(run.status)}</Status>
      <Badge>{run.kind}</Badge>
      <span>asked by {lower(nameOf(run.requested_by))}</span>
      {run.assignee !== null && <span>assigned to {lower(nameOf(run.assignee))}</span>}
      {run.claimed_by !== null && (
        <span>
          claimed by {lower(nameOf(run.claimed_by))}, attempt {run.attempt_no} of {run.max_attempts}
        </span>
      )}
      <span>
        <Timestamp at={run.created_at} />
      </span>
      {run.started_at !== null && (
        <span>
          took <Duration from={run.started_at} to={run.ended_at} />
        </span>
      )}
      {run.session_id !== null && (
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: run.session_id }}
          search={{ run: run.id }}
          className="underline underline-offset-2"
        >
          the session
        </Link>
      )}
      {run.room_id !== null && run.session_id === null && (
        <Link to="/rooms/$roomId" params={{ roomId: run.room_id }} className="underline underline-offset-2">
          the room
        </Link>
      )}
      <Link to="/correlations/$correlationId" params={{ correlationId: run.correlation_id }} className="underline underline-offset-2">
        everything of its cause
      </Link>
      <span className="flex items-center font-mono text-plate text-ink-3">
        {run.id}
        <CopyButton text={run.id} label="Copy the run's id" />
      </span>
    </span>
  );
}

function Actions({ run }: { run: Run }) {
  const { data: me } = useQuery(meQuery);
  const [isResolving, setResolving] = useState(false);
  const params = { id: run.id };
  const act = useMutation({
    mutationFn: (what: "cancel" | "take" | "give back") =>
      what === "cancel"
        ? client.call(cancelRun, { params, body: {} })
        : what === "take"
          ? client.call(assignRun, { params, body: {} })
          : client.call(unassignRun, { params, body: {} }),
    onSuccess: () => refreshRun(run.id),
    onError: (error) => toast(error.message, "danger"),
  });
  const isMine = me !== undefined && run.assignee === me.principal.id;
  return (
    <div className="flex flex-wrap items-center gap-2">
      {isResolvable(run.status) && (
        <Button look="solid" onClick={() => setResolving(true)}>
          Resolve…
        </Button>
      )}
      {!hasRunEnded(run.status) && (
        <Button look="danger" busy={act.isPending} onClick={() => act.mutate("cancel")}>
          Cancel the run
        </Button>
      )}
      {isMine ? (
        <Button busy={act.isPending} onClick={() => act.mutate("give back")}>
          Give it back
        </Button>
      ) : (
        run.assignee === null &&
        (!hasRunEnded(run.status) || isResolvable(run.status)) && (
          <Button busy={act.isPending} onClick={() => act.mutate("take")}>
            Assign it to me
          </Button>
        )
      )}
      {isResolving && <ResolveRun runId={run.id} onClose={() => setResolving(false)} />}
    </div>
  );
}
