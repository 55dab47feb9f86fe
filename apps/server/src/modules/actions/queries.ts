/* Reads of the invocations. `rooms` limits what is seen to those rooms (null: all). */
import type { InvocationStatus, InvocationView } from "@signalbox/contract/gate";
import { type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";

export type InvocationRecord = z.input<typeof InvocationView>;
/** With what only the server needs. */
export interface StoredInvocation {
  readonly view: InvocationRecord;
  readonly roomId: string | null;
  readonly executingAt: string | null;
}
export interface InvocationFilter {
  readonly sessionId?: string | undefined;
  readonly status?: InvocationStatus | undefined;
  readonly rooms?: readonly string[] | null | undefined;
}

interface Row {
  id: string;
  status: InvocationStatus;
  action: string;
  title: string;
  risk: InvocationRecord["risk"];
  params: InvocationRecord["params"];
  target: InvocationRecord["target"];
  call_hash: string;
  room_id: string | null;
  session_id: string | null;
  run_id: string | null;
  approval_id: string | null;
  requested_by: string;
  decision: InvocationRecord["decision"];
  reason_code: string;
  result: InvocationRecord["result"];
  error_code: string | null;
  error_message: string | null;
  created_at: Date;
  executing_at: Date | null;
  ended_at: Date | null;
}
const INVOCATION = sql`id, status, action, title, risk, params, target, call_hash, room_id, session_id, run_id, approval_id, requested_by, decision, reason_code,
  result, error_code, error_message, created_at, executing_at, ended_at from proj_invocations`;

const byTime = z.tuple([z.iso.datetime(), z.string()]);

export async function findInvocation(db: Database, organizationId: string, id: string): Promise<StoredInvocation | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) => sql<Row>`select ${INVOCATION} where id = ${id}`.execute(tx));
  return rows[0] === undefined ? null : stored(rows[0]);
}

/** Newest first. Throws `InvalidCursor`. */
export async function findInvocations(
  db: Database,
  organizationId: string,
  filter: InvocationFilter,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(cursor, byTime);
  const where: RawBuilder<unknown>[] = [sql`true`];
  if (filter.sessionId !== undefined) where.push(sql`session_id = ${filter.sessionId}`);
  if (filter.status !== undefined) where.push(sql`status = ${filter.status}`);
  if (filter.rooms) where.push(sql`(room_id is null or room_id = any(${[...filter.rooms]}::text[]))`);
  if (after !== null) where.push(sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]})`);
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<Row>`select ${INVOCATION} where ${sql.join(where, sql` and `)} order by created_at desc, id desc limit ${limit + 1}`.execute(tx),
  );
  return pageOf(
    rows,
    limit,
    (row) => stored(row).view,
    (row) => [row.created_at.toISOString(), row.id],
  );
}

/** What the limits of a session look at, and the same call when it is not over. */
export async function sessionLoad(
  db: Database,
  organizationId: string,
  of: { sessionId: string; callHash: string; since: string },
): Promise<{ recent: number; pending: number; same: StoredInvocation | null }> {
  return db.inOrganization(organizationId, async (tx) => {
    const counts = await sql<{ recent: string; pending: string }>`
      select count(*) filter (where created_at > ${of.since}::timestamptz) as recent, count(*) filter (where status = 'pending') as pending
        from proj_invocations where session_id = ${of.sessionId} and (created_at > ${of.since}::timestamptz or status = 'pending')`.execute(
      tx,
    );
    const same = await sql<Row>`
      select ${INVOCATION} where session_id = ${of.sessionId} and call_hash = ${of.callHash} and status in ('pending', 'approved', 'executing', 'unknown')
       order by created_at desc limit 1`.execute(tx);
    return {
      recent: Number(counts.rows[0]?.recent ?? 0),
      pending: Number(counts.rows[0]?.pending ?? 0),
      same: same.rows[0] === undefined ? null : stored(same.rows[0]),
    };
  });
}

export async function idsByStatus(db: Database, organizationId: string, statuses: readonly InvocationStatus[]): Promise<string[]> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ id: string }>`select id from proj_invocations where status = any(${[...statuses]}::text[]) order by created_at, id`.execute(tx),
  );
  return rows.map((row) => row.id);
}

const stored = ({ room_id, executing_at, error_code, error_message, ...row }: Row): StoredInvocation => ({
  roomId: room_id,
  executingAt: executing_at?.toISOString() ?? null,
  view: {
    ...row,
    error: error_code === null ? null : { code: error_code, message: error_message ?? "" },
    created_at: row.created_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
  },
});
