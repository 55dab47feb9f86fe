import type { LedgerEvent } from "@signalbox/contract/events/ledger";
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection, Recorded } from "@signalbox/eventlog/log";

/**
 * Keeps what a session and an organization have spent. Sums are not idempotent by themselves, so
 * one statement does all four tables and takes only events above the budget's `subject_version`:
 * every part of it sees the versions as they were before.
 */
export const usageProjection: Projection<LedgerEvent> = {
  name: "ledger.usage",
  types: ["budget.set", "ledger.reserved", "ledger.settled", "ledger.released", "budget.refused"],
  // What an imported session spent shows in the session. Nothing of it is held, and it is no cost of ours: see `days`.
  imported: ["budget.set", "ledger.settled"],
  tables: ["proj_budgets", "proj_reservations", "proj_usage", "proj_usage_days"],

  async project(tx, batch) {
    if (batch.length > 0) await tx.query(STATEMENT, columns(batch));
  },
};

export const importedUsage = importProjection({
  name: "ledger.imported",
  tables: ["proj_budgets", "proj_usage"],
  end: [],
  remove: ["proj_budgets", "proj_usage"].map(
    (table) => `delete from ${table} t using import i where t.organization_id = i.organization_id and t.session_id = any(i.sessions)`,
  ),
});

const STATEMENT = `
with incoming as (
  select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[])
    as t (organization_id, session_id, version, type, at, reservation_id, model, amount, reserved, input_tokens, output_tokens, holder)
), fresh as (
  select i.* from incoming i left join proj_budgets b using (organization_id, session_id)
   where i.version > coalesce(b.subject_version, 0)
), budgets as (
  insert into proj_budgets as p (organization_id, session_id, cap, spent, overrun, calls, subject_version)
  select organization_id, session_id,
         coalesce((array_agg(amount order by version desc) filter (where type = 'budget.set'))[1], -1),
         coalesce(sum(amount) filter (where type = 'ledger.settled'), 0),
         coalesce(sum(greatest(amount - reserved, 0)) filter (where type = 'ledger.settled'), 0),
         count(*) filter (where type = 'ledger.settled'),
         max(version)
    from fresh group by organization_id, session_id
  on conflict (organization_id, session_id) do update
     set cap = case when excluded.cap < 0 then p.cap else excluded.cap end,
         spent = p.spent + excluded.spent, overrun = p.overrun + excluded.overrun, calls = p.calls + excluded.calls,
         subject_version = excluded.subject_version
), ended as (
  delete from proj_reservations r using fresh f
   where f.type in ('ledger.settled', 'ledger.released')
     and r.organization_id = f.organization_id and r.session_id = f.session_id and r.reservation_id = f.reservation_id
), held as (
  insert into proj_reservations (organization_id, session_id, reservation_id, model, amount, holder, reserved_at)
  select organization_id, session_id, reservation_id, model, amount, holder, at from fresh f
   where type = 'ledger.reserved'
     and not exists (select 1 from fresh e where e.type in ('ledger.settled', 'ledger.released')
                        and e.organization_id = f.organization_id and e.session_id = f.session_id and e.reservation_id = f.reservation_id)
), usage as (
  insert into proj_usage as p (organization_id, session_id, model, calls, cost, input_tokens, output_tokens)
  select organization_id, session_id, model, count(*), sum(amount), sum(input_tokens), sum(output_tokens)
    from fresh where type = 'ledger.settled' group by organization_id, session_id, model
  on conflict (organization_id, session_id, model) do update
     set calls = p.calls + excluded.calls, cost = p.cost + excluded.cost,
         input_tokens = p.input_tokens + excluded.input_tokens, output_tokens = p.output_tokens + excluded.output_tokens
)
insert into proj_usage_days as p (organization_id, day, model, calls, cost, input_tokens, output_tokens)
select organization_id, (at at time zone 'UTC')::date, model, count(*), sum(amount), sum(input_tokens), sum(output_tokens)
  from fresh where type = 'ledger.settled' and session_id !~ '^ses_Z' group by 1, 2, 3
on conflict (organization_id, day, model) do update
   set calls = p.calls + excluded.calls, cost = p.cost + excluded.cost,
       input_tokens = p.input_tokens + excluded.input_tokens, output_tokens = p.output_tokens + excluded.output_tokens`;

/** `amount` is the cap, the sum held or the cost, as the type says. */
interface Row {
  reservationId?: string | undefined;
  model?: string | undefined;
  amount?: number | undefined;
  reserved?: number | undefined;
  input?: number | undefined;
  output?: number | undefined;
  holder?: string | undefined;
}

function rowOf({ event }: Recorded<LedgerEvent>): Row {
  switch (event.type) {
    case "budget.set":
      return { amount: event.data.cap_micro_usd };
    case "ledger.reserved":
      return {
        reservationId: event.data.reservation_id,
        model: event.data.model,
        amount: event.data.amount_micro_usd,
        holder: event.data.holder,
      };
    case "ledger.settled": {
      const { reservation_id, model, cost_micro_usd: amount, reserved_micro_usd, usage } = event.data;
      return {
        reservationId: reservation_id,
        model,
        amount,
        reserved: reserved_micro_usd ?? amount,
        input: usage.input_tokens,
        output: usage.output_tokens,
      };
    }
    case "ledger.released":
      return { reservationId: event.data.reservation_id };
    case "budget.refused":
      return {};
  }
}

function columns(batch: readonly Recorded<LedgerEvent>[]): unknown[][] {
  const rows = batch.map((r) => ({ r, row: rowOf(r) }));
  const column = <T>(of: (entry: (typeof rows)[number]) => T) => rows.map(of);
  return [
    column(({ r }) => r.organizationId),
    column(({ r }) => r.subjectId),
    column(({ r }) => r.subjectVersion),
    column(({ r }) => r.event.type),
    column(({ r }) => r.occurredAt),
    column(({ row }) => row.reservationId ?? null),
    column(({ row }) => row.model ?? null),
    column(({ row }) => row.amount ?? 0),
    column(({ row }) => row.reserved ?? 0),
    column(({ row }) => row.input ?? 0),
    column(({ row }) => row.output ?? 0),
    column(({ row }) => row.holder ?? null),
  ];
}
