/* One room: its threads beside, the messages of one of them in the middle. */
import { isId } from "@signalbox/contract/ids";
import type { RoomId } from "@signalbox/contract/primitives";
import { archiveRoom, renameRoom, unarchiveRoom } from "@signalbox/contract/room-reading";
import { createThread } from "@signalbox/contract/rooms";
import { Badge } from "@signalbox/ui/badge";
import { Button, IconButton } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { Field, Input } from "@signalbox/ui/field";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMedia } from "@signalbox/ui/use-media";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, Ellipsis, MessagesSquare, Plus, Users } from "lucide-react";
import { useState, type ReactNode } from "react";
import { client, isRefusal, queries } from "../data/api.ts";
import { useNames } from "../data/queries.ts";
import { Missing } from "../frame/crash.tsx";
import { PageSearch } from "../frame/page-search.tsx";
import { useTitle } from "../frame/title.ts";
import { RoomScrubber } from "../scrubber/room-scrubber.tsx";
import { Members } from "./members.tsx";
import { Messages } from "./messages.tsx";
import { RoomSearch } from "./room-search.tsx";
import { RoomTasks } from "./room-tasks.tsx";
import { roomQuery, threadsQuery, useRoomFeed, type Room, type Thread } from "./room-queries.ts";

const route = getRouteApi("/frame/rooms/$roomId");

export function RoomPage() {
  const { roomId } = route.useParams();
  const { data: room, error, refetch } = useQuery(roomQuery(roomId));
  // Taken out of the room while it is open: what is known of it is not shown any longer.
  if (isRefusal(error, "room_not_found")) return <Missing />;
  if (room !== undefined) return <Loaded key={roomId} room={room} />;
  if (error === null)
    return (
      <div className="mx-auto max-w-3xl p-8">
        <Skeleton rows={4} className="h-16" />
      </div>
    );
  return <Trouble error={error} onRetry={() => void refetch()} className="m-6" />;
}

function Loaded({ room }: { room: Room }) {
  const { thread: linked, message, q, at } = route.useSearch();
  const navigate = useNavigate();
  const { data: threads, error } = useQuery(threadsQuery(room.id));
  const isNarrow = useMedia("(max-width: 767px)");
  const [isNaming, setNaming] = useState(false);
  useTitle(room.title);
  useRoomFeed(room);

  const chosen = threads?.find(({ id }) => id === linked) ?? (isNarrow && linked === undefined ? undefined : threads?.[0]);
  const around = isId("msg", message) ? message : null;
  const isListShown = !isNarrow || (chosen === undefined && q === undefined);

  const search = (
    <PageSearch
      label="Search this room"
      value={q ?? ""}
      onChange={(next) =>
        void navigate({ to: ".", search: (previous) => ({ ...previous, q: next === "" ? undefined : next }), replace: true })
      }
      className="w-56 narrow:w-full"
    />
  );
  return (
    <div className="flex h-full min-h-0 flex-col">
      <Header room={room} search={isNarrow ? null : search} />
      {isNarrow && linked === undefined && <div className="border-b border-line px-4 py-2">{search}</div>}
      {error !== null && <Trouble error={error} className="m-4" />}
      <RoomScrubber room={room} at={at ?? null} thread={linked}>
        <div className="flex min-h-0 flex-1">
          {isListShown && (
            <nav
              aria-label="Threads"
              className="flex w-64 shrink-0 flex-col overflow-y-auto border-r border-line p-3 narrow:w-full narrow:border-0"
            >
              <Button size="sm" className="mb-2 justify-start" onClick={() => setNaming(true)}>
                <Plus size={14} aria-hidden /> New thread
              </Button>
              {threads?.map((thread) => (
                <ThreadLink key={thread.id} room={room} thread={thread} isChosen={q === undefined && thread.id === chosen?.id} />
              ))}
              {room.session_id === null && <RoomTasks room={room} />}
            </nav>
          )}
          {q !== undefined ? (
            <RoomSearch room={room} q={q} threads={threads ?? []} />
          ) : chosen === undefined ? (
            threads?.length === 0 && (
              <div className="flex-1 narrow:hidden">
                <Empty
                  icon={<MessagesSquare size={32} />}
                  title="Nothing has been said"
                  action={<Button onClick={() => setNaming(true)}>Start a thread</Button>}
                >
                  A thread keeps one subject together.
                </Empty>
              </div>
            )
          ) : (
            <div className="flex min-w-0 flex-1 flex-col">
              {isNarrow && (
                <Link
                  to="/rooms/$roomId"
                  params={{ roomId: room.id }}
                  search={{}}
                  className="flex items-center gap-1.5 border-b border-line px-4 py-2 text-sm text-ink-2"
                >
                  <ArrowLeft size={14} aria-hidden /> Threads and tasks
                </Link>
              )}
              <Messages key={`${chosen.id} ${around ?? ""}`} room={room} thread={chosen} around={around} />
            </div>
          )}
        </div>
      </RoomScrubber>
      {isNaming && <NewThread roomId={room.id} onClose={() => setNaming(false)} />}
    </div>
  );
}

function Header({ room, search }: { room: Room; search: ReactNode }) {
  const navigate = useNavigate();
  const [shown, setShown] = useState<"members" | "name" | null>(null);
  const archive = useMutation({
    mutationFn: () => client.call(room.archived ? unarchiveRoom : archiveRoom, { params: { id: room.id }, body: {} }),
    onSuccess: (next) => {
      queries.setQueryData(roomQuery(room.id).queryKey, next);
      void queries.invalidateQueries({ queryKey: ["rooms"] });
      toast(next.archived ? "Archived; nothing in it is lost" : "Back in the list");
    },
    onError: (error) => toast(error.message, "danger"),
  });
  return (
    <header className="flex items-center gap-3 border-b border-line bg-panel px-4 py-2.5 sm:px-6">
      <IconButton label="All rooms" onClick={() => void navigate({ to: "/rooms" })}>
        <ArrowLeft size={16} />
      </IconButton>
      <h1 className="clamp-1 min-w-0 text-lg font-semibold">{room.title}</h1>
      {room.archived && <Badge>archived</Badge>}
      <span className="flex-1" />
      {search}
      {room.session_id !== null && (
        <Link
          to="/sessions/$sessionId"
          params={{ sessionId: room.session_id }}
          className="text-sm whitespace-nowrap underline underline-offset-2"
        >
          To the session
        </Link>
      )}
      <Button size="sm" onClick={() => setShown("members")} aria-label={`Members, ${room.member_count}`}>
        <Users size={14} aria-hidden /> {room.member_count}
      </Button>
      <DropdownMenu
        align="end"
        trigger={
          <IconButton label="More about the room">
            <Ellipsis size={16} />
          </IconButton>
        }
        entries={[
          { label: "Rename…", onSelect: () => setShown("name") },
          { label: "Its runs", onSelect: () => void navigate({ to: "/runs", search: { room: room.id } }) },
          { label: "Its events", onSelect: () => void navigate({ to: "/timeline", search: { stream: `room:${room.id}` } }) },
          { kind: "separator" },
          { label: room.archived ? "Bring it back" : "Archive", onSelect: () => archive.mutate() },
        ]}
      />
      {shown === "members" && <Members roomId={room.id} onClose={() => setShown(null)} />}
      {shown === "name" && <Rename room={room} onClose={() => setShown(null)} />}
    </header>
  );
}

function ThreadLink({ room, thread, isChosen }: { room: Room; thread: Thread; isChosen: boolean }) {
  const nameOf = useNames();
  return (
    <Link
      to="/rooms/$roomId"
      params={{ roomId: room.id }}
      search={{ thread: thread.id }}
      aria-current={isChosen ? "true" : undefined}
      className={`rounded-md px-2.5 py-2 ${isChosen ? "bg-chosen" : "hover:bg-chosen"}`}
    >
      <span className="flex items-center gap-2">
        <span className={`clamp-1 flex-1 text-sm ${thread.unread_count > 0 ? "font-bold" : "font-medium"}`}>
          {thread.title ?? "Untitled"}
        </span>
        {thread.unread_count > 0 && <Badge tone="moving">{thread.unread_count}</Badge>}
      </span>
      {thread.last_message !== null && (
        <span className="clamp-1 block text-sm text-ink-3">
          {nameOf(thread.last_message.author.id)}: {thread.last_message.preview}
        </span>
      )}
    </Link>
  );
}

function NewThread({ roomId, onClose }: { roomId: RoomId; onClose(): void }) {
  const navigate = useNavigate();
  const [attempt] = useState(() => crypto.randomUUID());
  return (
    <NameDialog
      title="New thread"
      label="What is it about?"
      confirm="Start the thread"
      initial=""
      onClose={onClose}
      save={async (title) => {
        const thread = await client.call(createThread, { params: { id: roomId }, body: { title }, idempotencyKey: attempt });
        await queries.invalidateQueries({ queryKey: ["room", roomId, "threads"] });
        void navigate({ to: "/rooms/$roomId", params: { roomId }, search: { thread: thread.id } });
      }}
    />
  );
}

function Rename({ room, onClose }: { room: Room; onClose(): void }) {
  return (
    <NameDialog
      title="Rename the room"
      label="Name"
      confirm="Rename"
      initial={room.title}
      onClose={onClose}
      save={async (title) => {
        queries.setQueryData(roomQuery(room.id).queryKey, await client.call(renameRoom, { params: { id: room.id }, body: { title } }));
        void queries.invalidateQueries({ queryKey: ["rooms"] });
      }}
    />
  );
}

interface NameDialogProps {
  title: string;
  label: string;
  confirm: string;
  initial: string;
  save(title: string): Promise<void>;
  onClose(): void;
}

function NameDialog({ title, label, confirm, initial, save, onClose }: NameDialogProps) {
  const [text, setText] = useState(initial);
  const submit = useMutation({ mutationFn: () => save(text.trim()), onSuccess: onClose });
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== "") submit.mutate();
        }}
      >
        {submit.error !== null && <Trouble error={submit.error} />}
        <Field label={label}>
          {(field) => <Input {...field} data-focus value={text} maxLength={200} onChange={(event) => setText(event.target.value)} />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="solid" busy={submit.isPending} disabled={text.trim() === ""}>
            {confirm}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
