/* The messages of a thread, oldest above; what is new since one looked has a line above it. */
import type { MessageId } from "@signalbox/contract/primitives";
import { Avatar } from "@signalbox/ui/avatar";
import { Badge } from "@signalbox/ui/badge";
import { Button, IconButton } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Markdown } from "@signalbox/ui/markdown";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowDown, Link2, MessageSquare } from "lucide-react";
import { Fragment, memo, useEffect, useEffectEvent, useLayoutEffect, useRef, useState, useSyncExternalStore } from "react";
import { meQuery, useNames } from "../data/queries.ts";
import { MessageComposer } from "./message-composer.tsx";
import { markRead, messagesQuery, type Message, type Room, type Thread } from "./room-queries.ts";

/** This close to the end counts as reading along. */
const NEAR_PX = 80;
const KIND = { user: "person", agent: "agent", service: "service" } as const;

export function Messages({ room, thread, around }: { room: Room; thread: Thread; around: MessageId | null }) {
  const { data: me } = useQuery(meQuery);
  const list = useInfiniteQuery(messagesQuery(room.id, thread.id, around));
  // Where the line stands: as one came, not as reading moves on.
  const [readSeq] = useState(Math.max(thread.read_seq, room.read_seq));
  const scroller = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(around === null);
  const messages = list.data?.messages;
  const newest = messages?.at(-1);
  const firstNew = around === null ? messages?.find(({ seq, author }) => seq > readSeq && author.id !== me?.principal.id) : undefined;

  // Follows new messages while at the end; a link to one message begins there.
  const newestId = newest?.id;
  const follow = useEffectEvent((box: HTMLDivElement) => {
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  });
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null || newestId === undefined) return;
    if (around !== null) box.querySelector(`[data-message="${CSS.escape(around)}"]`)?.scrollIntoView({ block: "center" });
    else follow(box);
  }, [newestId, around]);

  const isSeen = useIsVisible() && isAtEnd;
  const seenSeq = newest?.seq ?? 0;
  useEffect(() => {
    if (!isSeen || seenSeq === 0) return;
    // Not being able to say so costs a badge that stays; the next message tries again.
    void markRead(room.id, thread.id, seenSeq).catch(() => undefined);
  }, [isSeen, seenSeq, room.id, thread.id]);

  if (list.error !== null && messages === undefined)
    return <Trouble error={list.error} onRetry={() => void list.refetch()} className="m-4" />;
  return (
    <>
      <div
        ref={scroller}
        onScroll={({ currentTarget: box }) => setAtEnd(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX)}
        className="relative min-h-0 flex-1 overflow-y-auto px-4 py-4 sm:px-6"
      >
        <div className="mx-auto max-w-3xl">
          {messages === undefined && <Skeleton rows={4} className="h-16" />}
          {messages?.length === 0 && (
            <Empty icon={<MessageSquare size={32} />} title="Nothing has been said here">
              Write the first message below.
            </Empty>
          )}
          {list.hasNextPage && (
            <div className="mb-4 flex justify-center">
              <Button size="sm" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                Earlier messages
              </Button>
            </div>
          )}
          <ol aria-label="Messages" className="space-y-1">
            {messages?.map((message, i) => (
              <Fragment key={message.id}>
                {message === firstNew && i > 0 && (
                  <li className="flex items-center gap-3 py-2 text-plate font-bold text-moving-ink">
                    <span aria-hidden className="h-px flex-1 bg-moving" /> NEW SINCE YOU WERE HERE{" "}
                    <span aria-hidden className="h-px flex-1 bg-moving" />
                  </li>
                )}
                <MessageRow
                  room={room}
                  message={message}
                  isLinked={message.id === around}
                  isForMe={me !== undefined && message.mentions.includes(me.principal.id)}
                  follows={isFollowing(messages[i - 1], message)}
                />
              </Fragment>
            ))}
          </ol>
          {list.data?.endsEarly === true && (
            <p className="mt-4 text-center">
              <Link
                to="/rooms/$roomId"
                params={{ roomId: room.id }}
                search={{ thread: thread.id }}
                className="text-sm underline underline-offset-2"
              >
                To the newest messages
              </Link>
            </p>
          )}
        </div>
      </div>
      {!isAtEnd && around === null && (
        <div className="relative">
          <Button
            size="sm"
            className="absolute right-4 bottom-2 z-10"
            onClick={() => scroller.current?.scrollTo({ top: scroller.current.scrollHeight, behavior: "smooth" })}
          >
            <ArrowDown size={14} aria-hidden /> Newest
          </Button>
        </div>
      )}
      <MessageComposer room={room} thread={thread} />
    </>
  );
}

/** Whether somebody can be looking: what arrives in a tab behind has not been read. */
function useIsVisible(): boolean {
  return useSyncExternalStore(
    (listener) => {
      document.addEventListener("visibilitychange", listener);
      return () => document.removeEventListener("visibilitychange", listener);
    },
    () => document.visibilityState === "visible",
  );
}

/** Said by the same person within five minutes: the name is not repeated. */
function isFollowing(before: Message | undefined, message: Message): boolean {
  return (
    before !== undefined &&
    before.author.id === message.author.id &&
    Date.parse(message.created_at) - Date.parse(before.created_at) < 300_000
  );
}

interface MessageRowProps {
  room: Room;
  message: Message;
  isLinked: boolean;
  isForMe: boolean;
  follows: boolean;
}

const MessageRow = memo(function MessageRow({ room, message, isLinked, isForMe, follows }: MessageRowProps) {
  const nameOf = useNames();
  const link = (): void => {
    const url = new URL(`/rooms/${room.id}?thread=${message.thread_id}&message=${message.id}`, window.location.origin);
    void navigator.clipboard.writeText(url.href).then(
      () => toast("Link copied"),
      () => toast("The browser does not let this page copy.", "danger"),
    );
  };
  return (
    <li
      data-message={message.id}
      className={`group relative flex gap-3 rounded-md px-2 ${follows ? "py-0.5" : "pt-3 pb-0.5"} ${isLinked ? "bg-chosen" : isForMe ? "bg-signal-wash outline outline-signal-line" : ""}`}
    >
      <span className="w-8 shrink-0">{!follows && <Avatar name={nameOf(message.author.id)} kind={KIND[message.author.type]} />}</span>
      <div className="min-w-0 flex-1">
        {!follows && (
          <p className="flex items-baseline gap-2">
            <span className="font-semibold">{nameOf(message.author.id)}</span>
            {isForMe && <Badge tone="wants">names you</Badge>}
            <span className="text-sm text-ink-3">
              <Timestamp at={message.created_at} />
            </span>
          </p>
        )}
        <Markdown text={message.content_md} />
      </div>
      <span className="absolute -top-2 right-2 flex rounded-md border border-line bg-raised opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 [@media(hover:none)]:opacity-100">
        <CopyButton text={message.content_md} label="Copy the message" />
        <IconButton label="Copy a link to the message" size="icon-sm" onClick={link}>
          <Link2 size={14} />
        </IconButton>
      </span>
    </li>
  );
});
