/*
 * Which content goes with an event that is erased: what it names by hash, and nothing else still does.
 *
 *   named by that event alone ─► recorded in `event.redacted` ─► row of `content_puts` locked ─► looked for once more
 *          put again within `PUT_TO_EVENT`: an event may be on its way, so it is looked at again then ◄─┤
 *                                                        another event names it by now: it stays ◄──────┤
 *                                                                                              erased ◄─┘
 *
 * Who puts it meanwhile waits for that row and then puts it (`pardoning` in blobs.ts): nothing is erased between a put
 * and the event after it.
 */
import type { Recorded } from "@signalbox/eventlog/log";
import type pg from "pg";
import type { Blobs } from "@signalbox/providers/blob/port";
import { contentsNamed, TELL_ONLY } from "./content-names.ts";

export async function contentOnlyOf(
  { blobs, logPool }: { readonly blobs: Blobs; readonly logPool: pg.Pool },
  organizationId: string,
  target: Recorded,
): Promise<string[]> {
  const alone: string[] = [];
  for (const sha256 of contentsNamed(target.event.type, JSON.stringify(target.event.data))) {
    if ((await blobs.sizeOf(organizationId, sha256)) === null) continue;
    // Reads every payload; a redaction is rare, and an index of what names what would be one more thing to erase from.
    const { rows } = await logPool.query<{ shared: boolean }>(
      `select exists (select from evt_payloads p join evt_events e using (position)
                       where p.organization_id = $1 and position <> $2 and p.data like $3 and e.type <> all ($5))
           or exists (select from evt_archives a where a.organization_id = $1 and a.state = 'detached'
                       and (select count(*) from unnest(a.contents) c where c = $4)
                           > (select count(*) from evt_archived_events e where e.archive_id = a.id and e.position = $2)) as shared`,
      [organizationId, target.position, `%${sha256}%`, sha256, TELL_ONLY],
    );
    if (rows[0]?.shared === false) alone.push(sha256);
  }
  return alone;
}

/** How long a put may be without the event that names it, before an erasure takes what was put. */
const PUT_TO_EVENT = "10 minutes";

export interface ErasingDeps {
  readonly blobs: Blobs;
  /** Connects as `sb_log`. */
  readonly logPool: pg.Pool;
  /** Crash points of tests. */
  readonly at?: ((step: "judged") => Promise<void>) | undefined;
}

/** Of contents that an `event.redacted` names, whose event has no text any more. Resolves to when to look at some of them again; null: never. */
export async function eraseContents(
  { blobs, logPool, at }: ErasingDeps,
  organizationId: string,
  contents: readonly string[],
): Promise<string | null> {
  let runAgainAt: string | null = null;
  for (const sha256 of contents) {
    const client = await logPool.connect();
    let broken: Error | undefined;
    try {
      await client.query("begin");
      const { rows } = await client.query<{ again: string | null }>(
        `insert into content_puts as c (organization_id, sha256) values ($1, $2)
           on conflict (organization_id, sha256) do update set again_at = c.again_at
         returning to_char((case when c.again_at > now() - interval '${PUT_TO_EVENT}' then c.again_at + interval '${PUT_TO_EVENT}' end)
                             at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as again`,
        [organizationId, sha256],
      );
      // A statement of its own: it sees what was committed while the lock was waited for.
      const { rowCount: named } = await client.query(
        `select 1 from evt_archives where organization_id = $1 and state = 'detached' and $2 = any (contents)
         union all
         select 1 from evt_payloads p join evt_events e using (position)
          where p.organization_id = $1 and p.data like $3 and e.type <> all ($4)`,
        [organizationId, sha256, `%${sha256}%`, TELL_ONLY],
      );
      const again = rows[0]?.again ?? null;
      if (named === 0 && again !== null) {
        if (runAgainAt === null || again > runAgainAt) runAgainAt = again;
      } else if (named === 0) {
        await at?.("judged");
        // The row stays: who puts it from now on has put it again, and the next run of this job waits for him.
        await blobs.erase(organizationId, sha256);
      }
      await client.query("commit");
    } catch (error) {
      await client.query("rollback").catch((cause: unknown) => (broken = cause as Error));
      throw error;
    } finally {
      client.release(broken);
    }
  }
  return runAgainAt;
}
