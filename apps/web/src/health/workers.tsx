import type { Output } from "@signalbox/contract/route";
import type { listWorkers } from "@signalbox/contract/operations";
import { Status } from "@signalbox/ui/badge";
import { CopyButton } from "@signalbox/ui/copy-button";
import type { LampState } from "@signalbox/ui/lamp";
import { Empty } from "@signalbox/ui/placeholder";
import { Table, type Column } from "@signalbox/ui/table";
import { Timestamp } from "@signalbox/ui/timestamp";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Cpu } from "lucide-react";
import { workersQuery } from "./system-query.ts";

type Worker = Output<typeof listWorkers>["items"][number];
const STATE: Record<Worker["state"], { lamp: LampState; word: string }> = {
  live: { lamp: "clear", word: "Live" },
  late: { lamp: "danger", word: "Late" },
  gone: { lamp: "dark", word: "Gone" },
};

const COLUMNS: readonly Column<Worker>[] = [
  { key: "name", header: "Engine", isName: true, cell: (worker) => <span className="font-medium">{worker.name}</span> },
  { key: "state", header: "State", cell: ({ state }) => <Status state={STATE[state].lamp}>{STATE[state].word}</Status> },
  { key: "beat", header: "Last heartbeat", cell: (worker) => <Timestamp at={worker.last_heartbeat_at} className="text-sm text-ink-2" /> },
  {
    key: "works",
    header: "Works on",
    cell: ({ leases }) =>
      leases.length === 0 ? (
        <span className="text-sm text-ink-3">nothing</span>
      ) : (
        <span className="text-sm">
          {leases.map(({ run_id, title }) => (
            <Link key={run_id} to="/runs/$runId" params={{ runId: run_id }} className="block underline underline-offset-2">
              {title ?? run_id}
            </Link>
          ))}
        </span>
      ),
  },
  { key: "done", header: "Completed", align: "end", cell: (worker) => <span className="tabular-nums">{worker.completed}</span> },
  { key: "failed", header: "Failed", align: "end", cell: (worker) => <span className="tabular-nums">{worker.failed}</span> },
];
const COMMAND = "signalbox engine";

/** Engines that claimed tasks, wherever they run. */
export function Workers() {
  const { data, error, refetch } = useQuery(workersQuery);
  return (
    <Table
      caption="Engines"
      columns={COLUMNS}
      rows={data?.items}
      rowKey={(worker) => worker.principal_id}
      error={error}
      onRetry={() => void refetch()}
      empty={
        <Empty icon={<Cpu size={32} />} title="No engine has claimed anything yet">
          <p>An engine claims tasks and works on them where it runs: a desktop, a build machine, a server.</p>
          <p className="mt-3 flex items-center justify-center gap-1 font-mono text-sm">
            {COMMAND} <CopyButton text={COMMAND} label="Copy the command" />
          </p>
        </Empty>
      }
    />
  );
}
