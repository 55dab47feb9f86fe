/* Every run there is: turns of sessions, automations, tasks that engines claim. */
import { Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { Duration } from "@signalbox/ui/duration";
import { Empty } from "@signalbox/ui/placeholder";
import { Select } from "@signalbox/ui/select";
import { Table, type Column } from "@signalbox/ui/table";
import { Timestamp } from "@signalbox/ui/timestamp";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Plus, Waypoints } from "lucide-react";
import { useState } from "react";
import { useNames } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { PageSearch } from "../frame/page-search.tsx";
import { NewTask } from "./new-task.tsx";
import { runsQuery, type Run, type RunFilter } from "./run-queries.ts";
import { RUN_STATUSES, runLamp, runWord } from "./run-state.ts";

const route = getRouteApi("/frame/runs");
const KIND: Record<Run["kind"], string> = { turn: "Turn", automation: "Automation", task: "Task" };

const COLUMNS: readonly Column<Run>[] = [
  {
    key: "run",
    header: "Run",
    isName: true,
    cell: (run) => (
      <Link to="/runs/$runId" params={{ runId: run.id }} className="block min-w-0 hover:underline">
        <span className="line-clamp-2 font-medium">{run.title ?? run.goal ?? run.id}</span>
      </Link>
    ),
  },
  {
    key: "state",
    header: "State",
    className: "whitespace-nowrap",
    cell: (run) => <Status state={runLamp(run.status)}>{runWord(run.status)}</Status>,
  },
  { key: "kind", header: "Kind", cell: (run) => <span className="text-sm text-ink-2">{KIND[run.kind]}</span> },
  {
    key: "who",
    header: "Who",
    cell: (run) => <Who run={run} />,
  },
  {
    key: "took",
    header: "Took",
    align: "end",
    cell: (run) =>
      run.started_at === null ? (
        <span className="text-ink-3">–</span>
      ) : (
        <Duration from={run.started_at} to={run.ended_at} className="text-sm tabular-nums" />
      ),
  },
  {
    key: "when",
    header: "When",
    align: "end",
    sortable: true,
    cell: (run) => (
      <span className="text-sm whitespace-nowrap text-ink-3">
        <Timestamp at={run.created_at} />
      </span>
    ),
  },
];

function Who({ run }: { run: Run }) {
  const nameOf = useNames();
  return <span className="text-sm whitespace-nowrap text-ink-2">{nameOf(run.claimed_by ?? run.assignee ?? run.requested_by)}</span>;
}

export function RunsPage() {
  const filter = route.useSearch();
  const navigate = useNavigate();
  const [isAsking, setAsking] = useState(false);
  const list = useInfiniteQuery(runsQuery(filter));
  const set = (change: RunFilter): void =>
    void navigate({ to: "/runs", search: (previous) => ({ ...previous, ...change }), replace: true });
  const isFiltered = filter.q !== undefined || filter.status !== undefined || filter.session !== undefined || filter.room !== undefined;

  return (
    <Page
      title="Runs"
      lead="One execution each, with an objective: a turn of a session, or a task that an engine claims."
      actions={
        <Button onClick={() => setAsking(true)}>
          <Plus size={16} aria-hidden /> New task
        </Button>
      }
    >
      <div className="mb-4 flex flex-wrap items-center gap-2">
        <PageSearch
          label="Search runs"
          value={filter.q ?? ""}
          onChange={(q) => set({ q: q === "" ? undefined : q })}
          className="w-72 narrow:w-full"
        />
        <Select
          aria-label="State"
          small
          className="w-44"
          options={[{ value: "", label: "Any state" }, ...RUN_STATUSES.map((status) => ({ value: status, label: runWord(status) }))]}
          value={filter.status ?? ""}
          onChange={(status) => set({ status: status === "" ? undefined : status })}
        />
        {(filter.session !== undefined || filter.room !== undefined) && (
          <Button size="sm" onClick={() => set({ session: undefined, room: undefined })}>
            Of all {filter.session === undefined ? "rooms" : "sessions"}
          </Button>
        )}
      </div>
      <Table
        caption="Runs"
        columns={COLUMNS}
        rows={list.data}
        rowKey={(run) => run.id}
        error={list.error}
        onRetry={() => void list.refetch()}
        sort={{ key: "when", direction: filter.sort === "oldest" ? "ascending" : "descending" }}
        onSort={({ direction }) => set({ sort: direction === "ascending" ? "oldest" : undefined })}
        more={{ hasMore: list.hasNextPage, isLoading: list.isFetchingNextPage, onMore: () => void list.fetchNextPage() }}
        empty={
          isFiltered ? (
            <Empty icon={<Waypoints size={32} />} title="No run is like that">
              <Button onClick={() => set({ q: undefined, status: undefined, session: undefined, room: undefined })}>Show all runs</Button>
            </Empty>
          ) : (
            <Empty icon={<Waypoints size={32} />} title="No runs yet">
              Each message to an agent becomes one, and so does each task that an engine may claim.
            </Empty>
          )
        }
      />
      {isAsking && <NewTask roomId={null} onClose={() => setAsking(false)} />}
    </Page>
  );
}
