/* Keeps `proj_terminals`. An erased opening leaves no row: it would not say whose session it was. */
import type { TerminalEvent } from "@signalbox/contract/events/workbench";
import type { Projection } from "@signalbox/eventlog/log";

export const terminalsProjection: Projection<TerminalEvent> = {
  name: "terminals",
  types: ["terminal.opened", "terminal.closed"],
  tables: ["proj_terminals"],

  async project(tx, batch) {
    const opened = batch.flatMap((r) =>
      r.event.type === "terminal.opened" && r.redaction !== "full"
        ? [
            {
              organization_id: r.organizationId,
              id: r.subjectId,
              session_id: r.event.data.session_id,
              room_id: r.stream.id,
              cols: r.event.data.cols,
              rows: r.event.data.rows,
              created_by: r.event.data.by,
              created_at: r.occurredAt,
            },
          ]
        : [],
    );
    if (opened.length > 0)
      await tx.query(
        "insert into proj_terminals select * from jsonb_populate_recordset(null::proj_terminals, $1::jsonb) on conflict (organization_id, id) do nothing",
        [JSON.stringify(opened)],
      );
    const closed = batch.flatMap((r) =>
      r.event.type === "terminal.closed"
        ? [
            {
              organization_id: r.organizationId,
              id: r.subjectId,
              closed_at: r.occurredAt,
              reason: r.event.data.reason ?? "closed",
              exit_code: r.event.data.exit_code ?? null,
              signal: r.event.data.signal ?? null,
            },
          ]
        : [],
    );
    if (closed.length > 0)
      await tx.query(
        `update proj_terminals t set closed_at = c.closed_at, reason = c.reason, exit_code = c.exit_code, signal = c.signal
           from jsonb_to_recordset($1::jsonb) as c (organization_id text, id text, closed_at timestamptz, reason text, exit_code int, signal text)
          where t.organization_id = c.organization_id and t.id = c.id and t.closed_at is null`,
        [JSON.stringify(closed)],
      );
  },
};
