import { REASON_CODES, type ReasonCode } from "@signalbox/contract/gate";
import { Link } from "@tanstack/react-router";
import { ShieldAlert, ShieldCheck, ShieldX } from "lucide-react";
import { WhyLink } from "../../policy/why-link.tsx";
import type { ToolCallItem } from "../item-of-event.ts";
import { useRows } from "./row-context.ts";

const WORDS = { allow: "Allowed", deny: "Denied", require_approval: "Asked a person" } as const;

/** What the gate said, in words. Most calls stay in the sandbox: those are recorded, and ask for nothing. */
export function Decision({ call: { decision } }: { call: Pick<ToolCallItem, "decision"> }) {
  const { session } = useRows();
  if (decision == null) return <p className="text-sm text-ink-3">Inside the sandbox: recorded, and nothing had to be asked.</p>;
  const Icon = decision.decision === "allow" ? ShieldCheck : decision.decision === "deny" ? ShieldX : ShieldAlert;
  const tone = decision.decision === "allow" ? "text-clear-ink" : decision.decision === "deny" ? "text-danger-ink" : "text-signal-ink";
  const reason = decision.reason_code in REASON_CODES ? REASON_CODES[decision.reason_code as ReasonCode] : decision.reason_code;
  return (
    <p className="flex flex-wrap items-start gap-x-2 gap-y-1 rounded-md border border-line bg-raised px-3 py-2 text-sm">
      <Icon size={16} aria-hidden className={`mt-0.5 shrink-0 ${tone}`} />
      <span className="min-w-0 flex-1">
        <span className={`font-semibold ${tone}`}>{WORDS[decision.decision]}</span> <span className="font-mono">{decision.action}</span>
        <span className="text-ink-2"> · {reason}</span>
      </span>
      <WhyLink asking={{ action: decision.action, session: session?.id }} />
      {session !== null && decision.approval_id !== null && (
        <Link
          to="."
          search={(previous) => ({ ...previous, call: undefined, message: decision.approval_id ?? undefined })}
          className="text-moving-ink underline underline-offset-2"
        >
          The approval
        </Link>
      )}
    </p>
  );
}
