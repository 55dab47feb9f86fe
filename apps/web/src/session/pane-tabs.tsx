import { Link } from "@tanstack/react-router";
import type { SessionView } from "@signalbox/contract/sessions";
import { useScrolledTo } from "@signalbox/ui/use-scrolled-to";
import type { ReactNode } from "react";
import { PANES, type Pane, type PaneName } from "./panes/panes.ts";

/** The parts of a session, each with an address; on a narrow screen the conversation is one of them. */
export function PaneTabs({
  session,
  shown,
  withConversation = false,
}: {
  session: SessionView;
  shown: string;
  withConversation?: boolean;
}) {
  const waiting = session.pending_approvals + (session.pending_questions ?? 0);
  const bar = useScrolledTo<HTMLElement>("[aria-current]", shown);
  return (
    <nav
      ref={bar}
      aria-label="Parts of the session"
      className="flex shrink-0 gap-0.5 overflow-x-auto border-b border-line bg-panel px-2 [scrollbar-width:none] narrow:gap-1"
    >
      {withConversation && (
        <Tab name="Conversation" isShown={shown === "conversation"} badge={waiting === 0 ? null : waiting} wantsYou pane={undefined} />
      )}
      {PANES.map((pane) => (
        <PaneTab key={pane.name} session={session} pane={pane} isShown={shown === pane.name} />
      ))}
    </nav>
  );
}

function PaneTab({ session, pane, isShown }: { session: SessionView; pane: Pane; isShown: boolean }) {
  return (
    <Tab name={pane.label} isShown={isShown} badge={pane.Badge === undefined ? null : <pane.Badge session={session} />} pane={pane.name} />
  );
}

function Tab({
  name,
  isShown,
  badge,
  wantsYou = false,
  pane,
}: {
  name: string;
  isShown: boolean;
  badge: ReactNode;
  wantsYou?: boolean;
  pane: PaneName | undefined;
}) {
  return (
    <Link
      to="."
      search={(previous) => ({ ...previous, pane })}
      replace
      // Which part shows also depends on the width, so it is not for the address alone to say.
      activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }}
      activeProps={{}}
      aria-current={isShown ? "page" : undefined}
      className="-mb-px flex shrink-0 items-center gap-1.5 border-b-2 border-transparent px-2 py-2 text-sm narrow:px-2.5 text-ink-2 -outline-offset-2 hover:text-ink aria-[current]:border-ink aria-[current]:font-semibold aria-[current]:text-ink"
    >
      {name}
      <span
        className={`rounded-full px-1.5 text-plate empty:hidden ${wantsYou ? "bg-signal font-bold text-on-signal" : "bg-sunken text-ink-2"}`}
      >
        {badge}
      </span>
    </Link>
  );
}
