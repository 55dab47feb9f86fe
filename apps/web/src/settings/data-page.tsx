import { bytes } from "@signalbox/ui/format";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { systemQuery } from "../health/system-query.ts";
import { ExportLog } from "./data/export-log.tsx";
import { ImportedLogs } from "./data/imported-logs.tsx";
import { ImportLog } from "./data/import-log.tsx";
import { Panel } from "./panel.tsx";

export function DataPage() {
  const { data: me } = useQuery(meQuery);
  if (me === undefined) return null;
  const isAdmin = (me.role === "admin" || me.role === "owner") && me.scopes.includes("admin");
  return (
    <Page title="Data" lead="What the box keeps, and how it gets out and in.">
      {isAdmin ? (
        <div className="space-y-5">
          <Panel title="Export">
            <ExportLog />
          </Panel>
          <Panel title="Import">
            <div className="space-y-4">
              <ImportLog />
              <ImportedLogs />
            </div>
          </Panel>
          <Storage />
        </div>
      ) : (
        <p className="rounded-md border border-line bg-sunken px-3.5 py-3 text-ink-2">
          Exports hold every room, and what is kept is the operator's: both are for admins. Your role here is {me.role}.
        </p>
      )}
    </Page>
  );
}

function Storage() {
  const { data: system, error, refetch } = useQuery(systemQuery);
  return (
    <Panel title="Kept on this machine">
      {error !== null && system === undefined && <Trouble error={error} onRetry={() => void refetch()} />}
      {system === undefined && error === null && <Skeleton rows={2} className="h-8" />}
      {system !== undefined && (
        <dl className="grid gap-x-8 gap-y-3 text-sm sm:grid-cols-3">
          <div className="min-w-0 sm:col-span-3">
            <dt className="plate">Data directory</dt>
            <dd className="flex items-center gap-1 font-mono">
              <span className="min-w-0 wrap-anywhere">{system.data_dir.path}</span>
              <CopyButton text={system.data_dir.path} label="Copy the path" />
            </dd>
          </div>
          <Size name="All of it" size={system.data_dir.bytes}>
            {system.data_dir.measured_at !== null && (
              <>
                added up <Timestamp at={system.data_dir.measured_at} />
              </>
            )}
          </Size>
          <Size name="Database" size={system.database.bytes}>
            {system.database.events.toLocaleString()} events
          </Size>
          {system.data_dir.free_bytes !== null && (
            <Size name="Free on the disk" size={system.data_dir.free_bytes}>
              {null}
            </Size>
          )}
        </dl>
      )}
      <p className="mt-4 border-t border-line pt-4 text-sm text-ink-2">
        <strong className="font-semibold text-ink">To back up</strong>,{" "}
        {system?.database.embedded === false ? (
          <>
            use your Postgres' own tools, and copy <code className="font-mono">blobs/</code>, <code className="font-mono">forge/</code>,{" "}
            <code className="font-mono">sandboxes/</code> and <code className="font-mono">keys/</code>.
          </>
        ) : (
          "stop the server and copy the data directory."
        )}{" "}
        An export is evidence, not a backup.
      </p>
    </Panel>
  );
}

function Size({ name, size, children }: { name: string; size: number; children: React.ReactNode }) {
  return (
    <div>
      <dt className="plate">{name}</dt>
      <dd className="text-base font-medium tabular-nums">{bytes(size)}</dd>
      <dd className="text-ink-3">{children}</dd>
    </div>
  );
}
