/* A room as it was: the threads that there were, and what had been said in one of them. */
import type { RoomId, ThreadId } from "@signalbox/contract/primitives";
import { listMessages } from "@signalbox/contract/rooms";
import type { RoomAt } from "@signalbox/contract/session-history";
import { Avatar } from "@signalbox/ui/avatar";
import { count } from "@signalbox/ui/format";
import { Markdown } from "@signalbox/ui/markdown";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { MessagesSquare } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef } from "react";
import { client } from "../data/api.ts";
import { useNames } from "../data/queries.ts";
import { PastFoot } from "./past-foot.tsx";
import type { Scrub } from "./scrub.ts";

const PAGE = 200;
/** So many messages fill a screen; more are read when they are asked for. */
const A_SCREEN = 40;
const KIND = { user: "person", agent: "agent", service: "service" } as const;

interface Props {
  readonly scrub: Scrub<RoomAt>;
  readonly roomId: RoomId;
  readonly then: RoomAt;
  readonly thread: string | undefined;
}

export function RoomThen({ scrub, roomId, then, thread }: Props) {
  const chosen = then.threads.find(({ id }) => id === thread) ?? then.threads[0];
  return (
    <>
      <div className="flex min-h-0 flex-1">
        <nav aria-label="Threads then" className="w-64 shrink-0 overflow-y-auto border-r border-line p-3 narrow:hidden">
          {then.threads.map(({ id, title, messages }) => (
            <Link
              key={id}
              to="."
              search={(previous: object) => ({ ...previous, thread: id })}
              replace
              aria-current={id === chosen?.id ? "true" : undefined}
              className={`block rounded-md px-2.5 py-2 ${id === chosen?.id ? "bg-chosen" : "hover:bg-chosen"}`}
            >
              <span className="clamp-1 block text-sm font-medium" title={title ?? undefined}>
                {title ?? "Untitled"}
              </span>
              <span className="block text-sm text-ink-3">{count(messages, "message")}</span>
            </Link>
          ))}
        </nav>
        {chosen === undefined ? (
          <div className="flex-1">
            <Empty icon={<MessagesSquare size={28} />} title="There was no thread yet">
              Nothing had been said in this room.
            </Empty>
          </div>
        ) : (
          <Said key={chosen.id} roomId={roomId} threadId={chosen.id} asOf={then.seq} />
        )}
      </div>
      <PastFoot scrub={scrub} what="The room" />
    </>
  );
}

function Said({ roomId, threadId, asOf }: { roomId: RoomId; threadId: ThreadId; asOf: number }) {
  const nameOf = useNames();
  const box = useRef<HTMLDivElement>(null);
  // Read once, newest first; a moment is what of it had been said by then.
  const list = useInfiniteQuery({
    queryKey: ["room", roomId, "said", threadId],
    queryFn: ({ pageParam, signal }) =>
      client.call(listMessages, {
        params: { id: threadId },
        query: { limit: PAGE, order: "newest", ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
  const loaded = list.data?.pages;
  const said = useMemo(
    () =>
      (loaded ?? [])
        .flatMap(({ items }) => items)
        .filter(({ seq }) => seq <= asOf)
        .reverse(),
    [loaded, asOf],
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const isShort = said.length < A_SCREEN && hasNextPage;
  useEffect(() => {
    if (isShort && !isFetchingNextPage) void fetchNextPage();
  }, [isShort, isFetchingNextPage, fetchNextPage]);
  const newest = said.at(-1)?.id;
  useLayoutEffect(() => {
    if (newest !== undefined && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [newest]);

  if (list.error !== null && loaded === undefined)
    return <Trouble error={list.error} onRetry={() => void list.refetch()} className="m-4 flex-1" />;
  return (
    <div ref={box} tabIndex={0} role="region" aria-label="What had been said" className="min-w-0 flex-1 overflow-y-auto px-4 py-4 sm:px-6">
      <div className="mx-auto max-w-3xl">
        {said.length === 0 &&
          (isShort || loaded === undefined ? (
            <Skeleton rows={4} className="h-16" />
          ) : (
            <p className="py-12 text-center text-ink-2">Nothing had been said here yet.</p>
          ))}
        <ol aria-label="Messages then" className="space-y-3">
          {said.slice(-PAGE).map(({ id, author, created_at: at, content_md: text }) => (
            <li key={id} className="flex gap-3 px-2">
              <Avatar name={nameOf(author.id)} kind={KIND[author.type]} />
              <div className="min-w-0 flex-1">
                <p className="flex items-baseline gap-2">
                  <span className="font-semibold">{nameOf(author.id)}</span>
                  <Timestamp at={at} className="text-sm text-ink-3" />
                </p>
                <Markdown text={text} />
              </div>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}
