/* Why was this decided? What the gate refused or asked about, newest first, with the rule that said so. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { REASON_CODES, type PolicyDecision } from "@signalbox/contract/gate";
import { Badge } from "@signalbox/ui/badge";
import { count } from "@signalbox/ui/format";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Select } from "@signalbox/ui/select";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ShieldCheck } from "lucide-react";
import { useNames } from "../data/queries.ts";
import { decisionsQuery } from "./policy-queries.ts";
import { WhyLink } from "./why-link.tsx";
import { PolicyLinks, verdictTone, verdictWord } from "./verdict.tsx";

const route = getRouteApi("/frame/policy");
const FILTERS = [
  { value: "all", label: "All decisions" },
  { value: "deny", label: "Denied" },
  { value: "require_approval", label: "Asked a person" },
  { value: "allow", label: "Allowed" },
] as const;

interface Decided {
  readonly decision: PolicyDecision["decision"];
  readonly action: string;
  readonly about: string;
  readonly reasonCode: string;
  readonly reason: string;
  readonly policyIds: readonly string[];
  /** As the gate was asked, where it is kept. */
  readonly target?: unknown;
}

/** The four kinds of event say the same thing in their own words; data comes from the log, so nothing in it is taken for granted. */
function decidedIn({ type, data }: EventEnvelope): Decided | null {
  const of = (typeof data === "object" && data !== null ? data : {}) as Record<string, unknown>;
  const text = (name: string): string => (typeof of[name] === "string" ? of[name] : "");
  const reasonCode = text("reason_code");
  const known = (REASON_CODES as Record<string, string>)[reasonCode] ?? "";
  const policyIds = Array.isArray(of["policy_ids"]) ? of["policy_ids"].filter((id) => typeof id === "string") : [];
  switch (type) {
    case "policy.denied":
      return {
        decision: "deny",
        action: text("action"),
        about: target(of["target"]),
        target: of["target"],
        reasonCode,
        reason: text("reason") || known,
        policyIds,
      };
    case "policy.requires_approval":
      return {
        decision: "require_approval",
        action: text("action"),
        about: target(of["target"]),
        target: of["target"],
        reasonCode,
        reason: text("reason") || known,
        policyIds,
      };
    case "invocation.requested": {
      const decision = text("decision");
      if (decision !== "allow" && decision !== "deny" && decision !== "require_approval") return null;
      return { decision, action: text("action"), about: text("title"), reasonCode, reason: known, policyIds };
    }
    case "egress.blocked": {
      const times = typeof of["count"] === "number" && of["count"] > 1 ? `, ${of["count"]} times` : "";
      return {
        decision: "deny",
        action: "egress.request",
        about: `${text("method")} ${text("host")}${times}`,
        target: { type: "host", id: text("host") },
        reasonCode,
        reason: text("reason") || known,
        policyIds,
      };
    }
    default:
      return null;
  }
}
function target(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return String(value);
  const { type, id, ...rest } = value as Record<string, unknown>;
  if (typeof type !== "string" || typeof id !== "string") return JSON.stringify(value);
  const also = Object.entries(rest).map(([name, each]) => `, ${name} ${typeof each === "string" ? each : JSON.stringify(each)}`);
  return `${type} ${id}${also.join("")}`;
}

export function RecentDecisions() {
  const { decision: filter } = route.useSearch();
  const navigate = useNavigate();
  const nameOf = useNames();
  const { data, error, refetch } = useQuery(decisionsQuery);
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={6} className="h-14" />;
  const chosen = FILTERS.find(({ value }) => value === filter)?.value ?? "all";
  const rows = data
    .map((event) => ({ event, decided: decidedIn(event) }))
    .filter(
      (row): row is { event: EventEnvelope; decided: Decided } =>
        row.decided !== null && (chosen === "all" || row.decided.decision === chosen),
    );
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Select
          aria-label="Which decisions"
          small
          className="w-52"
          options={FILTERS}
          value={chosen}
          onChange={(value) =>
            void navigate({
              to: "/policy",
              search: (previous) => ({ ...previous, decision: value === "all" ? undefined : value }),
              replace: true,
            })
          }
        />
        <p className="text-sm text-ink-3">{count(rows.length, "decision")}, newest first</p>
      </div>
      {rows.length === 0 ? (
        <Empty icon={<ShieldCheck size={32} />} title="Nothing to explain yet">
          When the gate refuses something, or asks a person about it, it stands here with its reason.
        </Empty>
      ) : (
        <ol className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
          {rows.map(({ event, decided }) => (
            <li key={event.event_id} className="px-4 py-3">
              <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
                <Badge tone={verdictTone(decided.decision)}>{verdictWord(decided.decision)}</Badge>
                <span className="font-mono text-sm">{decided.action}</span>
                <span className="min-w-0 flex-1 basis-40 text-sm break-words text-ink-2 [overflow-wrap:anywhere] narrow:order-last narrow:basis-full">
                  {decided.about}
                </span>
                <span className="text-sm text-ink-3 narrow:ml-auto">
                  <Timestamp at={event.occurred_at} />
                </span>
              </div>
              <p className="mt-1 text-sm">
                {decided.reason} <span className="font-mono text-plate text-ink-3">{decided.reasonCode}</span>
              </p>
              <p className="mt-0.5 flex flex-wrap gap-x-4 text-sm text-ink-3">
                <span>asked by {nameOf(event.principal.id)}</span>
                {decided.policyIds.length > 0 && (
                  <span>
                    by <PolicyLinks ids={decided.policyIds} />
                  </span>
                )}
                {event.session_id !== undefined && (
                  <Link
                    to="/sessions/$sessionId"
                    params={{ sessionId: event.session_id }}
                    search={event.stream.type === "room" ? { at: event.seq } : {}}
                    className="underline underline-offset-2"
                  >
                    at that moment
                  </Link>
                )}
                <WhyLink asking={{ action: decided.action, who: event.principal.id, target: decided.target, session: event.session_id }}>
                  ask again
                </WhyLink>
              </p>
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}
