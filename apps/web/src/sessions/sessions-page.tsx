import { isId } from "@signalbox/contract/ids";
import type { SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Plus, TrainTrack } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { useSelection } from "../frame/use-selection.ts";
import { FirstSession } from "./first-session.tsx";
import { archive, unarchive, useHidden } from "./list/archive.ts";
import { BulkBar } from "./list/bulk-bar.tsx";
import { FilterBar } from "./list/filter-bar.tsx";
import { groupsOf, GROUPS, isNarrowed, queryOf, type ListSearch } from "./list/filters.ts";
import { SessionList } from "./list/session-list.tsx";
import { useSessions } from "./list/use-sessions.ts";
import { isEnded } from "./state.ts";

const Peek = lazy(() => import("./list/peek.tsx").then(({ Peek }) => ({ default: Peek })));
const route = getRouteApi("/frame/sessions");

export function SessionsPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const list = useSessions(queryOf(search, me?.principal.id));
  const hidden = useHidden();
  const sessions = (list.loaded?.items ?? []).filter(({ id }) => search.archived === true || !hidden.has(id));
  const { selected, setSelected, move, rowRef } = useSelection(sessions.length);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const searchField = useRef<HTMLInputElement>(null);

  const change = (what: ListSearch & { peek?: string | undefined }): void =>
    void navigate({ to: "/sessions", search: (previous) => ({ ...previous, ...what }), replace: true });
  const openNew = (): void => void navigate({ to: ".", search: (previous) => ({ ...previous, new: true }) });
  const pick = (session: SessionView): void =>
    setPicked((before) => {
      const next = new Set(before);
      if (!next.delete(session.id)) next.add(session.id);
      return next;
    });
  const current = sessions[selected];
  useShortcuts([
    { keys: "j", label: "Next session", run: () => move(1) },
    { keys: "k", label: "Previous session", run: () => move(-1) },
    { keys: "/", label: "Search sessions", run: () => searchField.current?.focus() },
    { keys: "p", label: "Peek into the session", run: () => current !== undefined && change({ peek: current.id }) },
    { keys: "x", label: "Pick, to stop or archive several", run: () => current !== undefined && pick(current) },
    {
      keys: "e",
      label: "Archive the session",
      run: () =>
        current !== undefined &&
        current.imported == null &&
        isEnded(current.status) &&
        void (current.archived ? unarchive : archive)([current]),
    },
    {
      keys: "Enter",
      label: "Open the session",
      run: () => current !== undefined && void navigate({ to: "/sessions/$sessionId", params: { sessionId: current.id } }),
    },
  ]);

  const isNothingYet = list.loaded !== undefined && sessions.length === 0 && !isNarrowed(search) && search.archived !== true;
  const isOnlyImported =
    sessions.length > 0 && !isNarrowed(search) && search.archived !== true && sessions.every(({ imported }) => imported != null);
  const chosen = sessions.filter(({ id }) => picked.has(id));
  const peeked = isId("ses", search.peek) ? search.peek : null;
  return (
    <Page
      title="Sessions"
      lead={isNothingYet ? undefined : "Every agent at work, and every one that was."}
      actions={
        <Button look="solid" onClick={openNew} className="narrow:hidden">
          <Plus size={16} aria-hidden /> New session
        </Button>
      }
    >
      {!isNothingYet && <FilterBar search={search} sessions={sessions} searchRef={searchField} onChange={change} />}
      {list.error !== null && <Trouble error={list.error} onRetry={list.retry} className="mb-3" />}
      {list.loaded === undefined && list.error === null && <Skeleton rows={6} className="h-20" />}
      {(isNothingYet || isOnlyImported) && (
        <div className={isOnlyImported ? "mb-5" : ""}>
          <FirstSession />
        </div>
      )}
      {list.loaded !== undefined && sessions.length === 0 && !isNothingYet && <NoneFound search={search} onChange={change} />}
      {sessions.length > 0 && (
        <SessionList
          sessions={sessions}
          selected={selected}
          picked={picked}
          rowRef={rowRef}
          onFocus={setSelected}
          onPick={pick}
          onPeek={({ id }) => change({ peek: id })}
          onSeen={list.see}
          onNearEnd={() => list.moreError === null && list.more()}
        />
      )}
      <LoadMore
        hasMore={list.loaded?.tail != null && sessions.length > 0}
        isLoading={list.isMoreComing}
        error={list.moreError}
        onMore={list.more}
        label="Older sessions"
      />
      {chosen.length > 0 && <BulkBar sessions={chosen} onDone={() => setPicked(new Set())} />}
      <Suspense>{peeked !== null && <Peek key={peeked} id={peeked} onClose={() => change({ peek: undefined })} />}</Suspense>
    </Page>
  );
}

/** Says which of what was asked for there is none of, and the way back to all. */
function NoneFound({ search, onChange }: { search: ListSearch; onChange(what: ListSearch): void }) {
  const groups = groupsOf(search.status);
  const title =
    search.q !== undefined
      ? `No session matches “${search.q}”`
      : groups.length === 1
        ? {
            working: "No agent is at work",
            waiting: "None waits for you",
            paused: "None is paused",
            ended: "None has ended",
            failed: "None failed",
          }[groups[0]!]
        : isNarrowed(search)
          ? "No session is like that"
          : "Nothing is archived";
  return (
    <div className="rounded-lg border border-line bg-panel">
      <Empty
        icon={<TrainTrack size={28} />}
        title={title}
        action={
          isNarrowed(search) ? (
            <Button
              onClick={() =>
                onChange({ q: undefined, status: undefined, model: undefined, repository: undefined, outcome: undefined, by: undefined })
              }
            >
              Show {search.archived === true ? "all that are archived" : "all sessions"}
            </Button>
          ) : undefined
        }
      >
        {search.q !== undefined
          ? "Titles, repositories and first prompts are searched, and ids."
          : groups.length === 0 && !isNarrowed(search)
            ? "Ended sessions that you archive are kept here."
            : groups.length > 1
              ? groups.map((name) => GROUPS[name].label).join(", ")
              : "Other filters may show more."}
      </Empty>
    </div>
  );
}
