/* A tiny domain for the log's own tests: a counter that counts, refuses, and can be poisoned. */
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";
import type { Origin, Projection, StreamRef, UnitOptions } from "./log.ts";
import type { ProjectionSchema } from "./rebuild.ts";

export type CounterEvent =
  | { type: "counter.added"; data: { by: number; note?: string | undefined } }
  | { type: "counter.refused"; data: { by: number } };

export type CounterCommand =
  | { type: "add"; by: number; note?: string | undefined }
  /** Refused above the limit, with an event that records it when asked. */
  | { type: "add_up_to"; by: number; limit: number; record?: boolean };

export const counter: Decider<{ total: number; refused: number }, CounterCommand, CounterEvent, { code: "over_limit" }> = {
  initial: { total: 0, refused: 0 },
  decide(state, command) {
    switch (command.type) {
      case "add":
        return accept<CounterEvent>({ type: "counter.added", data: { by: command.by, note: command.note } });
      case "add_up_to":
        if (state.total + command.by <= command.limit) return accept<CounterEvent>({ type: "counter.added", data: { by: command.by } });
        return command.record === true
          ? refuse({ code: "over_limit" as const }, { type: "counter.refused" as const, data: { by: command.by } })
          : refuse({ code: "over_limit" as const });
      default:
        return unreachable(command);
    }
  },
  evolve(state, event) {
    switch (event.type) {
      case "counter.added":
        return { ...state, total: state.total + event.data.by };
      case "counter.refused":
        return { ...state, refused: state.refused + 1 };
      default:
        return unreachable(event);
    }
  },
};

export const POISON = 666;

export const COUNTER_SCHEMA = `
create table proj_counters (
  organization_id text not null,
  id              text primary key,
  total           bigint not null check (total < ${POISON}),
  subject_version bigint not null
);
alter table proj_counters enable row level security;
create policy organization on proj_counters using (organization_id = current_setting('signalbox.organization_id', true));
`;

/** Refuses (by a check of its table) a total of 666 and more: the poisonous command. */
export const counterTotals: Projection<CounterEvent> = {
  name: "counters.totals",
  types: ["counter.added"],
  tables: ["proj_counters"],
  async project(tx, batch) {
    const sums = new Map<string, { organizationId: string; id: string; by: number; version: number }>();
    for (const { event, organizationId, subject, subjectVersion } of batch) {
      if (event.type !== "counter.added") continue;
      const key = `${organizationId}/${subject}`;
      sums.set(key, { organizationId, id: key, by: (sums.get(key)?.by ?? 0) + event.data.by, version: subjectVersion });
    }
    const rows = [...sums.values()];
    await tx.query(
      `insert into proj_counters as p (organization_id, id, total, subject_version)
       select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
       on conflict (id) do update set total = p.total + excluded.total, subject_version = excluded.subject_version
         where p.subject_version < excluded.subject_version`,
      [rows.map((r) => r.organizationId), rows.map((r) => r.id), rows.map((r) => r.by), rows.map((r) => r.version)],
    );
  },
};

export const counterSchema: ProjectionSchema = { name: "counters", sql: COUNTER_SCHEMA, projections: [counterTotals] };
export const COUNTER_PROJECTIONS = counterSchema.projections;

export const ORG = "ws_dev";
export const room = (name: string): StreamRef => ({ type: "room", id: `room_${name}` });
export const origin: Origin = { principal: { id: "usr_test", type: "user" } };

export const target = (subject: string, stream: StreamRef = room("a"), more: Partial<UnitOptions> = {}) => ({
  organizationId: ORG,
  origin,
  stream,
  subject: `counter:${subject}`,
  ...more,
});

export const add = (by: number, note?: string): CounterCommand => ({ type: "add", by, note });
