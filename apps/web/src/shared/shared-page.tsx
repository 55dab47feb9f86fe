/* A session that somebody shared by a link: read along, live, without an account and without a say. */
import { getShared, type SharedSession } from "@signalbox/contract/shares";
import { Badge, Status } from "@signalbox/ui/badge";
import { LinkButton } from "@signalbox/ui/button";
import { count, money, remaining } from "@signalbox/ui/format";
import { useNow } from "@signalbox/ui/now";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Hourglass, Link2Off } from "lucide-react";
import { useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";
import { client, isRefusal, queries } from "../data/api.ts";
import { Mark } from "../frame/mark.tsx";
import { inOrder } from "../session/conversation.ts";
import { openConversation, type ConversationSource, type ConversationStore } from "../session/conversation-store.ts";
import { ConversationView } from "../session/conversation-view.tsx";
import { createOpenRows, Rows, type RowContext } from "../session/rows/row-context.ts";
import { useConversationAt } from "../session/use-conversation.ts";
import { PastFoot } from "../scrubber/past-foot.tsx";
import { SessionScrubber } from "../scrubber/session-scrubber.tsx";
import { useSessionScrub, useShown } from "../scrubber/use-session-scrub.ts";
import { isEnded, lampOf, stateWord } from "../sessions/state.ts";
import { sharedSource } from "./shared-source.ts";

const route = getRouteApi("/shared/$token");
const GUARD_MS = 30_000;

const sharedQuery = (token: string) =>
  queryOptions({
    queryKey: ["shared", token],
    queryFn: ({ signal }) => client.call(getShared, { params: { token }, signal }),
    refetchInterval: (query) => (query.state.error === null ? GUARD_MS : false),
  });

export function SharedPage() {
  const { token } = route.useParams();
  const shared = useQuery(sharedQuery(token));
  useEffect(() => {
    document.title = `${shared.data?.title ?? "Shared session"} · Signalbox`;
  }, [shared.data?.title]);
  if (shared.error !== null && isRefusal(shared.error, "share_expired"))
    return (
      <Over
        icon={<Hourglass size={28} />}
        title="This link has expired"
        text="It opened a session for a while, and that is over. Whoever gave it to you can make another."
      />
    );
  if (shared.error !== null && isRefusal(shared.error, "share_revoked"))
    return (
      <Over
        icon={<Link2Off size={28} />}
        title="This link was taken back"
        text="Whoever gave it to you has ended it. They can make another."
      />
    );
  if (shared.error !== null && isRefusal(shared.error, "share_not_found"))
    return (
      <Over icon={<Link2Off size={28} />} title="This link opens nothing" text="It may be cut short: check that you have all of it." />
    );
  if (shared.data !== undefined) return <Loaded key={token} token={token} shared={shared.data} />;
  return (
    <main className="mx-auto max-w-3xl p-6">
      {shared.error === null ? (
        <Skeleton rows={4} className="h-16" />
      ) : (
        <Trouble error={shared.error} onRetry={() => void shared.refetch()} />
      )}
    </main>
  );
}

function Over({ icon, title, text }: { icon: ReactNode; title: string; text: string }) {
  return (
    <main className="flex min-h-dvh flex-col justify-center pb-24">
      <Empty
        icon={icon}
        title={title}
        action={
          <LinkButton href="/" look="plain">
            Sign in to Signalbox
          </LinkButton>
        }
      >
        {text}
      </Empty>
    </main>
  );
}

function Loaded({ token, shared }: { token: string; shared: SharedSession }) {
  const [opened, setOpened] = useState<{ source: ConversationSource; store: ConversationStore } | null>(null);
  useEffect(() => {
    const source = sharedSource(token, () => void queries.invalidateQueries({ queryKey: sharedQuery(token).queryKey }));
    const store = openConversation(source);
    // oxlint-disable-next-line react/set-state-in-effect -- the store is the external thing that the effect opens
    setOpened({ source, store });
    return () => store.close();
  }, [token]);
  return opened === null ? null : <Reading token={token} shared={shared} {...opened} />;
}

const lastOf = (live: ConversationStore) => inOrder(live.get().conversation.items).findLast(({ type }) => type !== "notice");

interface ReadingProps {
  token: string;
  shared: SharedSession;
  source: ConversationSource;
  store: ConversationStore;
}

function Reading({ token, shared, source, store: live }: ReadingProps) {
  const { at: moment } = route.useSearch();
  const lastSeq = useSyncExternalStore(live.subscribe, () => live.get().conversation.lastSeq);
  const through = useSessionScrub({ of: { token }, source: () => source, live, at: moment ?? null, lastSeq });
  const at = useShown(through);
  const store = useConversationAt(live, through.source, at) ?? live;
  const isOver = useSyncExternalStore(live.subscribe, () => live.get().phase === "gone");
  useEffect(() => {
    if (isOver) void queries.invalidateQueries({ queryKey: ["shared"] });
  }, [isOver]);
  const [openRows] = useState(createOpenRows);
  const context: RowContext = useMemo(
    () => ({
      store,
      session: null,
      isReadOnly: true,
      nameOf: (id) => (id === null ? "Agent" : (shared.people[id] ?? (id.startsWith("agt_") ? "Agent" : "Somebody"))),
      keyedApproval: null,
      keyedQuestion: null,
      openRows,
      linkTo: () => window.location.href,
      quote: null,
      costOf: () => null,
    }),
    [store, shared.people, openRows],
  );
  // Whoever only reads along is not told of runs: what was said last says whether one is under way.
  const isOnTurn = useSyncExternalStore(live.subscribe, () => lastOf(live)?.type !== "run_ended");
  const state = { ...shared, current_run: shared.status === "running" && isOnTurn ? {} : null };
  return (
    <div className="flex h-dvh flex-col">
      <SharedHeader
        shared={shared}
        word={stateWord(state as Parameters<typeof stateWord>[0])}
        lamp={lampOf(state as Parameters<typeof lampOf>[0])}
      />
      <SessionScrubber through={through} isOver={isEnded(shared.status)} canOpenChanges={false} />
      <main className="flex min-h-0 flex-1 flex-col">
        <Rows value={context}>
          <ConversationView
            key={at === null ? "live" : "then"}
            store={store}
            target={null}
            empty={<p className="py-12 text-center text-ink-2">Nothing was said yet.</p>}
          />
        </Rows>
        {at !== null && <PastFoot scrub={through.scrub} what="The session" isReadOnly />}
      </main>
    </div>
  );
}

function SharedHeader({ shared, word, lamp }: { shared: SharedSession; word: string; lamp: ReturnType<typeof lampOf> }) {
  const left = remaining(shared.expires_at, useNow());
  return (
    <header className="flex shrink-0 flex-wrap items-center gap-x-4 gap-y-1 border-b border-line bg-panel px-4 py-2.5 sm:px-6 narrow:border-b-0">
      <Mark />
      <div className="min-w-0 flex-1 basis-60">
        <h1 className="clamp-1 font-semibold">{shared.title}</h1>
        <p className="flex flex-wrap items-center gap-x-3 text-sm text-ink-3">
          <Status state={lamp}>{word}</Status>
          <span>
            {shared.organization} · {shared.model} · {count(shared.tool_calls, "tool call")}
            {shared.files_changed.length > 0 && ` · ${count(shared.files_changed.length, "file")} changed`} · {money(shared.cost_micro_usd)}
          </span>
        </p>
      </div>
      <span className="narrow:ml-10">
        <Badge>Shared: read only{left !== null && `, ${left} left`}</Badge>
      </span>
    </header>
  );
}
