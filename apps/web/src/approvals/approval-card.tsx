/* An approval that waits: what, why, what could go wrong, how long, and the three answers. */
import type { ApprovalView } from "@signalbox/contract/approvals";
import { Link } from "@tanstack/react-router";
import { Check, Hand, Hourglass, X } from "lucide-react";
import { useState } from "react";
import { useNames } from "../data/queries.ts";
import { Button } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { remaining } from "@signalbox/ui/format";
import { KeyHint as Keys } from "@signalbox/ui/key-hint";
import { Lamp } from "@signalbox/ui/lamp";
import { Markdown } from "@signalbox/ui/markdown";
import { useNow } from "@signalbox/ui/now";
import { useDecide } from "./decide.ts";
import { WhyLink } from "../policy/why-link.tsx";
import { ExactCall } from "./exact-call.tsx";

interface ApprovalCardProps {
  approval: ApprovalView;
  /** Whether `a`, `d` and `h` answer this one; the page that owns the keys says so. */
  hasKeys?: boolean;
  /** Outside its session: where it comes from. */
  showSession?: boolean;
}

export function ApprovalCard({ approval, hasKeys = false, showSession = false }: ApprovalCardProps) {
  const nameOf = useNames();
  const decide = useDecide();
  const [note, setNote] = useState<string | null>(null);
  const answer = (decision: "approve" | "deny" | "hold"): void => decide.mutate({ id: approval.id, decision, reason: note?.trim() });
  const { purpose, external_impact: impact, risks = [], rollback_plan: rollback, notes_md: notes } = approval.request;

  return (
    <article aria-label={`Approval: ${approval.title}`} className="soft-shadow overflow-clip rounded-lg border border-signal-line bg-panel">
      <header className="flex items-start gap-3 border-b border-signal-line bg-signal-wash px-4 py-3">
        <span className="flex h-6 items-center">
          <Lamp state="wants" />
        </span>
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold">{approval.title}</h2>
          <p className="text-sm text-signal-ink">
            {approval.requested_by.startsWith("agt_")
              ? "The agent asks"
              : nameOf(approval.requested_by) === "You"
                ? "You ask"
                : `${nameOf(approval.requested_by)} asks`}
            {approval.on_behalf_of !== null &&
              `, working for ${nameOf(approval.on_behalf_of) === "You" ? "you" : nameOf(approval.on_behalf_of)}`}
            {approval.status === "held" && ` · held by ${nameOf(approval.held_by) === "You" ? "you" : nameOf(approval.held_by)}`}
          </p>
        </div>
        <Expiry at={approval.expires_at} />
      </header>
      <div className="space-y-3 px-4 py-4">
        {purpose !== undefined && <p>{purpose}</p>}
        {notes !== undefined && <Markdown text={notes} className="border-l-2 border-line pl-3 text-sm text-ink-2" />}
        <ExactCall approval={approval} />
        {(impact !== undefined || risks.length > 0 || rollback !== undefined) && (
          <dl className="grid gap-x-6 gap-y-2 text-sm sm:grid-cols-2">
            {impact !== undefined && <Fact name="What changes outside" text={impact} />}
            {risks.length > 0 && <Fact name={risks.length === 1 ? "Risk" : "Risks"} text={risks.join("\n")} />}
            {rollback !== undefined && <Fact name="How to take it back" text={rollback} />}
          </dl>
        )}
        {note !== null && (
          <input
            autoFocus
            aria-label="Note for the agent and the record"
            placeholder="A note for the agent and the record"
            maxLength={500}
            value={note}
            onChange={(event) => setNote(event.target.value)}
            className={inputLook}
          />
        )}
        {/* On a phone the answers stay in reach however long the call is. */}
        <div className="flex flex-wrap items-center gap-2 narrow:sticky narrow:bottom-0 narrow:-mx-4 narrow:-mb-4 narrow:border-t narrow:border-line narrow:bg-panel narrow:px-4 narrow:py-3">
          <Button look="approve" onClick={() => answer("approve")} busy={decide.isPending} className="narrow:h-11 narrow:flex-1">
            <Check size={16} aria-hidden /> Approve {hasKeys && <KeyHint>a</KeyHint>}
          </Button>
          <Button look="danger" onClick={() => answer("deny")} busy={decide.isPending} className="narrow:h-11 narrow:flex-1">
            <X size={16} aria-hidden /> Deny {hasKeys && <KeyHint>d</KeyHint>}
          </Button>
          {approval.status === "pending" && (
            <Button look="quiet" onClick={() => answer("hold")} busy={decide.isPending} title="Tell the others that you are looking at it">
              <Hand size={16} aria-hidden /> Hold {hasKeys && <KeyHint>h</KeyHint>}
            </Button>
          )}
          {note === null && (
            <Button look="quiet" className="narrow:-ml-3.5" onClick={() => setNote("")}>
              Add a note
            </Button>
          )}
          <span className="ml-auto flex flex-wrap items-center gap-x-4 gap-y-1">
            <WhyLink
              asking={{
                action: approval.action,
                who: approval.requested_by,
                target: approval.target ?? { type: "resource", id: approval.title },
                session: approval.session_id,
              }}
            >
              Why a person is asked
            </WhyLink>
            {showSession && approval.session_id !== null && (
              <Link to="/sessions/$sessionId" params={{ sessionId: approval.session_id }} className="text-sm underline underline-offset-2">
                Open its session
              </Link>
            )}
          </span>
        </div>
      </div>
    </article>
  );
}

const KeyHint = ({ children }: { children: string }) => (
  <span aria-hidden className="ml-0.5 opacity-80 narrow:hidden">
    <Keys keys={children} />
  </span>
);

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <dt className="plate">{name}</dt>
      <dd className="mt-0.5 whitespace-pre-line text-ink-2">{text}</dd>
    </div>
  );
}

function Expiry({ at }: { at: string }) {
  const left = remaining(at, useNow());
  return (
    <p
      className="flex shrink-0 items-center gap-1.5 text-sm whitespace-nowrap text-signal-ink"
      title={`Expires ${new Date(at).toLocaleString()}`}
    >
      <Hourglass size={14} aria-hidden />
      {left === null ? "expired" : `${left} left`}
    </p>
  );
}
