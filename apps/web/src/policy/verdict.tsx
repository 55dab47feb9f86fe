import type { PolicyDecision } from "@signalbox/contract/gate";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Link } from "@tanstack/react-router";
import { CircleCheck, Hand, OctagonX } from "lucide-react";

const SAYS = {
  allow: { word: "Allowed", icon: CircleCheck, look: "border-clear bg-clear-wash", ink: "text-clear-ink" },
  deny: { word: "Denied", icon: OctagonX, look: "border-danger-line bg-danger-wash", ink: "text-danger-ink" },
  require_approval: { word: "Asks a person", icon: Hand, look: "border-signal-line bg-signal-wash", ink: "text-signal-ink" },
} as const;

export const verdictWord = (decision: PolicyDecision["decision"]): string => SAYS[decision].word;
export const verdictTone = (decision: PolicyDecision["decision"]) =>
  ({ allow: "clear", deny: "danger", require_approval: "wants" })[decision] as "clear" | "danger" | "wants";

/** The gate's answer: the word first, then the sentence, then which rules said so. */
export function Verdict({ decision }: { decision: PolicyDecision }) {
  const { word, icon: Icon, look, ink } = SAYS[decision.decision];
  return (
    <section aria-label="The gate's answer" className={`rounded-lg border px-5 py-4 ${look}`}>
      <p className={`flex items-center gap-2.5 text-lg font-semibold ${ink}`}>
        <Icon size={22} aria-hidden /> {word}
      </p>
      <p className="mt-1">{decision.reason}</p>
      <dl className="mt-3 grid gap-x-5 gap-y-1 text-sm sm:grid-cols-[auto_1fr]">
        <dt className="text-ink-2">Reason code</dt>
        <dd className="font-mono">{decision.reason_code}</dd>
        <dt className="text-ink-2">Decided by</dt>
        <dd>
          {decision.policy_ids.length === 0 ? (
            <span className="text-ink-2">no policy: it was decided before they were asked, or none matched</span>
          ) : (
            <PolicyLinks ids={decision.policy_ids} />
          )}
        </dd>
        <dt className="text-ink-2">Evaluation</dt>
        <dd className="flex min-w-0 items-center gap-1">
          <span className="clamp-1 font-mono" title={decision.evaluation_hash}>
            {decision.evaluation_hash}
          </span>
          <CopyButton text={decision.evaluation_hash} label="Copy the evaluation's hash" />
        </dd>
      </dl>
      <p className="mt-2 text-sm text-ink-2">The same input under policy version {decision.policy_version} always gives this hash.</p>
    </section>
  );
}

export function PolicyLinks({ ids }: { ids: readonly string[] }) {
  return ids.map((id, i) => (
    <span key={id}>
      {i > 0 && ", "}
      <Link to="/policy" search={{ policy: id }} className="font-mono text-sm underline underline-offset-2">
        {id}
      </Link>
    </span>
  ));
}
