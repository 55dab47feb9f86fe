/*
 * One session: what is said in the middle, what it changed and recorded beside it.
 *
 *   asked ──► loaded ──┬── live: follows, can be answered
 *     │                ├── `at`: as it was then, nothing can be said
 *     └──► missing     └──► gone: deleted while it was open
 */
import type { ApprovalId } from "@signalbox/contract/primitives";
import type { SessionView } from "@signalbox/contract/sessions";
import { Skeleton } from "@signalbox/ui/placeholder";
import { SplitPane } from "@signalbox/ui/split-pane";
import { Trouble } from "@signalbox/ui/trouble";
import { useMedia } from "@signalbox/ui/use-media";
import { useQuery, type InfiniteData } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Suspense, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { approvalQuery, useDecide } from "../approvals/decide.ts";
import { isRefusal, queries } from "../data/api.ts";
import { isOpen, sessionQuery, useNames } from "../data/queries.ts";
import { Missing } from "../frame/crash.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { useTitle } from "../frame/title.ts";
import { PastFoot } from "../scrubber/past-foot.tsx";
import { SessionScrubber } from "../scrubber/session-scrubber.tsx";
import { useSessionScrub, useShown, type SessionScrub } from "../scrubber/use-session-scrub.ts";
import { isDeferred, isEnded, stateWord } from "../sessions/state.ts";
import { TryAgain } from "../sessions/try-again.tsx";
import { useAnnouncements } from "./announcer.ts";
import { Composer, queuedOf, type ComposerHandle } from "./composer/composer.tsx";
import { promptsQuery } from "./composer/prompt-queue.tsx";
import type { Conversation } from "./conversation.ts";
import type { ConversationStore } from "./conversation-store.ts";
import { ConversationView, Underway, underwayText } from "./conversation-view.tsx";
import { Gone } from "./gone.tsx";
import { SessionHeader } from "./header/session-header.tsx";
import { PaneTabs } from "./pane-tabs.tsx";
import { PANES } from "./panes/panes.ts";
import { PinnedPlan } from "./pinned-plan.tsx";
import { createOpenRows, Rows, type RowContext } from "./rows/row-context.ts";
import { NOTHING_QUEUED } from "./rows.ts";
import { sessionSource } from "./session-source.ts";
import { FailedStart, Starting } from "./starting.tsx";
import { useTurnCosts } from "./turn-costs.ts";
import { useConversationAt, useLiveConversation } from "./use-conversation.ts";

const route = getRouteApi("/frame/sessions/$sessionId");

// Every conversation needs it: it comes with the page, not after the first message has.
void import("@signalbox/ui/markdown-rendered").catch(() => undefined); // Asked for again where it is used, and there it says what is wrong.

/** From a list that was on screen: then the conversation is asked for at once, and not after the session. */
function knownSession(id: SessionView["id"]): SessionView | undefined {
  for (const [, list] of queries.getQueriesData<InfiniteData<{ items: SessionView[] }>>({ queryKey: ["sessions", "list"] })) {
    const found = list?.pages.flatMap(({ items }) => items).find((session) => session.id === id);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function SessionPage() {
  const { sessionId } = route.useParams();
  const session = useQuery({ ...sessionQuery(sessionId), placeholderData: () => knownSession(sessionId) });
  // What was on screen when it was deleted is known to be there no more; a reader must not go on as if it were.
  const isMissing = session.error !== null && isRefusal(session.error, "session_not_found");
  if (isMissing) return session.data === undefined ? <Missing /> : <Gone id={session.data.id} title={session.data.title} />;
  if (session.data !== undefined) return <Loaded key={sessionId} session={session.data} />;
  if (session.error !== null) return <Trouble error={session.error} onRetry={() => void session.refetch()} className="m-6" />;
  return (
    <div className="mx-auto max-w-3xl p-8">
      <Skeleton rows={4} className="h-20" />
    </div>
  );
}

function Loaded({ session }: { session: SessionView }) {
  const live = useLiveConversation(session);
  useAnnouncements(live);
  useTitle(session.title);
  const isGone = useSyncExternalStore(live?.subscribe ?? none, () => live?.get().phase === "gone");
  if (isGone) return <Gone id={session.id} title={session.title} />;
  if (live === null) return null;
  return <Workplace session={session} live={live} />;
}
const none = (): (() => void) => () => undefined;

function Workplace({ session, live }: { session: SessionView; live: ConversationStore }) {
  const { pane, at: moment, call, message, run } = route.useSearch();
  const navigate = useNavigate();
  const at = moment ?? null;
  const isWide = useMedia("(min-width: 1200px)");
  const isImported = session.imported != null;
  const cost = useConversation(live, ({ cost }) => cost);
  const lastSeq = useConversation(live, ({ lastSeq }) => lastSeq);
  const through = useSessionScrub({ of: { session: session.id }, source: () => sessionSource(session), live, at, lastSeq });

  const panes = PANES.map(({ name }) => name);
  const shown = pane ?? (isWide ? "changes" : "conversation");
  const turn = (by: 1 | -1): void => {
    const parts: (typeof pane)[] = isWide ? [...panes] : [undefined, ...panes];
    const next = parts[(parts.indexOf(isWide ? (pane ?? "changes") : pane) + by + parts.length) % parts.length];
    void navigate({ to: ".", search: (previous) => ({ ...previous, pane: next }), replace: true });
  };
  useShortcuts([
    { keys: "]", label: "Next pane", run: () => turn(1) },
    { keys: "[", label: "Pane before", run: () => turn(-1) },
  ]);

  const Beside = (PANES.find(({ name }) => name === shown) ?? PANES[0]!).Component;
  const beside = (
    <Suspense fallback={<Skeleton rows={4} className="m-4 h-10" />}>
      <Beside session={session} conversation={live} at={at} />
    </Suspense>
  );
  const timeline = <SessionScrubber through={through} isOver={isImported || isEnded(session.status)} canOpenChanges />;
  const conversation = (
    <Talk
      session={session}
      live={live}
      through={through}
      isImported={isImported}
      target={call ?? message ?? run ?? null}
      aboveComposer={isWide ? null : timeline}
    />
  );
  return (
    <div className="flex h-full flex-col">
      <SessionHeader session={session} cost={cost} isImported={isImported} />
      {isWide && timeline}
      {!isWide && <PaneTabs session={session} shown={shown} withConversation />}
      {isWide ? (
        <SplitPane
          label="Conversation and what is beside it"
          storageKey="session"
          initial={60}
          min={35}
          max={80}
          className="flex-1"
          first={conversation}
          second={
            <aside aria-label="Beside the conversation" className="flex min-h-0 flex-1 flex-col bg-panel">
              <PaneTabs session={session} shown={shown} />
              {beside}
            </aside>
          }
        />
      ) : shown === "conversation" ? (
        conversation
      ) : (
        <section className="flex min-h-0 min-w-0 flex-1 flex-col bg-panel">{beside}</section>
      )}
    </div>
  );
}

interface TalkProps {
  session: SessionView;
  live: ConversationStore;
  through: SessionScrub;
  isImported: boolean;
  /** The item that the address names. */
  target: string | null;
  aboveComposer: ReactNode;
}

function Talk({ session, live, through, isImported, target, aboveComposer }: TalkProps) {
  const at = useShown(through);
  const store = useConversationAt(live, through.source, at) ?? live;
  const composer = useRef<ComposerHandle>(null);
  const [openRows] = useState(createOpenRows);
  const nameOf = useNames();
  const { data: prompts } = useQuery({
    ...promptsQuery(session.id),
    enabled: !isImported && (session.current_run !== null || session.queued_prompts !== 0),
  });
  const decide = useDecide();
  const isReadOnly = isImported || at !== null;
  const ended = isEnded(session.status);

  const keyedApproval = useConversation(live, openApproval);
  const keyedQuestion = useConversation(live, openQuestion);
  const answer = (decision: "approve" | "deny" | "hold"): void => {
    if (keyedApproval === null || isReadOnly || decide.isPending) return;
    // Not before its card is there, nor once it was decided and the conversation has yet to say so.
    const approval = queries.getQueryData(approvalQuery(keyedApproval).queryKey);
    if (approval !== undefined && isOpen(approval)) decide.mutate({ id: keyedApproval, decision });
  };
  useShortcuts(
    keyedApproval === null || isReadOnly
      ? []
      : [
          { keys: "a", label: "Approve what waits here", run: () => answer("approve") },
          { keys: "d", label: "Deny what waits here", run: () => answer("deny") },
          { keys: "h", label: "Hold what waits here", run: () => answer("hold") },
        ],
  );

  const lastSeq = useConversation(store, ({ lastSeq }) => lastSeq);
  const endedRuns = useConversation(store, ({ endedRuns }) => endedRuns.size);
  const costOf = useTurnCosts(session.id, lastSeq, isImported ? 0 : endedRuns);
  const names = session.imported?.names;
  const canWrite = !isReadOnly && !ended;
  const context: RowContext = {
    store,
    session,
    isReadOnly,
    nameOf: (id) =>
      id === session.agent_id
        ? "Agent"
        : names === undefined
          ? nameOf(id)
          : id === null
            ? "nobody"
            : (names[id] ?? (id.startsWith("agt_") ? "Agent" : "Somebody")),
    keyedApproval,
    keyedQuestion,
    openRows,
    linkTo: ({ id, type }) => {
      const address = new URL(window.location.href);
      address.search = new URLSearchParams(type === "tool_call" ? { call: id } : { message: id }).toString();
      return address.href;
    },
    quote: canWrite ? (text) => composer.current?.quote(text) : null,
    costOf,
  };

  const waiting = queuedOf(session, prompts?.items ?? [])
    .map(({ run_id: run }) => run)
    .join(" ");
  const queued = useMemo(() => (waiting === "" ? NOTHING_QUEUED : new Set(waiting.split(" "))), [waiting]);
  const progress = useConversation(live, ({ progress }) => progress);
  const isSaying = useConversation(live, ({ parts }) => parts.length > 0);
  const isEmpty = useConversation(store, ({ items }) => items.size === 0);
  const isStarting = (session.status === "creating" && !isDeferred(session)) || session.status === "resuming";
  const isWorking = session.status === "running" && session.current_run !== null;
  const needs = session.pending_approvals + (session.pending_questions ?? 0) > 0;
  const underway =
    at !== null || isSaying || needs || isEmpty ? null : isStarting || isWorking ? (
      <Underway text={underwayText(session, progress)} />
    ) : session.status === "failed" && session.tool_calls === 0 ? (
      <FailedStart session={session} />
    ) : session.outcome === "failed" && !ended && !isReadOnly ? (
      <div className="ml-8 pb-4">
        <TryAgain sessionId={session.id} />
      </div>
    ) : null;

  return (
    <Rows value={context}>
      <section aria-label="What is said" className="flex min-h-0 min-w-0 flex-1 flex-col">
        {at === null && <PinnedPlan store={live} runId={session.current_run?.id ?? null} />}
        <ConversationView
          key={at === null ? "live" : "then"}
          store={store}
          queued={at === null ? queued : NOTHING_QUEUED}
          target={target}
          empty={
            at === null ? (
              <Starting session={session} store={live} progress={progress} />
            ) : (
              <p className="py-12 text-center text-ink-2">Nothing had been said yet.</p>
            )
          }
          underway={underway}
        />
        {aboveComposer}
        {at !== null ? (
          <PastFoot scrub={through.scrub} what="The session" />
        ) : isImported ? (
          <Foot>Imported from {session.imported?.from}: it can be read and scrubbed, and nothing can be said to it.</Foot>
        ) : ended ? (
          <Foot>
            {stateWord(session)}
            {session.status_reason !== null && `: ${session.status_reason.replace(/\.$/, "")}`}. Resume it to go on with the same files and
            conversation.
          </Foot>
        ) : (
          <Composer ref={composer} session={session} store={live} />
        )}
      </section>
    </Rows>
  );
}

function Foot({ children }: { children: ReactNode }) {
  return <p className="shrink-0 border-t border-line px-4 py-3.5 text-center text-sm text-ink-2">{children}</p>;
}

/** Something of a conversation; drawn again only when that changes. */
function useConversation<T>(store: ConversationStore, pick: (conversation: Conversation) => T): T {
  return useSyncExternalStore(store.subscribe, () => pick(store.get().conversation));
}

/** The one that has waited longest. */
function openApproval({ items }: Conversation): ApprovalId | null {
  for (const item of items.values())
    if (item.type === "approval" && isOpen({ status: item.status ?? "pending" })) return item.approval_id as ApprovalId;
  return null;
}

function openQuestion({ items }: Conversation): string | null {
  for (const item of items.values()) if (item.type === "question" && item.status === "open") return item.question_id;
  return null;
}
