import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Plus, Search, TrainTrack } from "lucide-react";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { sessionsQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { useSelection } from "../frame/use-selection.ts";
import { Button } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { FirstSession } from "./first-session.tsx";
import { SessionRow } from "./session-row.tsx";

const route = getRouteApi("/frame/sessions");
const SEARCH_DELAY_MS = 200;

export function SessionsPage() {
  const { q = "", archived = false } = route.useSearch();
  const navigate = useNavigate();
  const list = useInfiniteQuery(sessionsQuery(q, archived));
  const sessions = list.data ?? [];
  const { selected, setSelected, move, rowRef } = useSelection(sessions.length);
  const search = useRef<HTMLInputElement>(null);

  const openNew = (): void => void navigate({ to: ".", search: (previous) => ({ ...previous, new: true }) });
  useShortcuts([
    { keys: "j", label: "Next session", run: () => move(1) },
    { keys: "k", label: "Previous session", run: () => move(-1) },
    { keys: "/", label: "Search sessions", run: () => search.current?.focus() },
    {
      keys: "Enter",
      label: "Open the session",
      run: () => {
        const session = sessions[selected];
        if (session !== undefined) void navigate({ to: "/sessions/$sessionId", params: { sessionId: session.id } });
      },
    },
  ]);

  const isFirst = list.isSuccess && sessions.length === 0 && q === "" && !archived;
  return (
    <Page
      title="Sessions"
      lead={isFirst ? undefined : "Every agent at work, and every one that was."}
      actions={
        <Button look="solid" onClick={openNew} className="narrow:hidden">
          <Plus size={16} aria-hidden /> New session
        </Button>
      }
    >
      {!isFirst && (
        <div className="mb-3 flex flex-wrap items-center gap-3">
          <SearchBox
            inputRef={search}
            value={q}
            onChange={(next) =>
              void navigate({ to: "/sessions", search: (previous) => ({ ...previous, q: next === "" ? undefined : next }), replace: true })
            }
          />
          <label className="flex items-center gap-2 text-sm text-ink-2">
            <input
              type="checkbox"
              checked={archived}
              onChange={(event) =>
                void navigate({
                  to: "/sessions",
                  search: (previous) => ({ ...previous, archived: event.target.checked ? true : undefined }),
                  replace: true,
                })
              }
            />
            Archived
          </label>
        </div>
      )}
      {list.error !== null && <Trouble error={list.error} onRetry={() => void list.refetch()} className="mb-3" />}
      {list.isPending && <Skeleton rows={5} className="h-20" />}
      {isFirst && <FirstSession />}
      {list.isSuccess && sessions.length === 0 && !isFirst && (
        <Empty icon={<TrainTrack size={28} />} title={q === "" ? "Nothing is archived" : `No session matches “${q}”`}>
          {q === "" ? "Ended sessions that you archive are kept here." : "Search looks at titles. Try fewer letters."}
        </Empty>
      )}
      {sessions.length > 0 && (
        <ul className="soft-shadow divide-y divide-line overflow-hidden rounded-lg border border-line bg-panel" aria-label="Sessions">
          {sessions.map((session, i) => (
            <SessionRow key={session.id} session={session} isSelected={i === selected} linkRef={rowRef(i)} onFocus={() => setSelected(i)} />
          ))}
        </ul>
      )}
      {list.hasNextPage && (
        <div className="mt-4 text-center">
          <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage}>
            Older sessions
          </Button>
        </div>
      )}
    </Page>
  );
}

function SearchBox({
  value,
  onChange,
  inputRef,
}: {
  value: string;
  onChange(next: string): void;
  inputRef: React.RefObject<HTMLInputElement | null>;
}) {
  const [text, setText] = useState(value);
  const search = useEffectEvent(onChange);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => search(text), SEARCH_DELAY_MS);
    return () => clearTimeout(timer);
  }, [text, value]);
  return (
    <div className="relative min-w-52 flex-1 sm:max-w-sm">
      <Search size={16} className="absolute top-1/2 left-3 -translate-y-1/2 text-ink-3" aria-hidden />
      <input
        ref={inputRef}
        type="search"
        aria-label="Search sessions"
        placeholder="Search sessions"
        value={text}
        onChange={(event) => setText(event.target.value)}
        className={`${inputLook} !pl-9 !py-1.5 !text-sm`}
      />
    </div>
  );
}
