/* Reads of the inbox. `rooms` limits what is seen to those rooms (null: all). */
import type { ApprovalStatus, ApprovalView } from "@signalbox/contract/approvals";
import type { ApprovalScope } from "@signalbox/contract/events/approvals";
import type { CallHash, RunId, SessionId } from "@signalbox/contract/primitives";
import type { Json } from "@signalbox/kernel/canonical";
import { type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";
import { type Call, covers } from "./approval.ts";

export type ApprovalRecord = z.input<typeof ApprovalView>;

export interface ApprovalFilter {
  readonly status?: ApprovalStatus | "open" | undefined;
  readonly roomId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly rooms?: readonly string[] | null | undefined;
}

interface Row {
  id: string;
  status: ApprovalStatus;
  action: string;
  title: string;
  target: ApprovalRecord["target"];
  params: ApprovalRecord["params"];
  request: ApprovalRecord["request"];
  call_hash: string;
  room_id: string | null;
  session_id: string | null;
  run_id: string | null;
  invocation_id: string | null;
  requested_by: string;
  on_behalf_of: string | null;
  held_by: string | null;
  decided_by: string | null;
  decided_at: Date | null;
  reason: string | null;
  scope: ApprovalScope | null;
  used_by: string | null;
  requested_at: Date;
  expires_at: Date;
}
const APPROVAL = sql`id, status, action, title, target, params, request, call_hash, room_id, session_id, run_id, invocation_id, requested_by, on_behalf_of,
  held_by, decided_by, decided_at, reason, scope, used_by, requested_at, expires_at from proj_approvals`;

const byTime = z.tuple([z.iso.datetime(), z.string()]);

export async function findApproval(db: Database, organizationId: string, id: string): Promise<ApprovalRecord | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) => sql<Row>`select ${APPROVAL} where id = ${id}`.execute(tx));
  return rows[0] === undefined ? null : view(rows[0]);
}

export async function viewApprovals(
  db: Database,
  organizationId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ApprovalRecord>> {
  if (ids.length === 0) return new Map();
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<Row>`select ${APPROVAL} where id = any(${[...ids]}::text[])`.execute(tx),
  );
  return new Map(rows.map((row) => [row.id, view(row)]));
}

/** Newest first. Throws `InvalidCursor`. */
export async function findApprovals(
  db: Database,
  organizationId: string,
  filter: ApprovalFilter,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(cursor, byTime);
  const where: RawBuilder<unknown>[] = [sql`true`];
  if (filter.status === "open") where.push(sql`status in ('pending', 'held')`);
  else if (filter.status !== undefined) where.push(sql`status = ${filter.status}`);
  if (filter.roomId !== undefined) where.push(sql`room_id = ${filter.roomId}`);
  if (filter.sessionId !== undefined) where.push(sql`session_id = ${filter.sessionId}`);
  if (filter.rooms) where.push(sql`(room_id is null or room_id = any(${[...filter.rooms]}::text[]))`);
  if (after !== null) where.push(sql`(requested_at, id) < (${after[0]}::timestamptz, ${after[1]})`);
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<Row>`select ${APPROVAL} where ${sql.join(where, sql` and `)} order by requested_at desc, id desc limit ${limit + 1}`.execute(tx),
  );
  return pageOf(rows, limit, view, (row) => [row.requested_at.toISOString(), row.id]);
}

export async function countOpenBySession(
  db: Database,
  organizationId: string,
  sessionIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ session_id: string; n: string }>`
      select session_id, count(*) as n from proj_approvals
       where session_id = any(${[...sessionIds]}::text[]) and status in ('pending', 'held') group by session_id`.execute(tx),
  );
  return new Map(rows.map((row) => [row.session_id, Number(row.n)]));
}

/** The answer that speaks for this call, if one was given, still holds and is not spent: the narrowest first. */
export async function findCovering(
  db: Database,
  organizationId: string,
  call: Call & { roomId?: string | null | undefined },
  now: string,
): Promise<{ approvalId: string } | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{
      id: string;
      scope: ApprovalScope;
      action: string;
      target: Json;
      call_hash: CallHash;
      session_id: SessionId | null;
      run_id: RunId | null;
      room_id: string | null;
    }>`
      select id, scope, action, target, call_hash, session_id, run_id, room_id from proj_approvals
       where action = ${call.action} and status = 'approved' and used_by is null and expires_at > ${now}::timestamptz
         and (call_hash = ${call.callHash} or scope <> 'once')
       order by scope = 'once' desc, decided_at desc limit 50`.execute(tx),
  );
  const found = rows.find(
    (row) =>
      (row.scope !== "room" || row.room_id === (call.roomId ?? null)) &&
      covers(
        { scope: row.scope, action: row.action, target: row.target, callHash: row.call_hash, sessionId: row.session_id, runId: row.run_id },
        call,
      ),
  );
  return found === undefined ? null : { approvalId: found.id };
}

const view = ({ used_by, ...row }: Row): ApprovalRecord => ({
  ...row,
  call_hash: row.call_hash,
  used: used_by !== null,
  decided_at: row.decided_at?.toISOString() ?? null,
  requested_at: row.requested_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
});
