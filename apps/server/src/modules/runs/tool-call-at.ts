import { sql } from "kysely";
import type { Database } from "../../module.ts";

export interface ToolCallThen {
  readonly id: string;
  readonly name: string;
  readonly title: string | null;
}

/** Of a session, the tool call that was under way at each of these times; the latest begun where there were several. */
export async function toolCallsAt(
  db: Database,
  organizationId: string,
  sessionId: string,
  times: readonly string[],
): Promise<readonly (ToolCallThen | null)[]> {
  if (times.length === 0) return [];
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<{ i: number; id: string; name: string; title: string | null }>`
      select t.i::int as i, c.id, c.name, c.title
        from unnest(${[...times]}::timestamptz[]) with ordinality as t (at, i)
       cross join lateral (select c.id, c.name, c.title from proj_runs r join proj_tool_calls c on c.organization_id = r.organization_id and c.run_id = r.id
                            where r.session_id = ${sessionId} and c.created_at <= t.at
                              and (c.duration_ms is null or c.created_at + make_interval(secs => c.duration_ms / 1000.0) >= t.at)
                            order by c.created_at desc limit 1) c`.execute(tx),
  );
  const found: (ToolCallThen | null)[] = times.map(() => null);
  for (const { i, ...call } of rows) found[i - 1] = call;
  return found;
}
