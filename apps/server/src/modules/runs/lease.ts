/*
 * Leases of claimed task runs: rows of `run_leases` (specs/lease.md).
 *
 *   take ── guarded upsert: only when there is no live lease; epoch + 1 ──► held
 *   held ── extend (token and epoch match, not expired, run still open) ──► held, until now + TTL
 *   held ── TTL passes, or end ──► free to take
 *
 * The upsert is what makes one winner: Postgres lets one of any number of takers see an expired
 * row. A taker that dies before it appended `run.claimed` leaves a lease that nobody can use and
 * that expires like any other; the epoch it took is never used again.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { sql } from "kysely";
import type { Database } from "../../module.ts";
import type { Lease } from "./run-command.ts";

/** Tokens are 256 random bits, so one round of sha256 is enough to store them by. */
export const claimTokenHash = (token: string): string => `sha256:${createHash("sha256").update(token).digest("hex")}`;

export interface LeaseRow extends Lease {
  readonly tokenHash: string;
}

export interface Candidate {
  readonly id: string;
  readonly roomId: string | null;
  readonly epoch: number;
}

/** Task runs that nobody holds: never claimed ones first, then lost and released ones; oldest first. */
export async function candidates(
  db: Database,
  organizationId: string,
  of: { roomId?: string | undefined; rooms: readonly string[] | null; now: string },
): Promise<Candidate[]> {
  const rooms = of.rooms === null ? null : [...of.rooms];
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ id: string; room_id: string | null; epoch: string }>`
      select r.id, r.room_id, r.epoch
        from proj_runs r left join run_leases l on l.organization_id = r.organization_id and l.run_id = r.id
       where r.kind = 'task' and r.status in ('queued', 'claimed', 'running')
         and (l.expires_at is null or l.expires_at <= ${of.now}::timestamptz)
         and (${of.roomId ?? null}::text is null or r.room_id = ${of.roomId ?? null})
         and (${rooms}::text[] is null or r.room_id = any(${rooms}::text[]))
       order by r.attempt_no > 0, r.created_at, r.id limit 100`.execute(tx),
  );
  return rows.map((row) => ({ id: row.id, roomId: row.room_id, epoch: Number(row.epoch) }));
}

/** The new epoch, or null when somebody else was quicker. `epoch`: the last one that the log knows. */
export async function takeLease(
  db: Database,
  organizationId: string,
  of: { runId: string; epoch: number; tokenHash: string; by: string; now: string; expiresAt: string },
): Promise<number | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ epoch: string }>`
      insert into run_leases as l (organization_id, run_id, epoch, token_hash, claimed_by, expires_at)
      values (${organizationId}, ${of.runId}, ${of.epoch + 1}, ${of.tokenHash}, ${of.by}, ${of.expiresAt}::timestamptz)
      on conflict (organization_id, run_id) do update
         set epoch = greatest(l.epoch + 1, excluded.epoch), token_hash = excluded.token_hash, claimed_by = excluded.claimed_by, expires_at = excluded.expires_at
       where l.expires_at <= ${of.now}::timestamptz
      returning l.epoch`.execute(tx),
  );
  return rows[0] === undefined ? null : Number(rows[0].epoch);
}

/** True when the lease was live, is this one's, and its run is still open. */
export async function extendLease(
  db: Database,
  organizationId: string,
  of: { runId: string; epoch: number; tokenHash: string; now: string; expiresAt: string },
): Promise<boolean> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ one: number }>`
      update run_leases l set expires_at = ${of.expiresAt}::timestamptz
       where l.run_id = ${of.runId} and l.epoch = ${of.epoch} and l.token_hash = ${of.tokenHash} and l.expires_at > ${of.now}::timestamptz
         and exists (select 1 from proj_runs r where r.organization_id = l.organization_id and r.id = l.run_id and r.status in ('claimed', 'running'))
      returning 1 as one`.execute(tx),
  );
  return rows.length === 1;
}

/** Makes the run claimable at once. Harmless when the lease is somebody else's by now. */
export async function endLease(db: Database, organizationId: string, of: { runId: string; epoch: number; now: string }): Promise<void> {
  await db.inOrganization(organizationId, (tx) =>
    sql`update run_leases set expires_at = ${of.now}::timestamptz where run_id = ${of.runId} and epoch = ${of.epoch} and expires_at > ${of.now}::timestamptz`.execute(
      tx,
    ),
  );
}

export async function findLease(db: Database, organizationId: string, runId: string): Promise<LeaseRow | null> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{
      epoch: string;
      token_hash: string;
      expires_at: Date;
    }>`select epoch, token_hash, expires_at from run_leases where run_id = ${runId}`.execute(tx),
  );
  const row = rows[0];
  return row === undefined ? null : { epoch: Number(row.epoch), tokenHash: row.token_hash, expiresAt: row.expires_at.toISOString() };
}

export const sameHash = (a: string, b: string): boolean => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
