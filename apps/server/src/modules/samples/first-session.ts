/*
 * The session that a fresh installation has to show: a finished, verifiable export of a real run on the
 * scripted demo model, imported like any other export. Once, and never again: who removes it, or has begun
 * work of their own, does not get it (back).
 */
import path from "node:path";
import type { Database } from "../../module.ts";
import { type Kysely, sql } from "kysely";
import type { Imports } from "../audit/public.ts";

/** Written by tools/record-sample.ts. */
export const FIRST_SESSION = path.join(import.meta.dirname, "../../../samples/first-session.jsonl");

export interface FirstSessionDeps {
  readonly db: Database;
  readonly imports: Pick<Imports, "keep">;
  readonly now: () => string;
}

/** True when it was imported now. */
export async function importFirstSession(
  { db, imports, now }: FirstSessionDeps,
  organizationId: string,
  file = FIRST_SESSION,
): Promise<boolean> {
  const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
    sql`select 1 from evt_events where organization_id = ${organizationId} and type in ('session.created', 'log.imported', 'room.created') limit 1`.execute(
      tx,
    ),
  );
  if (rows.length > 0) return false;
  const kept = await imports.keep({ organizationId, file, origin: { principal: { id: "svc_import", type: "service" } }, now: now() });
  if (!kept.ok) throw new Error(`the shipped session cannot be imported: ${kept.message}`);
  return true;
}
