/*
 * Rings of keys that this installation signs with, shared by its processes through the database and sealed with its
 * master key. A ring rotates while everything goes on:
 *
 *   newest ──older than `rotateMs` when the next signature is made, or told to──► another is made; both verify
 *   another ──two seconds later, when every process has read of it──► signs
 *   no longer the newest for `keepMs` ──► dropped: nothing that was signed with it lives longer
 *
 * What a process knows of a ring is at most a second old whenever it is asked: so a key that is dropped verifies nothing
 * a second later. A key that it does not know it looks for in the database, by a read that began after it was asked: the
 * first key of all, and the one that stays when the others are dropped, sign at once. Reads do not pile up: whoever comes
 * while one is under way waits for the next, together.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "@signalbox/kernel/clock";
import type pg from "pg";
import type { Sealer } from "./modules/secrets/public.ts";

export interface RingOptions {
  /** A name for ever: keys are sealed to it. */
  readonly name: string;
  readonly rotateMs: number;
  /** Longer than anything that is signed with one is good for. */
  readonly keepMs: number;
}

export interface RingKey {
  readonly kid: string;
  /** 32 bytes. */
  readonly key: Buffer;
  readonly madeMs: number;
}

export interface KeyRing {
  readonly name: string;
  current(): Promise<RingKey>;
  /** Null: there is no such key, or not any more. */
  named(kid: string): Promise<Buffer | null>;
  /** Newest first. */
  all(): Promise<readonly RingKey[]>;
  /** Makes another one now. `drop`: what was signed with those before ends within a second. */
  rotate(options?: { readonly drop?: boolean }): Promise<RingKey>;
}

export interface RingDeps {
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

interface Row {
  kid: string;
  sealed: Buffer;
  master_version: number;
  master_id: string;
  created_at: Date;
}

const FRESH_MS = 1000;
const KNOWN_EVERYWHERE_MS = 2000;

/** Whoever began that read hears of it. */
const ignoreFailed = (): void => undefined;

export function createKeyRing({ pool, sealer, clock }: RingDeps, { name, rotateMs, keepMs }: RingOptions): KeyRing {
  /** Newest first. */
  let ring: readonly RingKey[] = [];
  let readMs = { real: -Infinity, clock: -Infinity };
  let reading: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const placeOf = (kid: string): string => `${name} key ${kid}`;

  async function readRing(): Promise<void> {
    const at = { real: performance.now(), clock: clock.nowMs() };
    const { rows } = await pool.query<Row>(
      "select kid, sealed, master_version, master_id, created_at from key_rings where ring = $1 order by created_at desc, kid",
      [name],
    );
    const known = new Map(ring.map((key) => [key.kid, key]));
    const opened = await Promise.all(
      rows.map(async (row): Promise<RingKey | null> => {
        const before = known.get(row.kid);
        if (before !== undefined) return before;
        const key = await sealer.unseal({ version: row.master_version, id: row.master_id }, placeOf(row.kid), row.sealed);
        return key === null ? null : { kid: row.kid, key, madeMs: row.created_at.getTime() };
      }),
    );
    // One that was slow tells of an older ring than one that overtook it.
    if (at.real < readMs.real) return;
    ring = opened.filter((key) => key !== null);
    readMs = at;
  }
  /** Resolves once a read is over that began no earlier than now. */
  async function reread(): Promise<void> {
    if (reading !== undefined) {
      next ??= reading.then(ignoreFailed, ignoreFailed).then(() => {
        next = undefined;
        return begin();
      });
      return next;
    }
    return begin();
  }
  const begin = (): Promise<void> => (reading = readRing().finally(() => (reading = undefined)));
  const fresh = async (): Promise<void> => {
    // By either: a clock may be set back.
    if (performance.now() - readMs.real >= FRESH_MS || Math.abs(clock.nowMs() - readMs.clock) >= FRESH_MS) await reread();
  };

  async function make(drop: boolean): Promise<RingKey> {
    const kid = randomBytes(6).toString("hex");
    const { master, sealed } = await sealer.seal(placeOf(kid), randomBytes(32));
    const now = clock.nowMs();
    // Of two processes that find the newest too old at once each may make one: both are good.
    await pool.query("insert into key_rings (ring, kid, sealed, master_version, master_id, created_at) values ($1, $2, $3, $4, $5, $6)", [
      name,
      kid,
      sealed,
      master.version,
      master.id,
      new Date(now),
    ]);
    if (drop) await pool.query("delete from key_rings where ring = $1 and kid <> $2", [name, kid]);
    else
      await pool.query(
        `delete from key_rings k where ring = $1
            and exists (select from key_rings n where n.ring = k.ring and n.created_at > k.created_at and n.created_at < $2)`,
        [name, new Date(now - keepMs)],
      );
    await readRing();
    return ring.find((key) => key.kid === kid) ?? ring[0]!;
  }

  return {
    name,
    async current() {
      await fresh();
      const newest = ring[0];
      if (newest === undefined) return make(false);
      if (clock.nowMs() - newest.madeMs >= rotateMs) await make(false);
      return ring.find(({ madeMs }) => clock.nowMs() - madeMs >= KNOWN_EVERYWHERE_MS) ?? ring.at(-1)!;
    },
    async named(kid) {
      const asked = performance.now();
      await fresh();
      const found = ring.find((one) => one.kid === kid);
      if (found !== undefined || readMs.real >= asked) return found?.key ?? null;
      await reread();
      return ring.find((one) => one.kid === kid)?.key ?? null;
    },
    async all() {
      await fresh();
      return ring;
    },
    rotate: ({ drop = false } = {}) => make(drop),
  };
}
