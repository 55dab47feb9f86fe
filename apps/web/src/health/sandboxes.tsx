import type { SystemView } from "@signalbox/contract/operations";
import { Status } from "@signalbox/ui/badge";
import { bytes } from "@signalbox/ui/format";
import { Meter } from "@signalbox/ui/meter";
import { Empty } from "@signalbox/ui/placeholder";
import { Table, type Column } from "@signalbox/ui/table";
import { Timestamp } from "@signalbox/ui/timestamp";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Container } from "lucide-react";
import { systemQuery } from "./system-query.ts";

type Sandbox = SystemView["sandboxes"][number];

function Of({ label, value, max, format }: { label: string; value: number | null; max: number | null; format(n: number): string }) {
  if (value === null) return <span className="text-ink-3">–</span>;
  const text = max === null ? format(value) : `${format(value)} of ${format(max)}`;
  return (
    <span className="inline-flex items-center gap-2 text-sm whitespace-nowrap tabular-nums" title={text}>
      {format(value)}
      {max !== null && <Meter label={label} value={value} max={max} text={text} />}
    </span>
  );
}

const COLUMNS: readonly Column<Sandbox>[] = [
  {
    key: "session",
    header: "Session",
    isName: true,
    cell: (sandbox) =>
      sandbox.session_id === null ? (
        <span className="font-mono text-sm">{sandbox.id}</span>
      ) : (
        <Link to="/sessions/$sessionId" params={{ sessionId: sandbox.session_id }} className="font-medium hover:underline">
          {sandbox.session_title ?? sandbox.session_id}
        </Link>
      ),
  },
  { key: "state", header: "State", cell: ({ alive }) => <Status state={alive ? "clear" : "dark"}>{alive ? "Alive" : "Stopped"}</Status> },
  { key: "provider", header: "Provider", cell: ({ provider }) => <span className="text-sm text-ink-2">{provider}</span> },
  {
    key: "memory",
    header: "Memory",
    cell: (one) => <Of label="Memory" value={one.memory_bytes} max={one.memory_limit_bytes} format={bytes} />,
  },
  { key: "processes", header: "Processes", cell: (one) => <Of label="Processes" value={one.pids} max={one.pids_limit} format={String} /> },
  { key: "disk", header: "Disk", cell: (one) => <Of label="Disk" value={one.disk_bytes} max={one.disk_limit_bytes} format={bytes} /> },
  {
    key: "since",
    header: "Since",
    align: "end",
    cell: ({ started_at }) => (started_at === null ? "–" : <Timestamp at={started_at} className="text-sm text-ink-3" />),
  },
];

/** What each of them takes, against what it may take. */
export function Sandboxes() {
  const { data, error, refetch } = useQuery(systemQuery);
  return (
    <Table
      caption="Sandboxes"
      columns={COLUMNS}
      rows={data?.sandboxes}
      rowKey={(sandbox) => sandbox.id}
      error={error}
      onRetry={() => void refetch()}
      empty={
        <Empty icon={<Container size={32} />} title="No sandbox is alive">
          One is made when a session begins to work, and ends with it.
        </Empty>
      }
    />
  );
}
