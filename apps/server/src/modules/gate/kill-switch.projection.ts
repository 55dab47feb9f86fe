import type { Projection } from "@signalbox/eventlog/log";
import type { KillSwitchEvent } from "./kill-switch.ts";

/** Keeps `proj_kill_switch`, one row per organization that ever used it. */
export const killSwitchState: Projection<KillSwitchEvent> = {
  name: "gate.kill_switch",
  types: ["kill_switch.engaged", "kill_switch.released"],
  tables: ["proj_kill_switch"],

  async project(tx, batch) {
    // Only the last change of an organization matters. Its epoch is its version: also when its data was erased.
    const rows = new Map(
      batch.map((r) => [
        r.organizationId,
        {
          organization_id: r.organizationId,
          engaged: r.event.type === "kill_switch.engaged",
          epoch: r.subjectVersion,
          by: (r.event.data as { by?: string }).by ?? r.principal.id,
          reason: r.event.type === "kill_switch.engaged" ? r.event.data.reason : null,
          since: r.occurredAt,
        },
      ]),
    );
    await tx.query(
      `insert into proj_kill_switch as p select * from jsonb_populate_recordset(null::proj_kill_switch, $1::jsonb)
       on conflict (organization_id) do update
          set engaged = excluded.engaged, epoch = excluded.epoch, by = excluded.by, reason = excluded.reason, since = excluded.since
        where p.epoch < excluded.epoch`,
      [JSON.stringify([...rows.values()])],
    );
  },
};
