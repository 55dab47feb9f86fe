/* One session: what is said in the middle, what it changed and recorded beside it. */
import type { SessionView } from "@signalbox/contract/sessions";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Suspense, type ReactNode } from "react";
import { useDecide } from "../approvals/decide.ts";
import { isRefusal } from "../data/api.ts";
import { openApprovalsQuery, sessionQuery } from "../data/queries.ts";
import { Missing } from "../frame/crash.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { useTitle } from "../frame/title.ts";
import { isEnded, stateWord } from "../sessions/state.ts";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useMedia } from "@signalbox/ui/use-media";
import { Composer } from "./composer.tsx";
import { ConversationView } from "./conversation-view.tsx";
import { SessionHeader } from "./session-header.tsx";
import { PANES, type Pane } from "./panes/panes.ts";
import { useConversation } from "./use-conversation.ts";

const route = getRouteApi("/frame/sessions/$sessionId");

export function SessionPage() {
  const { sessionId } = route.useParams();
  const session = useQuery(sessionQuery(sessionId));
  if (session.data !== undefined) return <Loaded key={sessionId} session={session.data} />;
  if (session.error === null) {
    return (
      <div className="mx-auto max-w-3xl p-8">
        <Skeleton rows={4} className="h-20" />
      </div>
    );
  }
  return isRefusal(session.error, "session_not_found") ? (
    <Missing />
  ) : (
    <Trouble error={session.error} onRetry={() => void session.refetch()} className="m-6" />
  );
}

function Loaded({ session }: { session: SessionView }) {
  const { store, ...state } = useConversation(session);
  const { pane } = route.useSearch();
  const isWide = useMedia("(min-width: 1200px)");
  const { data: open } = useQuery(openApprovalsQuery);
  const decide = useDecide();
  useTitle(session.title);

  const waiting = open?.find((approval) => approval.session_id === session.id);
  const answer = (decision: "approve" | "deny" | "hold"): void => {
    if (waiting !== undefined && !decide.isPending) decide.mutate({ id: waiting.id, decision });
  };
  useShortcuts([
    { keys: "a", label: "Approve what waits here", run: () => answer("approve") },
    { keys: "d", label: "Deny what waits here", run: () => answer("deny") },
    { keys: "h", label: "Hold what waits here", run: () => answer("hold") },
  ]);

  const shown = pane ?? (isWide ? "changes" : "conversation");
  const Beside = (PANES.find(({ name }) => name === shown) ?? PANES[0]!).Component;
  const beside = <Suspense>{store !== null && <Beside session={session} conversation={store} at={null} />}</Suspense>;
  return (
    <div className="flex h-full flex-col">
      <SessionHeader session={session} cost={state.conversation.cost} />
      {!isWide && <Tabs session={session} shown={shown} withConversation />}
      <div className="flex min-h-0 flex-1">
        {(isWide || shown === "conversation") && (
          <section className="flex min-w-0 flex-1 flex-col">
            <ConversationView session={session} state={state} keyedApproval={waiting?.id ?? null} onRetry={() => store?.retry()} />
            {isEnded(session.status) ? <Ended session={session} /> : <Composer session={session} />}
          </section>
        )}
        {isWide && (
          <aside className="flex w-[27rem] min-w-0 shrink-0 flex-col border-l border-line bg-panel 2xl:w-[36rem]">
            <Tabs session={session} shown={shown} />
            {beside}
          </aside>
        )}
        {!isWide && shown !== "conversation" && <section className="flex min-w-0 flex-1 flex-col bg-panel">{beside}</section>}
      </div>
    </div>
  );
}

function Tabs({ session, shown, withConversation = false }: { session: SessionView; shown: string; withConversation?: boolean }) {
  return (
    <nav aria-label="Parts of the session" className="flex shrink-0 gap-1 border-b border-line bg-panel px-3">
      {withConversation && (
        <Tab
          name="Conversation"
          isShown={shown === "conversation"}
          badge={session.pending_approvals === 0 ? null : session.pending_approvals}
          wantsYou
          pane={undefined}
        />
      )}
      {PANES.map((pane) => (
        <PaneTab key={pane.name} session={session} pane={pane} isShown={shown === pane.name} />
      ))}
    </nav>
  );
}

function PaneTab({ session, pane, isShown }: { session: SessionView; pane: Pane; isShown: boolean }) {
  return (
    <Tab
      name={pane.label}
      isShown={isShown}
      badge={pane.Badge === undefined ? null : <pane.Badge session={session} />}
      pane={pane.name as "changes" | "events"}
    />
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
  pane: "changes" | "events" | undefined;
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
      className="-mb-px flex items-center gap-1.5 border-b-2 border-transparent px-2.5 py-2 text-sm text-ink-2 hover:text-ink aria-[current]:border-ink aria-[current]:font-semibold aria-[current]:text-ink"
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

function Ended({ session }: { session: SessionView }) {
  return (
    <p className="border-t border-line px-4 py-4 text-center text-sm text-ink-2">
      {stateWord(session)}
      {session.status_reason !== null && `: ${session.status_reason}`}. Resume it to go on with the same files and conversation.
    </p>
  );
}
