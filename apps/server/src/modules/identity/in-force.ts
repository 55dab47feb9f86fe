import type { Recorded } from "@signalbox/eventlog/log";
import { sql } from "kysely";
import type { Database } from "../../module.ts";

/** Whose access an event gives, by its type; a token's is its own. */
function holderOf({ event, subjectId }: Recorded): string | undefined {
  const data = event.data as { principal_id?: string; to?: string };
  switch (event.type) {
    case "principal.registered":
      return subjectId;
    case "member.added":
    case "member.role_changed":
      return data.principal_id;
    case "organization.ownership_transferred":
      return data.to;
    default:
      return undefined;
  }
}

export async function isInForce(db: Database, event: Recorded): Promise<boolean> {
  const isToken = event.event.type === "token.created";
  const id = isToken ? event.subjectId : holderOf(event);
  if (id === undefined || event.importId !== undefined) return false;
  const { rows } = await db.inOrganization(event.organizationId, (tx) =>
    (isToken
      ? sql`select 1 from proj_tokens where id = ${id} and revoked_at is null and (expires_at is null or expires_at > now())`
      : sql`select 1 from proj_principals where id = ${id} and role is not null`
    ).execute(tx),
  );
  return rows.length > 0;
}
