import { sql } from "kysely";
import type { Database } from "../../module.ts";

/** Repositories that sessions in these rooms (null: all) worked on, last used first. */
export async function recentSources(
  db: Database,
  organizationId: string,
  rooms: readonly string[] | null,
): Promise<{ url: string; lastUsedAt: string; sessions: number }[]> {
  const visible = rooms === null ? null : [...rooms];
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ url: string; at: Date; n: number }>`
      select url, max(created_at) as at, count(*)::int as n from (
        select source::jsonb ->> 'url' as url, created_at from proj_sessions
         where (${visible}::text[] is null or room_id = any(${visible}::text[]))
           -- What was imported worked on another machine.
           and id not like 'ses\\_Z%'
         order by created_at desc, id desc limit 1000) recent
       where url is not null group by url order by at desc limit 20`.execute(tx),
  );
  return rows.map(({ url, at, n }) => ({ url, lastUsedAt: at.toISOString(), sessions: n }));
}
