import type { EgressRequestView, EgressRule, listEgressRequests } from "@signalbox/contract/gate";
import { type Kysely, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";
import type { DigestedRow } from "./record.ts";
import { covers } from "./rules.ts";

export function hostIsAllowed(
  db: Database,
  organizationId: string,
  sessionId: string | undefined,
  host: string,
  defaults: readonly string[],
): Promise<boolean> {
  if (defaults.some((pattern) => covers(pattern, host))) return Promise.resolve(true);
  // Every pattern that could cover the host, so that the list is looked up and not read.
  const labels = host.split(".");
  const patterns = [host, ...labels.map((_, i) => `*.${labels.slice(i).join(".")}`)];
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    const { rows } = await sql<{ found: boolean }>`
      select exists (select 1 from proj_egress_rules
                      where organization_id = ${organizationId} and session_id in ('', ${sessionId ?? ""}) and host = any(${patterns}::text[]) and is_present) as found`.execute(
      tx,
    );
    return rows[0]?.found === true;
  });
}

type RuleView = z.input<typeof EgressRule>;

/** With a session: the organization's rules and its own; else all of them. */
export function ruleList(
  db: Database,
  organizationId: string,
  sessionId: string | undefined,
  defaults: readonly string[],
): Promise<RuleView[]> {
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    const { rows } = await sql<{ session_id: string; host: string; added_by: string; added_at: Date }>`
      select session_id, host, added_by, added_at from proj_egress_rules
       where organization_id = ${organizationId} and is_present and (${sessionId ?? null}::text is null or session_id in ('', ${sessionId ?? ""}))
       order by session_id, host`.execute(tx);
    const own = rows.map((row) => ({
      host: row.host,
      session_id: row.session_id === "" ? null : row.session_id,
      added_by: row.added_by,
      added_at: row.added_at.toISOString(),
    }));
    const configured = defaults.map((host) => ({
      host,
      session_id: null,
      added_by: "svc_configuration",
      added_at: "1970-01-01T00:00:00.000Z",
    }));
    return [...configured, ...own] as RuleView[];
  });
}

type Query = z.output<(typeof listEgressRequests)["query"]>;
type RequestView = z.input<typeof EgressRequestView>;

interface RequestRowRead extends Omit<DigestedRow, "at" | "bytes_sent" | "bytes_received"> {
  session_id: string;
  sandbox_id: string;
  at: Date;
  bytes_sent: string;
  bytes_received: string;
}

export function requestPage(db: Database, organizationId: string, { limit, cursor, session_id, decision }: Query) {
  const after = decodeCursor(cursor, z.tuple([z.string()]));
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    const { rows } = await sql<RequestRowRead>`
      select id, session_id, sandbox_id, at, method, scheme, host, port, path, decision, reason_code, status, bytes_sent, bytes_received, duration_ms
        from egress_requests
       where organization_id = ${organizationId}
         and (${session_id ?? null}::text is null or session_id = ${session_id ?? null}) and (${decision ?? null}::text is null or decision = ${decision ?? null})
         and (${after?.[0] ?? null}::text is null or id < ${after?.[0] ?? null})
       order by id desc limit ${limit + 1}`.execute(tx);
    return pageOf(rows, limit, viewOf, (row) => [row.id]);
  });
}

const viewOf = (row: RequestRowRead): RequestView =>
  ({ ...row, at: row.at.toISOString(), bytes_sent: Number(row.bytes_sent), bytes_received: Number(row.bytes_received) }) as RequestView;

/** Gives the run every request of the session that no run has yet, and returns all that the run has. */
export function pinRows(db: Database, organizationId: string, sessionId: string, runId: string): Promise<DigestedRow[]> {
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    await sql`update egress_requests set run_id = ${runId}
               where organization_id = ${organizationId} and session_id = ${sessionId} and run_id is null`.execute(tx);
    const { rows } = await sql<RequestRowRead>`
      select id, at, method, scheme, host, port, path, decision, reason_code, status, bytes_sent, bytes_received, duration_ms
        from egress_requests where organization_id = ${organizationId} and session_id = ${sessionId} and run_id = ${runId} order by id`.execute(
      tx,
    );
    return rows.map((row) => ({
      ...row,
      at: row.at.toISOString(),
      bytes_sent: Number(row.bytes_sent),
      bytes_received: Number(row.bytes_received),
    }));
  });
}
