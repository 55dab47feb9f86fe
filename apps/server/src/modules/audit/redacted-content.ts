/* Which content goes with an event that is erased: what it names by hash, and nothing else still does. */
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
