/*
 * Whether what is shown is still what the log says. A schedule makes the projections again in a shadow schema, at low
 * priority, and compares (eventlog/rebuild.ts); what differs is said in the organization's own stream, once:
 *
 *   agrees ── found ──► drifted (projection.drifted) ── found ──► drifted, nothing new is said
 *     ▲                    │
 *     └──── agrees ────────┘ (projection.repaired)
 *
 * Every comparison says both: a rebuild that somebody asks for repairs, and is followed by `agrees`.
 */
import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { EventLog, Origin } from "@signalbox/eventlog/log";
import type { RebuildReport } from "@signalbox/eventlog/rebuild";
import { accept, type Decider } from "@signalbox/kernel/decider";
import type pg from "pg";

type Drifted = Extract<AuditEvent, { type: "projection.drifted" }>;
type DriftEvent = Drifted | Extract<AuditEvent, { type: "projection.repaired" }>;
type DriftCommand = { readonly type: "found"; readonly data: Drifted["data"] } | { readonly type: "agrees" };
/** What drifted, or null while it agrees. An erased event still says that it did. */
type Drift = { readonly projection: string; readonly table: string } | null;

export const projectionDrift: Decider<Drift, DriftCommand, DriftEvent, never> = {
  initial: null,
  decide(state, command) {
    switch (command.type) {
      case "found":
        return state === null ? accept<DriftEvent>({ type: "projection.drifted", data: command.data }) : accept();
      case "agrees":
        return state === null ? accept() : accept<DriftEvent>({ type: "projection.repaired", data: state });
    }
  },
  evolve: (_, event) =>
    event.type === "projection.drifted" ? { projection: event.data.projection ?? "", table: event.data.table ?? "" } : null,
};

const ORIGIN: Origin = { principal: { id: "svc_drift", type: "service" } };

export interface OpenDrift {
  readonly organizationId: string;
  readonly table: string;
  readonly since: string;
}

export function createDrift(deps: {
  readonly log: EventLog;
  readonly logPool: pg.Pool;
  readonly organizations: () => Promise<readonly string[]>;
}) {
  const { log, logPool } = deps;
  const say = (organizationId: string, table: string, command: DriftCommand) =>
    log.run(
      projectionDrift,
      { organizationId, origin: ORIGIN, stream: { type: "organization", id: organizationId }, subject: `projection:${table}` },
      command,
    );

  async function open(): Promise<OpenDrift[]> {
    const { rows } = await logPool.query<{ organization_id: string; subject: string; recorded_at: Date }>(
      `select organization_id, subject, recorded_at from (
         select distinct on (organization_id, subject) organization_id, subject, type, recorded_at from evt_events
          where type in ('projection.drifted', 'projection.repaired') and import_id is null order by organization_id, subject, subject_version desc) newest
        where type = 'projection.drifted'`,
    );
    return rows.map((row) => ({
      organizationId: row.organization_id,
      table: row.subject.slice("projection:".length),
      since: row.recorded_at.toISOString(),
    }));
  }

  return {
    open,
    /** What a comparison found, of the tables that it looked at. */
    async record(reports: readonly RebuildReport[]): Promise<void> {
      const before = await open();
      for (const report of reports) {
        const found = new Set<string>();
        for (const { table, byOrganization } of report.drift) {
          for (const { organizationId, onlyLive, onlyRebuilt, keys } of byOrganization) {
            // A table without organizations is everybody's, and everybody's administrators should know.
            for (const organization of organizationId === null ? await deps.organizations() : [organizationId]) {
              found.add(`${organization} ${table}`);
              await say(organization, table, {
                type: "found",
                data: { projection: report.name, table, only_live: onlyLive, only_rebuilt: onlyRebuilt, keys: [...keys] },
              });
            }
          }
        }
        const repaired = [...before, ...(report.swapped ? await open() : [])].filter(
          ({ organizationId, table }) => report.tables.includes(table) && (report.swapped || !found.has(`${organizationId} ${table}`)),
        );
        for (const { organizationId, table } of repaired) await say(organizationId, table, { type: "agrees" });
      }
    },
  };
}
