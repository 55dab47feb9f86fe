/* One session: what is said in the middle, what it changed and recorded beside it. */
import type { SessionView } from "@signalbox/contract/sessions";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useDecide } from "../approvals/decide.ts";
import { isRefusal } from "../data/api.ts";
import { diffQuery, openApprovalsQuery, sessionQuery } from "../data/queries.ts";
import { Missing } from "../frame/crash.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { useTitle } from "../frame/title.ts";
import { isEnded, stateWord } from "../sessions/state.ts";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useMedia } from "@signalbox/ui/use-media";
import { ChangesPane } from "./changes-pane.tsx";
import { Composer } from "./composer.tsx";
import { ConversationView } from "./conversation-view.tsx";
import { SessionHeader } from "./session-header.tsx";
import { useConversation } from "./use-conversation.ts";

const EventsPane = lazy(() => import("./events-pane.tsx").then(({ EventsPane }) => ({ default: EventsPane })));
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
  const beside = <Suspense>{shown === "events" ? <EventsPane roomId={session.room_id} /> : <ChangesPane session={session} />}</Suspense>;
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
  const { data: diff } = useQuery(diffQuery(session));
  const tabs = [
    ...(withConversation
      ? [{ name: "Conversation", value: "conversation", pane: undefined, badge: session.pending_approvals } as const]
      : []),
    { name: "Changes", value: "changes", pane: "changes", badge: diff?.files.length ?? session.files_changed.length } as const,
    { name: "Events", value: "events", pane: "events", badge: 0 } as const,
  ];
  return (
    <nav aria-label="Parts of the session" className="flex shrink-0 gap-1 border-b border-line bg-panel px-3">
      {tabs.map(({ name, value, pane, badge }) => (
        <Link
          key={name}
          to="."
          search={(previous) => ({ ...previous, pane })}
          replace
          // Which part shows also depends on the width, so it is not for the address alone to say.
          activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }}
          activeProps={{}}
          aria-current={shown === value ? "page" : undefined}
          className="-mb-px flex items-center gap-1.5 border-b-2 border-transparent px-2.5 py-2 text-sm text-ink-2 hover:text-ink aria-[current]:border-ink aria-[current]:font-semibold aria-[current]:text-ink"
        >
          {name}
          {badge > 0 && (
            <span
              className={`rounded-full px-1.5 text-plate ${value === "conversation" ? "bg-signal font-bold text-on-signal" : "bg-sunken text-ink-2"}`}
            >
              {badge}
            </span>
          )}
        </Link>
      ))}
    </nav>
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
