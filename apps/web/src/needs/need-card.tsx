/* One thing that waits, in the form that its kind asks for. */
import type { AttentionItem, AttentionKind } from "@signalbox/contract/attention";
import { resolveInvocation } from "@signalbox/contract/gate";
import { isId } from "@signalbox/contract/ids";
import type { InvocationId, RunId } from "@signalbox/contract/primitives";
import { cancelRun } from "@signalbox/contract/runs";
import { Badge } from "@signalbox/ui/badge";
import { Button, buttonLook } from "@signalbox/ui/button";
import { Checkbox } from "@signalbox/ui/checkbox";
import { Markdown } from "@signalbox/ui/markdown";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleHelp, Clock, FileKey, Hand, OctagonAlert, ShieldQuestion, X } from "lucide-react";
import { useState } from "react";
import { ApprovalCard } from "../approvals/approval-card.tsx";
import { client } from "../data/api.ts";
import { refreshRun } from "../runs/refresh-run.ts";
import { ResolveRun } from "../runs/resolve-run.tsx";
import { TryAgain } from "../sessions/try-again.tsx";
import { refreshAttention } from "./attention-queries.ts";
import { QuestionCard } from "./question-card.tsx";

export const KIND_WORDS: Record<
  AttentionKind,
  { readonly one: string; readonly many: string; readonly icon: typeof Hand; readonly isBad: boolean }
> = {
  approval: { one: "Approval", many: "Approvals", icon: Hand, isBad: false },
  question: { one: "Question", many: "Questions", icon: CircleHelp, isBad: false },
  environment_request: { one: "Environment request", many: "Environment requests", icon: FileKey, isBad: false },
  run_failed: { one: "Failed run", many: "Failed runs", icon: OctagonAlert, isBad: true },
  run_needs_human: { one: "Run needs a person", many: "Runs that need a person", icon: Hand, isBad: false },
  run_stuck: { one: "Stuck run", many: "Stuck runs", icon: Clock, isBad: true },
  session_failed: { one: "Failed session", many: "Failed sessions", icon: OctagonAlert, isBad: true },
  projection_drifted: { one: "Differs from the log", many: "Differ from the log", icon: ShieldQuestion, isBad: true },
  invocation_unknown: { one: "Outcome unknown", many: "Outcomes unknown", icon: ShieldQuestion, isBad: true },
};

interface NeedCardProps {
  item: AttentionItem;
  hasKeys: boolean;
  isPicked: boolean;
  /** Null: there is only one, so there is nothing to pick from. */
  onPick: (() => void) | null;
  onDismiss(): void;
}

export function NeedCard({ item, hasKeys, isPicked, onPick, onDismiss }: NeedCardProps) {
  return (
    <div className="flex items-start gap-3">
      {onPick !== null && (
        <span className="pt-3 narrow:hidden">
          <Checkbox label={<span className="sr-only">Pick {item.title}</span>} checked={isPicked} onChange={onPick} />
        </span>
      )}
      <div className="min-w-0 flex-1">
        {item.approval !== null ? (
          <ApprovalCard approval={item.approval} hasKeys={hasKeys} showSession />
        ) : item.question !== null ? (
          <QuestionCard question={item.question} session={item.session} hasKeys={hasKeys} />
        ) : (
          <Notice item={item} onDismiss={onDismiss} />
        )}
      </div>
    </div>
  );
}

/** What went wrong or came to a stop, and the ways on from there. */
function Notice({ item, onDismiss }: { item: AttentionItem; onDismiss(): void }) {
  const { one, icon: Icon, isBad } = KIND_WORDS[item.kind];
  return (
    <article
      aria-label={`${one}: ${item.title}`}
      className={`soft-shadow rounded-lg border bg-panel ${isBad ? "border-danger-line" : "border-signal-line"}`}
    >
      <div className="flex items-start gap-3 px-4 py-3.5">
        <Icon size={20} aria-hidden className={`mt-0.5 shrink-0 ${isBad ? "text-danger-ink" : "text-signal-ink"}`} />
        <div className="min-w-0 flex-1">
          <p className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
            <Badge tone={isBad ? "danger" : "wants"}>{one}</Badge>
            <span className="text-sm text-ink-3">
              <Timestamp at={item.at} />
            </span>
          </p>
          <h2 className="mt-1 font-semibold">{item.title}</h2>
          {item.detail !== null && <Markdown text={item.detail} className="mt-1 max-h-40 overflow-y-auto text-sm text-ink-2" />}
          <div className="mt-3 flex flex-wrap items-center gap-2">
            <Ways item={item} />
            <Button look="quiet" onClick={onDismiss}>
              <X size={16} aria-hidden /> Dismiss
            </Button>
          </div>
        </div>
      </div>
    </article>
  );
}

function Ways({ item }: { item: AttentionItem }) {
  const { session, run_id: run, invocation_id: invocation, kind } = item;
  return (
    <>
      {session !== null && (
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: session.id }}
          search={run === null ? {} : { run }}
          className={buttonLook({ look: "solid" })}
        >
          Open the session
        </Link>
      )}
      {(kind === "run_failed" || kind === "session_failed") && session !== null && <TryAgain sessionId={session.id} />}
      {run !== null && (kind === "run_needs_human" || (kind === "run_failed" && session === null)) && <SayHowItEnded runId={run} />}
      {run !== null && kind === "run_stuck" && <CancelIt runId={run} />}
      {run !== null && (
        <Link to="/runs/$runId" params={{ runId: run }} className={buttonLook({ look: session === null ? "solid" : "plain" })}>
          {session === null ? "Open the run" : "Inspect"}
        </Link>
      )}
      {kind === "invocation_unknown" && isId("act", invocation) && <SayWhatBecame id={invocation} />}
    </>
  );
}

function SayHowItEnded({ runId }: { runId: RunId }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>Resolve…</Button>
      {isOpen && <ResolveRun runId={runId} onClose={() => setOpen(false)} />}
    </>
  );
}

function CancelIt({ runId }: { runId: RunId }) {
  const cancel = useMutation({
    mutationFn: () => client.call(cancelRun, { params: { id: runId }, body: { reason: "It was stuck." } }),
    onSuccess: () => {
      refreshRun(runId);
      toast("Canceled");
    },
    onError: (error) => toast(error.message, "danger"),
  });
  return (
    <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate()}>
      Cancel the run
    </Button>
  );
}

/** Only a person can find out whether it happened; nothing is executed again. */
function SayWhatBecame({ id }: { id: InvocationId }) {
  const say = useMutation({
    mutationFn: (outcome: "completed" | "failed") => client.call(resolveInvocation, { params: { id }, body: { outcome } }),
    onSuccess: refreshAttention,
    onError: (error) => toast(error.message, "danger"),
  });
  return (
    <>
      <Button busy={say.isPending} onClick={() => say.mutate("completed")}>
        It happened
      </Button>
      <Button busy={say.isPending} onClick={() => say.mutate("failed")}>
        It did not
      </Button>
    </>
  );
}
