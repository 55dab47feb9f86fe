/*
 * The ring of keys that sync tokens are signed with, shared by every gateway through the database and sealed with the
 * installation's master key.
 *
 *   newest ──older than a day, when the next token is signed──► another is made; both verify
 *   no longer the newest for an hour ──► dropped: no token lives longer than 15 minutes
 *
 * A name that a process does not know makes it read the ring again, at most once a second: another one may have made
 * a key a moment ago.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "@signalbox/kernel/clock";
import type pg from "pg";
import type { Sealer } from "../secrets/public.ts";

const ROTATE_MS = 24 * 3600_000;
const KEEP_MS = 3600_000;
const REREAD_MS = 1000;

export interface TokenKeys {
  current(): Promise<{ readonly kid: string; readonly key: Buffer }>;
  /** Null: there is no such key, or not any more. */
  named(kid: string): Promise<Buffer | null>;
}

interface Row {
  kid: string;
  sealed: Buffer;
  master_version: number;
  master_id: string;
  created_at: Date;
}
interface Key {
  readonly kid: string;
  readonly key: Buffer;
  readonly madeMs: number;
}

const placeOf = (kid: string): string => `feed token key ${kid}`;

export function createTokenKeys({ pool, sealer, clock }: { pool: pg.Pool; sealer: Sealer; clock: Clock }): TokenKeys {
  /** Newest first. */
  let ring: readonly Key[] = [];
  let readMs = -Infinity;
  let reading: Promise<void> | undefined;

  async function readRing(): Promise<void> {
    const { rows } = await pool.query<Row>(
      "select kid, sealed, master_version, master_id, created_at from feed_token_keys order by created_at desc, kid",
    );
    const opened = await Promise.all(
      rows.map(async (row) => {
        const key = await sealer.unseal({ version: row.master_version, id: row.master_id }, placeOf(row.kid), row.sealed);
        return key === null ? null : { kid: row.kid, key, madeMs: row.created_at.getTime() };
      }),
    );
    ring = opened.filter((key) => key !== null);
    readMs = clock.nowMs();
  }
  const reread = (): Promise<void> => (reading ??= readRing().finally(() => (reading = undefined)));

  const isFresh = (key: Key | undefined): key is Key => key !== undefined && clock.nowMs() - key.madeMs < ROTATE_MS;

  async function make(): Promise<void> {
    const kid = randomBytes(6).toString("hex");
    const { master, sealed } = await sealer.seal(placeOf(kid), randomBytes(32));
    const now = clock.nowMs();
    // Of two gateways that find the newest too old at once each may make one: both are good.
    await pool.query("insert into feed_token_keys (kid, sealed, master_version, master_id, created_at) values ($1, $2, $3, $4, $5)", [
      kid,
      sealed,
      master.version,
      master.id,
      new Date(now),
    ]);
    await pool.query(
      `delete from feed_token_keys k where created_at < $1
          and exists (select from feed_token_keys n where n.created_at > k.created_at and n.created_at < $2)`,
      [new Date(now - ROTATE_MS), new Date(now - KEEP_MS)],
    );
    await readRing();
  }

  return {
    async current() {
      if (!isFresh(ring[0])) await reread();
      if (!isFresh(ring[0])) await make();
      return ring[0]!;
    },
    async named(kid) {
      const find = (): Buffer | undefined => ring.find((one) => one.kid === kid)?.key;
      if (find() === undefined && Math.abs(clock.nowMs() - readMs) >= REREAD_MS) await reread();
      return find() ?? null;
    },
  };
}
