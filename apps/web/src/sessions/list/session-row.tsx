/* One session in the list: how it stands, what it does, what it cost, what it changed. */
import type { SessionView } from "@signalbox/contract/sessions";
import { Badge } from "@signalbox/ui/badge";
import { Checkbox } from "@signalbox/ui/checkbox";
import { count, money, oneLine, repositoryName } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Meter } from "@signalbox/ui/meter";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Link } from "@tanstack/react-router";
import { Cpu, FileDiff, GitBranch, Import, Layers, User } from "lucide-react";
import { changedLines, detailOf, isEnded, lampOf, stateWord } from "../state.ts";
import { RowMenu } from "./row-menu.tsx";

interface SessionRowProps {
  session: SessionView;
  isSelected: boolean;
  isPicked: boolean;
  nameOf(id: string): string;
  linkRef(element: HTMLElement | null): void;
  onFocus(): void;
  onPick(): void;
  onPeek(): void;
}

const OUTCOME = { succeeded: "last turn succeeded", failed: "last turn failed", canceled: "last turn canceled" } as const;

export function SessionRow({ session, isSelected, isPicked, nameOf, linkRef, onFocus, onPick, onPeek }: SessionRowProps) {
  const lamp = lampOf(session);
  const waits = session.pending_approvals + session.pending_questions;
  return (
    <div
      className={`group relative flex items-start gap-3 px-4 py-3 ${lamp === "wants" ? "bg-signal-wash" : isSelected || isPicked ? "bg-raised" : "hover:bg-raised"}`}
    >
      <span className="relative z-10 -mr-1 narrow:hidden">
        <Checkbox label={<span className="sr-only">Pick {session.title}</span>} checked={isPicked} onChange={onPick} />
      </span>
      <span className="flex h-6 items-center">
        <Lamp state={lamp} />
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex min-w-0 items-center gap-2">
          {/* The link covers the row; what can be pressed in it lies above. */}
          <Link
            ref={linkRef}
            to="/sessions/$sessionId"
            params={{ sessionId: session.id }}
            onFocus={onFocus}
            title={session.title}
            className="clamp-1 min-w-0 font-semibold outline-none after:absolute after:inset-0 focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-moving"
          >
            {session.title}
          </Link>
          <span className="flex shrink-0 items-center gap-1.5">
            {waits > 0 && !isEnded(session.status) && (
              <Badge tone="wants">{waits === 1 ? "1 waits for you" : `${waits} wait for you`}</Badge>
            )}
            {session.queued_prompts > 0 && <Badge icon={<Layers size={11} aria-hidden />}>{session.queued_prompts} queued</Badge>}
            {session.imported != null && <Badge icon={<Import size={11} aria-hidden />}>imported</Badge>}
          </span>
        </p>
        <StateLine session={session} />
        <Facts session={session} nameOf={nameOf} />
      </div>
      <div className="flex shrink-0 flex-col items-end gap-1 text-sm narrow:hidden">
        <Timestamp at={session.updated_at} className="text-ink-3" />
        <span className="flex items-center gap-2" title={`${money(session.cost_micro_usd)} of ${money(session.budget_micro_usd)}`}>
          <span className="text-ink-2 tabular-nums">{money(session.cost_micro_usd)}</span>
          <Meter
            label="Cost against budget"
            value={session.cost_micro_usd}
            max={session.budget_micro_usd}
            text={`${money(session.cost_micro_usd)} of ${money(session.budget_micro_usd)}`}
          />
        </span>
      </div>
      <span className="relative z-10 -mr-2">
        <RowMenu session={session} onPeek={onPeek} />
      </span>
    </div>
  );
}

/** The word, what is worth saying beside it, and, while it moves, since when it is at that. */
function StateLine({ session }: { session: SessionView }) {
  const lamp = lampOf(session);
  const isMoving = lamp === "moving";
  const last = isMoving ? null : (session.summary ?? session.last_message);
  const said = detailOf(session) ?? (last === null ? null : oneLine(last));
  const outcome =
    !isMoving && lamp !== "danger" && session.outcome !== null && session.outcome !== "succeeded" ? OUTCOME[session.outcome] : null;
  return (
    <p
      className={`flex min-w-0 gap-1.5 text-sm ${lamp === "wants" ? "text-signal-ink" : lamp === "danger" ? "text-danger-ink" : "text-ink-2"}`}
    >
      <span className="shrink-0 font-medium">{stateWord(session)}</span>
      {outcome !== null && <span className="shrink-0 text-danger-ink">· {outcome}</span>}
      {said !== null && (
        <span className="clamp-1 min-w-0" title={said}>
          · {said}
        </span>
      )}
      {isMoving && session.latest_step_at !== null && (
        <span className="shrink-0 text-ink-3">
          · <Timestamp at={session.latest_step_at} />
        </span>
      )}
    </p>
  );
}

function Facts({ session, nameOf }: { session: SessionView; nameOf(id: string): string }) {
  const lines = changedLines(session.files_changed);
  const by = session.imported?.names[session.created_by] ?? nameOf(session.created_by);
  return (
    <p className="mt-0.5 flex flex-wrap items-center gap-x-3 gap-y-0.5 text-sm text-ink-3">
      <Fact icon={<GitBranch size={12} aria-hidden />} title={session.source.type === "repository" ? session.source.url : undefined}>
        {session.source.type === "repository" ? repositoryName(session.source.url) : "empty folder"}
      </Fact>
      <Fact icon={<Cpu size={12} aria-hidden />} isWideOnly>
        {session.model}
      </Fact>
      <Fact icon={<User size={12} aria-hidden />} isWideOnly={by === "You"}>
        {by === "You" ? "you" : by}
      </Fact>
      {session.files_changed.length > 0 && (
        <Fact icon={<FileDiff size={12} aria-hidden />}>
          {count(session.files_changed.length, "file")} <span className="text-clear-ink">+{lines.additions}</span>{" "}
          <span className="text-danger-ink">−{lines.deletions}</span>
        </Fact>
      )}
      {session.cost_micro_usd > 0 && <span className="hidden tabular-nums narrow:inline">{money(session.cost_micro_usd)}</span>}
      <span className="hidden narrow:inline">
        <Timestamp at={session.updated_at} />
      </span>
    </p>
  );
}

interface FactProps {
  icon: React.ReactNode;
  title?: string | undefined;
  /** A phone has no room for it. */
  isWideOnly?: boolean;
  children: React.ReactNode;
}
const Fact = ({ icon, title, isWideOnly = false, children }: FactProps) => (
  <span className={`inline-flex max-w-56 min-w-0 items-center gap-1 ${isWideOnly ? "narrow:hidden" : ""}`} title={title}>
    {icon}
    <span className="clamp-1">{children}</span>
  </span>
);
