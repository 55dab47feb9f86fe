import type { SessionView } from "@signalbox/contract/sessions";
import { Link } from "@tanstack/react-router";
import { GitBranch } from "lucide-react";
import { count, money, repositoryName } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Timestamp } from "@signalbox/ui/timestamp";
import { changedLines, detailOf, lampOf, stateWord } from "./state.ts";

interface SessionRowProps {
  session: SessionView;
  isSelected: boolean;
  linkRef(element: HTMLElement | null): void;
  onFocus(): void;
}

export function SessionRow({ session, isSelected, linkRef, onFocus }: SessionRowProps) {
  const lamp = lampOf(session);
  const detail = detailOf(session);
  const lines = changedLines(session.files_changed);
  return (
    <li>
      <Link
        ref={linkRef}
        to="/sessions/$sessionId"
        params={{ sessionId: session.id }}
        onFocus={onFocus}
        className={`grid grid-cols-[auto_1fr_auto] items-start gap-x-3.5 px-4 py-3.5 -outline-offset-2 hover:bg-raised ${isSelected ? "bg-raised" : ""} ${lamp === "wants" ? "bg-signal-wash hover:bg-signal-wash" : ""}`}
      >
        <span className="flex h-6 items-center">
          <Lamp state={lamp} />
        </span>
        <span className="min-w-0">
          <span className="clamp-1 block font-semibold">{session.title}</span>
          <span
            className={`clamp-1 block text-sm ${lamp === "wants" ? "text-signal-ink" : lamp === "danger" ? "text-danger-ink" : "text-ink-2"}`}
          >
            <span className="font-medium">{stateWord(session)}</span>
            {detail !== null && <span> · {detail}</span>}
          </span>
          <span className="mt-0.5 flex flex-wrap items-center gap-x-3 text-sm text-ink-3">
            <span className="inline-flex max-w-64 items-center gap-1">
              <GitBranch size={12} aria-hidden className="shrink-0" />
              <span className="clamp-1">{session.source.type === "repository" ? repositoryName(session.source.url) : "scratch"}</span>
            </span>
            <span className="clamp-1 max-w-52">{session.model}</span>
            {session.files_changed.length > 0 && (
              <span>
                {count(session.files_changed.length, "file")} <span className="text-clear-ink">+{lines.additions}</span>{" "}
                <span className="text-danger-ink">−{lines.deletions}</span>
              </span>
            )}
          </span>
        </span>
        <span className="text-right text-sm">
          <Timestamp at={session.updated_at} className="block whitespace-nowrap text-ink-3" />
          <span className="block text-ink-2">{money(session.cost_micro_usd)}</span>
        </span>
      </Link>
    </li>
  );
}
