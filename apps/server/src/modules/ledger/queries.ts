import type { getUsage } from "@signalbox/contract/sessions";
import { type Kysely, sql } from "kysely";
import type { z } from "zod";
import type { Database } from "../../module.ts";

export type SessionUsage = z.infer<(typeof getUsage)["ok"]>;

/** Null for a session that never had a budget, or is another organization's. */
export function sessionUsage(db: Database, organizationId: string, sessionId: string): Promise<SessionUsage | null> {
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    const totals = await sql<{ cap: string; spent: string; overrun: string; calls: string; held: string }>`
      select cap, spent, overrun, calls,
             (select coalesce(sum(amount), 0) from proj_reservations r where r.organization_id = b.organization_id and r.session_id = b.session_id) as held
        from proj_budgets b where organization_id = ${organizationId} and session_id = ${sessionId}`.execute(tx);
    const row = totals.rows[0];
    if (row === undefined) return null;
    const models = await sql<{ model: string; calls: string; cost: string; input_tokens: string; output_tokens: string }>`
      select model, calls, cost, input_tokens, output_tokens from proj_usage
       where organization_id = ${organizationId} and session_id = ${sessionId} order by cost desc, model`.execute(tx);
    return {
      cap_micro_usd: Number(row.cap),
      spent_micro_usd: Number(row.spent),
      reserved_micro_usd: Number(row.held),
      overrun_micro_usd: Number(row.overrun),
      calls: Number(row.calls),
      by_model: models.rows.map((m) => ({
        model: m.model,
        calls: Number(m.calls),
        cost_micro_usd: Number(m.cost),
        input_tokens: Number(m.input_tokens),
        output_tokens: Number(m.output_tokens),
      })),
    };
  });
}

export function sessionCosts(
  db: Database,
  organizationId: string,
  sessionIds: readonly string[],
): Promise<ReadonlyMap<string, { cap: number; spent: number }>> {
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    const { rows } = await sql<{ session_id: string; cap: string; spent: string }>`
      select session_id, cap, spent from proj_budgets where organization_id = ${organizationId} and session_id = any(${sessionIds}::text[])`.execute(
      tx,
    );
    return new Map(rows.map((row) => [row.session_id, { cap: Number(row.cap), spent: Number(row.spent) }]));
  });
}
