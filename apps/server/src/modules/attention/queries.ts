/* Reads of the list, as one person sees it: in rooms they are in, decided by those who may decide. */
import type { AttentionKind } from "@signalbox/contract/attention";
import { type Kysely, type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";

export interface Viewer {
  readonly organizationId: string;
  readonly principalId: string;
  readonly isAdmin: boolean;
  /** Null: every room of the organization. */
  readonly rooms: readonly string[] | null;
  /** Rooms in which they may decide; null: every one. Empty: nowhere. */
  readonly deciding: readonly string[] | null;
  /** They may decide what is in no room. */
  readonly maySettle: boolean;
}

export interface ItemRow {
  id: string;
  kind: AttentionKind;
  subject_id: string;
  room_id: string | null;
  session_id: string | null;
  session_title: string | null;
  run_id: string | null;
  title: string | null;
  detail: string | null;
  opened_at: Date;
  closed_at: Date | null;
  outcome: string | null;
  dismissed_at: Date | null;
}

/** What was done longer ago is in the log. */
const DONE_DAYS = 30;
const byTime = z.tuple([z.iso.datetime(), z.string()]);

const array = (ids: readonly string[] | null): RawBuilder<unknown> => sql`${ids === null ? null : [...ids]}::text[]`;

/** Runs that work, said nothing for so long, and wait for nobody. */
const stuck = (v: Viewer, before: string): RawBuilder<unknown> => sql`
  select 'run_stuck:' || r.run_id || '.' || e.position as id, 'run_stuck' as kind, r.run_id as subject_id, r.room_id, r.session_id, r.run_id, r.requested_by as for_principal,
         r.title, null::text as detail, e.recorded_at as opened_at, null::timestamptz as closed_at, null::text as outcome
    from proj_attention_runs r
    cross join lateral (select position, recorded_at from evt_events e where e.organization_id = r.organization_id and e.run_id = r.run_id order by position desc limit 1) e
   where r.is_active and e.recorded_at < ${before}::timestamptz and (${v.isAdmin} or r.requested_by = ${v.principalId})
     and not exists (select from proj_attention a where a.organization_id = r.organization_id and a.closed_at is null and a.session_id = r.session_id and a.kind in ('approval', 'question', 'environment_request'))`;

const items = (v: Viewer, stuckBefore: string): RawBuilder<unknown> => sql`
  select i.*, s.title as session_title, d.dismissed_at
    from (select id, kind, subject_id, room_id, session_id, run_id, for_principal, title, detail, opened_at, closed_at, outcome from proj_attention
          union all ${stuck(v, stuckBefore)}) i
    left join proj_attention_sessions s on s.session_id = i.session_id
    left join attention_dismissals d on d.principal_id = ${v.principalId} and d.item_id = i.id
   where (${array(v.rooms)} is null or i.room_id is null or i.room_id = any(${array(v.rooms)}))
     and case
           when i.kind in ('approval', 'invocation_unknown')
             then case when i.room_id is null then ${v.maySettle} else ${array(v.deciding)} is null or i.room_id = any(${array(v.deciding)}) end
           when i.kind in ('run_failed', 'run_needs_human', 'run_stuck', 'session_failed') then ${v.isAdmin} or i.for_principal = ${v.principalId}
           when i.kind = 'projection_drifted' then ${v.isAdmin}
           else true
         end`;

export interface ListOptions {
  readonly state: "open" | "done";
  readonly kind?: AttentionKind | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly stuckBefore: string;
}

/** Throws `InvalidCursor`. */
export async function listItems(db: Database, v: Viewer, of: ListOptions) {
  const after = decodeCursor(of.cursor, byTime);
  const at = of.state === "open" ? sql`opened_at` : sql`coalesce(closed_at, dismissed_at)`;
  const state =
    of.state === "open"
      ? sql`closed_at is null and dismissed_at is null`
      : sql`(closed_at > now() - make_interval(days => ${DONE_DAYS}) or (closed_at is null and dismissed_at is not null))`;
  const { rows, counts } = await db.inOrganization(v.organizationId, async (tx) => {
    const page = await sql<ItemRow & { sorted_at: Date }>`
      select *, ${at} as sorted_at from (${items(v, of.stuckBefore)}) x
       where ${state} and (${of.kind ?? null}::text is null or kind = ${of.kind ?? null}::text)
         and (${after?.[0] ?? null}::timestamptz is null or (${at}, id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
       order by ${at} desc, id desc limit ${of.limit + 1}`.execute(tx);
    return { rows: page.rows, counts: await countOpen(tx, v, of.stuckBefore) };
  });
  return {
    ...pageOf(
      rows,
      of.limit,
      (row) => row,
      (row) => [row.sorted_at.toISOString(), row.id],
    ),
    counts,
  };
}

async function countOpen(tx: Kysely<Record<string, never>>, v: Viewer, stuckBefore: string): Promise<ReadonlyMap<AttentionKind, number>> {
  const { rows } = await sql<{ kind: AttentionKind; n: number }>`
    select kind, count(*)::int as n from (${items(v, stuckBefore)}) x where closed_at is null and dismissed_at is null group by kind order by kind`.execute(
    tx,
  );
  return new Map(rows.map(({ kind, n }) => [kind, n]));
}

export async function findItems(db: Database, v: Viewer, ids: readonly string[], stuckBefore: string): Promise<ItemRow[]> {
  const { rows } = await db.inOrganization(v.organizationId, (tx) =>
    sql<ItemRow>`select * from (${items(v, stuckBefore)}) x where id = any(${[...ids]}::text[])`.execute(tx),
  );
  return rows;
}

export async function dismiss(db: Database, v: Viewer, ids: readonly string[], now: string): Promise<void> {
  if (ids.length === 0) return;
  await db.inOrganization(v.organizationId, (tx) =>
    sql`insert into attention_dismissals (organization_id, principal_id, item_id, dismissed_at)
        select ${v.organizationId}, ${v.principalId}, id, ${now}::timestamptz from unnest(${[...ids]}::text[]) as i (id) on conflict do nothing`.execute(
      tx,
    ),
  );
}

export async function restore(db: Database, v: Viewer, id: string): Promise<void> {
  await db.inOrganization(v.organizationId, (tx) =>
    sql`delete from attention_dismissals where principal_id = ${v.principalId} and item_id = ${id}`.execute(tx),
  );
}
