/* What a session's sandbox asked for, host by host. */
import { REASON_CODES, type ReasonCode } from "@signalbox/contract/gate";
import type { EgressHost } from "@signalbox/contract/egress-hosts";
import { sql } from "kysely";
import type { z } from "zod";
import type { Database } from "../../module.ts";
import { covers } from "./rules.ts";

interface Row {
  host: string;
  requests: number;
  blocked: number;
  bytes_sent: string;
  bytes_received: string;
  first_at: Date;
  last_at: Date;
  last_decision: "allow" | "deny";
  last_reason_code: string;
}
type ToolCall = { readonly id: string; readonly name: string; readonly title: string | null };

export interface HostsOf {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly rules: readonly { readonly host: string; readonly session_id: string | null }[];
  /** The tool call that was under way at each of the times; null where none was. */
  readonly toolCallsAt: (times: readonly string[]) => Promise<readonly (ToolCall | null)[]>;
}

export async function hostsOf(
  db: Database,
  { organizationId, sessionId, rules, toolCallsAt }: HostsOf,
): Promise<z.input<typeof EgressHost>[]> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<Row>`
      select host, count(*)::int as requests, count(*) filter (where decision = 'deny')::int as blocked, sum(bytes_sent) as bytes_sent,
             sum(bytes_received) as bytes_received, min(at) as first_at, max(at) as last_at,
             (array_agg(decision order by id desc))[1] as last_decision, (array_agg(reason_code order by id desc))[1] as last_reason_code
        from egress_requests where organization_id = ${organizationId} and session_id = ${sessionId}
       group by host order by max(at) desc, host limit 500`.execute(tx),
  );
  const calls = await toolCallsAt(rows.map((row) => row.first_at.toISOString()));
  return rows.map((row, i) => {
    const rule = rules.find(({ host }) => covers(host, row.host));
    return {
      host: row.host,
      requests: row.requests,
      blocked: row.blocked,
      bytes_sent: Number(row.bytes_sent),
      bytes_received: Number(row.bytes_received),
      first_at: row.first_at.toISOString(),
      last_at: row.last_at.toISOString(),
      last_decision: row.last_decision,
      last_reason_code: row.last_reason_code,
      last_reason: REASON_CODES[row.last_reason_code as ReasonCode] ?? row.last_reason_code,
      rule: rule === undefined ? null : { host: rule.host, session_id: rule.session_id },
      first_tool_call: calls[i] ?? null,
    };
  });
}
