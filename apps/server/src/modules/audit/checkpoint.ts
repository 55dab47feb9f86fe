/*
 * A checkpoint vouches for everything up to a position: a signed note over the Merkle root of the
 * heads of all streams of one organization. Whoever kept one can tell later that nothing before it
 * was changed, dropped or cut off.
 */
import type { CheckpointView } from "@signalbox/contract/log";
import { checkpointText, signedNote } from "@signalbox/verify/note";
import { hashText } from "@signalbox/verify/primitives";
import type pg from "pg";
import type { z } from "zod";
import { headsAt, type Page } from "./heads.ts";
import { recordFirstKey, signerOf } from "./key-ring.ts";
import type { SigningKeys } from "./signing-key.ts";

export type Checkpoint = z.infer<typeof CheckpointView>;

/**
 * Signs what stands now. Returns the newest checkpoint when nothing was appended since. `pool`
 * connects as `sb_log`.
 *
 * One at a time for an organization, over all processes: of two who write the same pages the later could not serialize,
 * and with another that signed on and on it gave up after five tries.
 */
export async function checkpoint(pool: pg.Pool, keys: SigningKeys, organizationId: string, now: string): Promise<Checkpoint | null> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    // Of the session, not of the transaction: its snapshot must be taken behind the lock.
    await client.query(`select pg_advisory_lock(${SIGNING}, hashtext($1))`, [organizationId]);
    try {
      return await signNow(pool, client, keys, organizationId, now);
    } finally {
      await client.query(`select pg_advisory_unlock(${SIGNING}, hashtext($1))`, [organizationId]);
    }
  } catch (error) {
    // The connection may have the lock still, and gives it back when it is closed.
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}

const SIGNING = 5927086;

async function signNow(
  pool: pg.Pool,
  client: pg.PoolClient,
  keys: SigningKeys,
  organizationId: string,
  now: string,
): Promise<Checkpoint | null> {
  try {
    // One snapshot for heads and position: an append between two reads would sign heads that the position does not cover.
    await client.query("begin isolation level repeatable read");
    const newestBefore = await newestOf(client, organizationId);
    const position = await positionAfter(client, organizationId, newestBefore === null ? 0 : Number(newestBefore.position));
    if (position !== null) {
      const { count, rootHash, pages } = await headsAt(pool, client, organizationId, position);
      // In the same snapshot: whoever was handed the log at or before this position signs it.
      const { key, sign } = await signerOf(client, organizationId, keys);
      await recordFirstKey(client, organizationId, key, now);
      const text = checkpointText({ origin: key.name, streams: count, rootHash, position, time: now });
      await keepPages(client, organizationId, pages);
      await client.query(
        `insert into audit_checkpoints (organization_id, position, streams, root_hash, key_id, note, pages, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
        [
          organizationId,
          position,
          count,
          hashText(rootHash),
          key.id,
          signedNote(text, key, sign(text)),
          pages.map(({ hash }) => hash),
          now,
        ],
      );
    }
    const newest = position === null ? newestBefore : await newestOf(client, organizationId);
    await client.query("commit");
    return newest === null ? null : checkpointView(newest);
  } catch (error) {
    // A connection that is gone has rolled back by itself; what went wrong first is what counts.
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

/**
 * Writes what is not there yet. Which pages are, the database is asked each time: what a transaction wrote that was rolled
 * back would else be taken for kept.
 */
async function keepPages(client: pg.ClientBase, organizationId: string, pages: readonly Page[]): Promise<void> {
  const { rows } = await client.query<{ n: string }>(
    `select n from unnest($2::bytea[]) with ordinality as wanted (hash, n)
      where not exists (select 1 from audit_head_pages p where p.organization_id = $1 and p.hash = wanted.hash)`,
    [organizationId, pages.map(({ hash }) => hash)],
  );
  const missing = rows.map(({ n }) => pages[Number(n) - 1]!);
  if (missing.length === 0) return;
  await client.query(
    `insert into audit_head_pages (organization_id, hash, heads)
     select $1, hash, heads from unnest($2::bytea[], $3::text[]) as page (hash, heads) on conflict do nothing`,
    [organizationId, missing.map(({ hash }) => hash), missing.map(({ heads }) => heads)],
  );
}

async function newestOf(client: pg.ClientBase, organizationId: string): Promise<CheckpointRow | null> {
  const { rows } = await client.query<CheckpointRow>(
    `select ${CHECKPOINT_COLUMNS} from audit_checkpoints where organization_id = $1 order by position desc limit 1`,
    [organizationId],
  );
  return rows[0] ?? null;
}

/**
 * Of the organization's own last event behind `position`; null when there is none. Only what was appended since is looked
 * at: the last of all was found by reading the whole log, 10 ms for 10,000 events and more with every one.
 */
async function positionAfter(client: pg.ClientBase, organizationId: string, position: number): Promise<number | null> {
  const { rows } = await client.query<{ position: string | null }>(
    "select max(position) as position from evt_events where position > $2 and organization_id = $1 and import_id is null",
    [organizationId, position],
  );
  return rows[0]?.position == null ? null : Number(rows[0].position);
}

export const CHECKPOINT_COLUMNS = "position, streams, root_hash, key_id, note, created_at";
export interface CheckpointRow {
  readonly position: string;
  readonly streams: number;
  readonly root_hash: string;
  readonly key_id: string;
  readonly note: string;
  readonly created_at: Date;
}
export const checkpointView = (row: CheckpointRow): Checkpoint => ({
  position: Number(row.position),
  streams: row.streams,
  root_hash: row.root_hash,
  key_id: row.key_id,
  note: row.note,
  created_at: row.created_at.toISOString(),
});
