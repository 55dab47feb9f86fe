/* One event as a sentence, for people who read the register. Pure. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { AnyEvent } from "@signalbox/contract/events";
import { duration, money, oneLine } from "@signalbox/ui/format";

const LINE = 140;
const first = (text: string): string => {
  const line = oneLine(text.slice(0, 4 * LINE));
  return line.length > LINE ? `${line.slice(0, LINE)}…` : line;
};

export type Family = "conversation" | "work" | "gate" | "session" | "money" | "organization";

export const FAMILIES: Readonly<Record<Family, { label: string; prefixes: readonly string[] }>> = {
  conversation: { label: "Conversation", prefixes: ["message.", "thread.", "room."] },
  work: { label: "Work", prefixes: ["run.", "step.", "tool.", "artifact."] },
  gate: { label: "Gate", prefixes: ["approval.", "question.", "invocation.", "policy.", "kill_switch.", "egress.", "secret."] },
  session: { label: "Sessions", prefixes: ["session."] },
  money: { label: "Money", prefixes: ["ledger.", "budget."] },
  organization: { label: "Organization", prefixes: ["organization.", "principal.", "token.", "login.", "event.", "checkpoint."] },
};

export function familyOf(type: string): Family {
  const found = Object.entries(FAMILIES).find(([, { prefixes }]) => prefixes.some((prefix) => type.startsWith(prefix)));
  return (found?.[0] as Family | undefined) ?? "organization";
}

export type Weight = "wants" | "clear" | "danger" | "plain";

export function weightOf(type: string): Weight {
  if (type === "approval.requested" || type === "question.asked" || type === "run.needs_human") return "wants";
  if (
    /\.(failed|denied|blocked|timed_out|unknown|refused)$/.test(type) ||
    type === "kill_switch.engaged" ||
    type === "secret.leaked.detected"
  )
    return "danger";
  if (/\.(completed|succeeded|approved)$/.test(type)) return "clear";
  return "plain";
}

/** What the type alone does not say; empty when it says it all. */
export function summaryOf(envelope: Pick<EventEnvelope, "type" | "data" | "redaction">): string {
  // What was erased has no longer the shape of its type.
  if (envelope.redaction === "full") return "erased";
  const { type, data } = { type: envelope.type, data: envelope.data } as AnyEvent;
  if (typeof data !== "object" || data === null) return "erased";
  switch (type) {
    case "message.created":
      return first(data.content_md ?? "(long text)");
    case "step.thought":
      return first(data.text);
    case "question.asked":
      return first(data.text);
    case "approval.held":
    case "approval.approved":
    case "approval.denied":
      return first(("reason" in data ? data.reason : undefined) ?? "");
    case "step.created":
      return first(data.title ?? data.kind);
    case "tool.invoked":
      return first(`${data.name}${data.title === undefined ? "" : ` · ${data.title}`}`);
    case "tool.succeeded":
      return duration(data.duration_ms);
    case "tool.failed":
      return first(data.error);
    case "run.created":
      return first(data.title ?? data.goal ?? data.kind);
    case "run.completed":
      return first(data.summary ?? "");
    case "run.failed":
    case "session.failed":
    case "invocation.failed":
      return first(data.message);
    case "approval.requested":
    case "invocation.requested":
      return first(`${data.action} · ${data.title}`);
    case "policy.denied":
    case "policy.requires_approval":
      return first(`${data.action} · ${data.reason}`);
    case "egress.blocked":
      return `${data.host}:${data.port} · ${data.reason}`;
    case "session.created":
    case "session.renamed":
    case "room.created":
      return first(data.title);
    case "session.waiting":
    case "session.paused":
    case "session.stopped":
      return first(data.reason);
    case "session.started":
      return `in ${duration(data.boot_ms)}`;
    case "session.changes_recorded":
      return `${data.files.length} ${data.files.length === 1 ? "file" : "files"}`;
    case "session.committed":
      return first(`${data.commit.slice(0, 9)} · ${data.message}`);
    case "ledger.reserved":
      return `${money(data.amount_micro_usd)} for ${data.model}`;
    case "ledger.settled":
      return `${money(data.cost_micro_usd)} · ${data.model} · ${data.usage.input_tokens.toLocaleString()} in, ${data.usage.output_tokens.toLocaleString()} out`;
    case "step.plan_updated": {
      const done = data.entries.filter(({ status }) => status === "completed").length;
      const next = data.entries.find(({ status }) => status !== "completed")?.content;
      return first(`${done} of ${data.entries.length}${next === undefined ? "" : ` · ${next}`}`);
    }
    case "sink.created":
      return first(`${data.name} · ${data.url}`);
    case "sink.paused":
      return first(data.reason ?? "");
    case "budget.set":
      return money(data.cap_micro_usd);
    case "budget.refused":
      return `${money(data.needed_micro_usd)} needed, ${money(data.remaining_micro_usd)} left`;
    case "principal.registered":
      return `${data.display_name} (${data.principal_type})`;
    case "token.created":
    case "artifact.created":
    case "capability.issued":
    case "capability.delegated":
      return first(data.name);
    case "thread.created":
      return first(data.title ?? "");
    case "room.renamed":
      return first(data.title);
    case "invitation.created":
      return `${data.email} · ${data.role}`;
    case "domain.claimed":
    case "domain.proven":
      return data.domain;
    default:
      return "";
  }
}
