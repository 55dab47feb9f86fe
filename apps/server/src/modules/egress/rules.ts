/*
 * The allow-list of an organization or of one session: hosts that sandboxes may reach. Subject
 * `egress_rules:<organization or session id>`. Adding what is there, or removing what is not,
 * changes nothing.
 */
import type { GateEvent } from "@signalbox/contract/events/gate";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { accept, type Decider } from "@signalbox/kernel/decider";

export type RuleEvent = Extract<GateEvent, { type: "egress.rule_added" | "egress.rule_removed" }>;
export type RuleCommand = { readonly type: "add" | "remove"; readonly data: RuleEvent["data"] };
/** The hosts, as members so that a snapshot of it is JSON. */
export type Rules = Readonly<Record<string, true>>;

export const egressRules: Decider<Rules, RuleCommand, RuleEvent, never> = {
  initial: {},
  decide(state, { type, data }) {
    const isThere = Object.hasOwn(state, data.host);
    if (type === "add") return isThere ? accept() : accept({ type: "egress.rule_added", data });
    return isThere ? accept({ type: "egress.rule_removed", data }) : accept();
  },
  evolve(state, event) {
    const { [event.data.host]: _, ...others } = state;
    return event.type === "egress.rule_added" ? { ...others, [event.data.host]: true } : others;
  },
};

/** `*.example.com` covers the apex and every name below it. */
export function covers(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host;
  const apex = pattern.slice(2);
  return host === apex || host.endsWith(`.${apex}`);
}

export const egressRulesProjection: Projection<RuleEvent> = {
  name: "egress.rules",
  types: ["egress.rule_added", "egress.rule_removed"],
  tables: ["proj_egress_rules"],

  async project(tx, batch) {
    // Within a batch only the last word on a rule matters.
    const last = [...new Map(batch.map((r: Recorded<RuleEvent>) => [`${r.subject} ${r.organizationId} ${r.event.data.host}`, r])).values()];
    if (last.length === 0) return;
    await tx.query(
      `insert into proj_egress_rules as p (organization_id, session_id, host, added_by, added_at, is_present, subject_version)
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::boolean[], $7::bigint[])
       on conflict (organization_id, session_id, host) do update
          set added_by = excluded.added_by, added_at = excluded.added_at, is_present = excluded.is_present, subject_version = excluded.subject_version
        where p.subject_version < excluded.subject_version`,
      [
        last.map((r) => r.organizationId),
        last.map((r) => r.event.data.session_id ?? ""),
        last.map((r) => r.event.data.host),
        last.map((r) => r.event.data.by),
        last.map((r) => r.occurredAt),
        last.map((r) => r.event.type === "egress.rule_added"),
        last.map((r) => r.subjectVersion),
      ],
    );
  },
};
