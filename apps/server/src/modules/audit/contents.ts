/*
 * Contents whose owner is gone (an event or import that was erased, an upload that never became an event, an archive
 * that was written anew, a process that died before it appended) are taken out of the store.
 *
 *   in the store ── looked through ──► known to be named ◄──────────────┐
 *                        │                    │ its event was erased     │ an event, archive or anchor names it
 *                        └──────► unnamed ◄───┘                          │
 *                                   │ for the whole grace period: the log is read, newest first ──┘
 *                                   └── row locked ─► looked for once more ─► erased ─► row gone
 *
 * A writer puts before it names, so what nobody names yet is not an orphan until the grace period is over. One that puts
 * the same content again takes the row away before the content has its name (`pardoning` in blobs.ts), and waits for that row while
 * it is locked: content is never erased between a put and the event after it. What was erased here and killed before the
 * commit is erased again by the next run, which changes nothing.
 */
import type { Blobs } from "@signalbox/providers/blob/port";
import type pg from "pg";
import type { Deps } from "../../module.ts";
import { HASH_PATTERN, TELL_ONLY } from "./content-names.ts";

export interface ContentsDeps extends Pick<Deps, "clock" | "logger"> {
  /** Connects as `sb_log`. */
  readonly logPool: pg.Pool;
  readonly blobs: Blobs;
  /** Hours that content may lie without anything that names it; null: for ever. Default null. */
  readonly contentGraceH?: number | null | undefined;
  /** Contents in one statement; default 500. */
  readonly contentPage?: number | undefined;
  /** Crash points of tests. */
  readonly atContents?: ((step: "listed" | "judged" | "erased") => void | Promise<void>) | undefined;
}

/** Of one look through the store. */
export interface Collection {
  readonly at: string;
  readonly contents: number;
  readonly bytes: number;
  /** Nothing names them yet, or any more: waiting for the grace period. */
  readonly unnamed: number;
  readonly collected: number;
  readonly collectedBytes: number;
  /** What puts that died left beside the contents. */
  readonly drafts: number;
}

const HOUR_MS = 3_600_000;
/** Positions of the log in one statement. */
const STRETCH = 20_000;
/** By an archive or an anchor, which are asked directly. */
const HELD = 0;

export function createContents(deps: ContentsDeps) {
  const { logPool, blobs, clock, logger } = deps;
  const page = deps.contentPage ?? 500;
  const graceMs = (deps.contentGraceH ?? 0) * HOUR_MS;
  let last: Collection | null = null;
  let failed: { at: string; reason: string } | null = null;
  const total = { collected: 0, collectedBytes: 0 };

  /** Every content has a row. */
  async function list(signal: AbortSignal): Promise<{ contents: number; bytes: number }> {
    const found = { contents: 0, bytes: 0 };
    let seen: { organizationId: string; sha256: string; sizeBytes: number }[] = [];
    const flush = async (): Promise<void> => {
      signal.throwIfAborted();
      await logPool.query(
        `insert into content_watch (organization_id, sha256, bytes, unnamed_since)
           select w.org, w.sha256, w.bytes, $4 from unnest($1::text[], $2::text[], $3::bigint[]) as w (org, sha256, bytes) on conflict do nothing`,
        [
          seen.map(({ organizationId }) => organizationId),
          seen.map(({ sha256 }) => sha256),
          seen.map(({ sizeBytes }) => sizeBytes),
          clock.now(),
        ],
      );
      seen = [];
    };
    for await (const one of blobs.list()) {
      found.contents++;
      found.bytes += one.sizeBytes;
      if (seen.push(one) === page) await flush();
    }
    await flush();
    return found;
  }

  /** What named them was erased, archived, removed: nothing is known to, until it is found again. */
  async function forgetNames(): Promise<void> {
    await logPool.query(
      `update content_watch w set named_at = null, unnamed_since = $1
        where w.named_at > ${HELD} and not exists (select from evt_payloads p where p.position = w.named_at and p.data is not null)
           or w.named_at = ${HELD} and not exists (select from content_holders h where h.organization_id = w.organization_id and h.sha256 = w.sha256)`,
      [clock.now()],
    );
    await logPool.query(
      `update content_watch w set named_at = ${HELD} from content_holders h
        where w.named_at is null and h.organization_id = w.organization_id and h.sha256 = w.sha256`,
    );
  }

  /**
   * Looks for events that name what is due, newest first, since a content and its event come together: only where
   * something is named by nothing is the whole log read. Returns the position up to which it looked.
   */
  async function findNames(due: string, signal: AbortSignal): Promise<number> {
    const { rows: heads } = await logPool.query<{ head: string }>("select coalesce(max(position), 0) as head from evt_payloads");
    const head = Number(heads[0]!.head);
    for (let to = head; to > 0; to -= STRETCH) {
      signal.throwIfAborted();
      const { rowCount: left } = await logPool.query("select from content_watch where named_at is null and unnamed_since <= $1 limit 1", [
        due,
      ]);
      if (left === 0) break;
      await logPool.query(
        `update content_watch w set named_at = f.position
           from (select p.organization_id, m.hash[1] as sha256, max(p.position) as position
                   from evt_payloads p join evt_events e using (position), regexp_matches(p.data, '${HASH_PATTERN}', 'g') as m (hash)
                  where p.position > $1 and p.position <= $2 and e.position > $1 and e.position <= $2 -- a join does not carry it over
                    and p.data like '%sha256:%' and e.type <> all ($3)
                  group by 1, 2) f
          where w.organization_id = f.organization_id and w.sha256 = f.sha256 and w.named_at is null`,
        [to - STRETCH, to, TELL_ONLY],
      );
    }
    return head;
  }

  /** The bytes that are gone; null: it is no orphan after all. */
  async function erase(organizationId: string, sha256: string, due: string, head: number): Promise<number | null> {
    const client = await logPool.connect();
    let broken: Error | undefined;
    try {
      await client.query("begin");
      const { rowCount: unnamed } = await client.query(
        `select from content_watch where organization_id = $1 and sha256 = $2 and named_at is null and unnamed_since <= $3 for update`,
        [organizationId, sha256, due],
      );
      // A statement of its own: it sees what was committed while the lock was waited for.
      const { rowCount: named } = await client.query(
        `select 1 from content_holders where organization_id = $1 and sha256 = $2
         union all
         select 1 from evt_payloads p join evt_events e using (position)
          where p.position > $3 and e.position > $3 and p.organization_id = $1 and p.data like $4 and e.type <> all ($5)`,
        [organizationId, sha256, head, `%${sha256}%`, TELL_ONLY],
      );
      let size: number | null = null;
      if (unnamed === 1 && named === 0) {
        // Null: an erasure was quicker, and only the row is left.
        size = await blobs.sizeOf(organizationId, sha256);
        await deps.atContents?.("judged");
        await blobs.erase(organizationId, sha256);
        await deps.atContents?.("erased");
        await client.query("delete from content_watch where organization_id = $1 and sha256 = $2", [organizationId, sha256]);
      }
      await client.query("commit");
      return size;
    } catch (error) {
      await client.query("rollback").catch((cause: unknown) => (broken = cause as Error));
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async function collect(signal: AbortSignal): Promise<Collection> {
    const due = new Date(clock.nowMs() - graceMs).toISOString();
    const drafts = await blobs.removeDrafts(graceMs);
    const found = await list(signal);
    await deps.atContents?.("listed");
    await forgetNames();
    const head = await findNames(due, signal);
    let collected = 0;
    let collectedBytes = 0;
    for (;;) {
      const { rows } = await logPool.query<{ organization_id: string; sha256: string }>(
        `select organization_id, sha256 from content_watch where named_at is null and unnamed_since <= $1 order by unnamed_since limit ${page}`,
        [due],
      );
      let erased = 0;
      for (const { organization_id: organizationId, sha256 } of rows) {
        signal.throwIfAborted();
        const bytes = await erase(organizationId, sha256, due, head);
        if (bytes === null) continue;
        erased++;
        collectedBytes += bytes;
        total.collectedBytes += bytes;
        total.collected++;
      }
      collected += erased;
      // What stays was named meanwhile: the next run learns by what.
      if (rows.length < page || erased === 0) break;
    }
    const { rows: waiting } = await logPool.query<{ n: number }>("select count(*)::int as n from content_watch where named_at is null");
    return { at: clock.now(), ...found, unnamed: waiting[0]!.n, collected, collectedBytes, drafts };
  }

  async function run(signal: AbortSignal): Promise<void> {
    try {
      last = await collect(signal);
      failed = null;
    } catch (error) {
      if (!signal.aborted) failed = { at: clock.now(), reason: (error as Error).message };
      throw error;
    }
    logger.info(last, "the store of contents was looked through");
  }

  return {
    run,
    schedules: deps.contentGraceH == null ? [] : [{ name: "audit.contents", cron: "53 1 * * *", run }],
    /** What this process saw and did since it started. */
    gauges: [
      ["signalbox_contents", "Contents in the store, when it was last looked through.", () => last?.contents ?? 0],
      ["signalbox_contents_bytes", "Their size.", () => last?.bytes ?? 0],
      ["signalbox_contents_unnamed", "Contents that nothing is known to name, within the grace period.", () => last?.unnamed ?? 0],
      ["signalbox_contents_collected_total", "Contents that were removed since nothing named them.", () => total.collected],
      ["signalbox_contents_collected_bytes_total", "Their size.", () => total.collectedBytes],
    ] as const,
    /** For health; null while all is well. */
    problem: () => (failed === null ? null : `orphaned contents could not be collected since ${failed.at}: ${failed.reason}`),
  };
}
export type Contents = ReturnType<typeof createContents>;
