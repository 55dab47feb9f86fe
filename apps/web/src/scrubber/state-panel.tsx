/* How it stood: status, turn, money, files, what waited for a person, and the plan. */
import type { ApprovalView } from "@signalbox/contract/approvals";
import type { RoomAt, SessionAt } from "@signalbox/contract/session-history";
import { count, money } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Meter } from "@signalbox/ui/meter";
import { Popover } from "@signalbox/ui/popover";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Link } from "@tanstack/react-router";
import { Check, Circle, CircleDot } from "lucide-react";
import type { ReactElement, ReactNode } from "react";
import { changedLines, lampOf, stateWord } from "../sessions/state.ts";

const link = "min-w-0 truncate text-left underline decoration-line-strong underline-offset-2 hover:decoration-ink";

export function SessionState({ state, isNow, canOpenChanges }: { state: SessionAt; isNow: boolean; canOpenChanges: boolean }) {
  const seen = {
    status: state.status ?? "creating",
    status_reason: state.status_reason,
    pending_approvals: state.pending_approvals.length,
    current_run: state.current_run as never,
  } as const;
  const lines = changedLines(state.files_changed);
  const waiting = state.pending_approvals.length + state.pending_questions.length;
  const done = state.plan.filter(({ status }) => status === "completed").length;
  const turns = state.runs.length;
  return (
    <dl className="grid grid-cols-[4.25rem_minmax(0,1fr)] gap-x-2 gap-y-1 text-sm" data-testid="state-then" data-seq={state.seq}>
      <Fact name="Status">
        {state.status === null ? (
          <span className="text-ink-3">Not created yet</span>
        ) : (
          <span className="flex min-w-0 items-center gap-1.5">
            <Lamp state={lampOf(seen)} size="sm" />
            <span className="shrink-0 font-semibold">{stateWord(seen)}</span>
            {turns > 0 && (
              <span className="truncate text-ink-3" title={state.current_run?.title ?? undefined}>
                · turn {turns}
                {state.current_run?.title != null && `: ${state.current_run.title}`}
              </span>
            )}
          </span>
        )}
      </Fact>
      <Fact name="Cost">
        <span className="flex items-center gap-2 tabular-nums">
          {money(state.cost_micro_usd)}
          <span className="text-ink-3">of {money(state.budget_micro_usd)}</span>
          <Meter
            label="Spent by this moment"
            value={state.cost_micro_usd}
            max={state.budget_micro_usd}
            text={`${money(state.cost_micro_usd)} of ${money(state.budget_micro_usd)}`}
          />
        </span>
      </Fact>
      <Fact name="Files">
        {state.files_changed.length === 0 ? (
          <span className="text-ink-3">{isNow && state.current_run !== null ? "counted when the turn ends" : "none changed"}</span>
        ) : canOpenChanges ? (
          <Link to="." search={(previous: object) => ({ ...previous, pane: "changes" as const })} replace className={`block ${link}`}>
            <FileCount n={state.files_changed.length} {...lines} />
          </Link>
        ) : (
          <FileCount n={state.files_changed.length} {...lines} />
        )}
      </Fact>
      <Fact name="Waiting">
        {waiting === 0 ? (
          <span className="text-ink-3">for nobody</span>
        ) : (
          <Details
            label="What waited for a person"
            trigger={
              <button type="button" className={`${link} flex max-w-full items-center gap-1.5 text-signal-ink`}>
                <Lamp state="wants" size="sm" />
                <span className="truncate">
                  {waiting === 1
                    ? (state.pending_approvals[0]?.title ?? state.pending_questions[0]?.text)
                    : `${count(waiting, "thing")} for a person`}
                </span>
              </button>
            }
          >
            <Waiting approvals={state.pending_approvals} isNow={isNow} />
            {state.pending_questions.map(({ id, text, asked_at: asked }) => (
              <Asked key={id} title={text} what="Question" at={asked} />
            ))}
          </Details>
        )}
      </Fact>
      <Fact name="Plan">
        {state.plan.length === 0 ? (
          <span className="text-ink-3">none</span>
        ) : (
          <Details
            label="The plan"
            trigger={
              <button type="button" className={`${link} block max-w-full`}>
                {done} of {state.plan.length}
                <span className="text-ink-3">
                  {" "}
                  · {(state.plan.find(({ status }) => status !== "completed") ?? state.plan.at(-1)!).content}
                </span>
              </button>
            }
          >
            <ul className="space-y-1">
              {state.plan.map(({ content, status }, i) => (
                <li key={i} className="flex gap-2">
                  <PlanSign status={status} />
                  <span className={status === "completed" ? "text-ink-3" : ""}>{content}</span>
                </li>
              ))}
            </ul>
          </Details>
        )}
      </Fact>
    </dl>
  );
}

export function RoomState({ state, isNow }: { state: RoomAt; isNow: boolean }) {
  const active = state.runs.filter(({ ended_seq: ended }) => ended === null).length;
  return (
    <dl className="grid grid-cols-[4.25rem_minmax(0,1fr)] gap-x-2 gap-y-px text-sm" data-testid="state-then" data-seq={state.seq}>
      <Fact name="Said">
        {count(state.messages, "message")} <span className="text-ink-3">in {count(state.threads.length, "thread")}</span>
      </Fact>
      <Fact name="Members">{state.members.length.toLocaleString()}</Fact>
      <Fact name="Runs">
        {state.runs.length === 0 ? <span className="text-ink-3">none</span> : count(state.runs.length, "run")}
        {active > 0 && <span className="text-ink-3"> · {active} under way</span>}
      </Fact>
      <Fact name="Cost">{money(state.cost_micro_usd)}</Fact>
      <Fact name="Waiting">
        {state.pending_approvals.length === 0 ? (
          <span className="text-ink-3">for nobody</span>
        ) : (
          <Details
            label="What waited for a person"
            trigger={
              <button type="button" className={`${link} flex max-w-full items-center gap-1.5 text-signal-ink`}>
                <Lamp state="wants" size="sm" />
                <span className="truncate">{count(state.pending_approvals.length, "approval")}</span>
              </button>
            }
          >
            <Waiting approvals={state.pending_approvals} isNow={isNow} />
          </Details>
        )}
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-ink-3">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  );
}

function FileCount({ n, additions, deletions }: { n: number; additions: number; deletions: number }) {
  return (
    <span className="tabular-nums">
      {count(n, "file")} changed <span className="text-clear-ink">+{additions.toLocaleString()}</span>{" "}
      <span className="text-danger-ink">−{deletions.toLocaleString()}</span>
    </span>
  );
}

function Details({ label, trigger, children }: { label: string; trigger: ReactElement; children: ReactNode }) {
  return (
    <Popover label={label} trigger={trigger} align="end" className="w-96 space-y-3 p-4">
      {children}
    </Popover>
  );
}

function Waiting({ approvals, isNow }: { approvals: readonly ApprovalView[]; isNow: boolean }) {
  if (approvals.length === 0) return null;
  return (
    <>
      {approvals.slice(0, 20).map(({ id, title, action, requested_at: at }) => (
        <Asked key={id} title={title} what={action} at={at} />
      ))}
      {!isNow && <p className="text-ink-3">This is how it stood then. What still waits is decided in the present.</p>}
    </>
  );
}
function Asked({ title, what, at }: { title: string; what: string; at: string }) {
  return (
    <div className="border-l-2 border-signal pl-3">
      <p className="font-semibold">{title}</p>
      <p className="text-ink-3">
        <span className="font-mono">{what}</span> · asked <Timestamp at={at} />
      </p>
    </div>
  );
}

function PlanSign({ status }: { status: "pending" | "in_progress" | "completed" }) {
  const [Icon, word] =
    status === "completed"
      ? ([Check, "Done"] as const)
      : status === "in_progress"
        ? ([CircleDot, "Under way"] as const)
        : ([Circle, "To do"] as const);
  return (
    <span className="mt-1 shrink-0 text-ink-3">
      <Icon size={13} aria-hidden />
      <span className="sr-only">{word}: </span>
    </span>
  );
}
