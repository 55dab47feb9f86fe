import type { SystemView } from "@signalbox/contract/operations";
import { bytes, count, duration } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Meter } from "@signalbox/ui/meter";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { healthQuery } from "../data/queries.ts";
import { systemQuery } from "./system-query.ts";

export function Parts({ isAdmin }: { isAdmin: boolean }) {
  const { data, error, refetch } = useQuery(healthQuery);
  const system = useQuery({ ...systemQuery, enabled: isAdmin });
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={4} className="h-12" />;
  const ill = data.parts.filter(({ ok }) => !ok);
  return (
    <div className="space-y-6">
      <p className={`flex items-center gap-2.5 text-lg font-semibold ${ill.length === 0 ? "" : "text-danger-ink"}`} role="status">
        <Lamp state={ill.length === 0 ? "clear" : "danger"} />
        {ill.length === 0
          ? "Everything works"
          : `${count(ill.length, "part")} of ${data.parts.length} ${ill.length === 1 ? "does" : "do"} not work`}
      </p>
      <ul className="grid gap-px overflow-clip rounded-lg border border-line bg-line sm:grid-cols-2">
        {data.parts.map((part) => (
          <li key={part.name} className="flex items-start gap-3 bg-panel px-4 py-2.5">
            <span className="flex h-6 items-center">
              <Lamp state={part.ok ? "clear" : "danger"} size="sm" />
            </span>
            <span className="min-w-0">
              <span className="font-medium">{part.name}</span>
              <span className="sr-only">{part.ok ? " works" : " does not work"}</span>
              {part.detail !== null && <span className={`block text-sm ${part.ok ? "text-ink-2" : "text-danger-ink"}`}>{part.detail}</span>}
            </span>
          </li>
        ))}
        {data.parts.length % 2 === 1 && <li aria-hidden className="hidden bg-panel sm:block" />}
      </ul>
      {isAdmin &&
        (system.data === undefined ? (
          system.error === null ? (
            <Skeleton rows={2} className="h-24" />
          ) : (
            <Trouble error={system.error} />
          )
        ) : (
          <Machine system={system.data} />
        ))}
    </div>
  );
}

function Machine({ system }: { system: SystemView }) {
  const { memory, data_dir: dir, database, jobs, connections, load } = system;
  const used = memory.system_total_bytes - memory.system_free_bytes;
  const behind = Math.max(0, ...database.readers.map((reader) => reader.behind));
  return (
    <dl className="grid gap-px overflow-clip rounded-lg border border-line bg-line sm:grid-cols-2 wide:grid-cols-3">
      <Fact
        name="Server"
        value={bytes(memory.rss_bytes)}
        note={`Signalbox ${system.version} on Node ${system.node}, up ${duration(system.uptime_s * 1000)}`}
      />
      <Fact
        name="Machine"
        value={`${bytes(used)} of ${bytes(memory.system_total_bytes)}`}
        note={`load ${load.average_1m.toFixed(2)} on ${count(load.cpus, "core")}, ${system.platform}`}
        meter={
          <Meter
            label="Memory of the machine"
            value={used}
            max={memory.system_total_bytes}
            text={`${bytes(used)} of ${bytes(memory.system_total_bytes)}`}
          />
        }
      />
      <Fact
        name="Data directory"
        value={dir.measured_at === null ? "adding up…" : bytes(dir.bytes)}
        note={`${dir.path}${dir.free_bytes === null ? "" : `, ${bytes(dir.free_bytes)} free`}`}
      />
      <Fact
        name="Log"
        value={count(database.events, "event")}
        note={`${bytes(database.bytes)} in Postgres ${database.version}${database.embedded ? ", embedded" : ""}${behind > 0 ? `; the slowest reader is ${count(behind, "event")} behind` : ""}`}
      />
      <Fact
        name="Jobs"
        value={`${jobs.ready} ready, ${jobs.leased} running`}
        note={jobs.dead === 0 ? "none was given up" : `${jobs.dead} given up`}
        isIll={jobs.dead > 0}
      />
      <Fact
        name="Connections"
        value={count(connections.sync_sockets + connections.event_streams, "reader")}
        note={`${count(connections.sync_sockets, "live socket")}, ${count(connections.event_streams, "event stream")}; the log is followed in ${count(connections.feed_followers, "place")}`}
      />
    </dl>
  );
}

function Fact({
  name,
  value,
  note,
  meter,
  isIll = false,
}: {
  name: string;
  value: string;
  note: string;
  meter?: ReactNode;
  isIll?: boolean;
}) {
  return (
    <div className="min-w-0 bg-panel px-4 py-3">
      <dt className="plate">{name}</dt>
      <dd className="flex items-center gap-3 text-lg font-semibold tabular-nums">
        {value} {meter}
      </dd>
      <dd className={`text-sm break-words ${isIll ? "text-danger-ink" : "text-ink-2"}`}>{note}</dd>
    </div>
  );
}
