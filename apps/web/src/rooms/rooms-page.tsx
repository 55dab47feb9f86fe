/* Where people and agents talk: each room's last word, and what one has not read. */
import { createRoom } from "@signalbox/contract/rooms";
import { Badge, CountBadge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Input } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { List, RowContent, rowLook } from "@signalbox/ui/list-row";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Switch } from "@signalbox/ui/switch";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { MessagesSquare, Plus } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { useNames } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { PageSearch } from "../frame/page-search.tsx";
import { roomListQuery, type Room } from "./room-queries.ts";

const route = getRouteApi("/frame/rooms");

export function RoomsPage() {
  const { q, archived } = route.useSearch();
  const navigate = useNavigate();
  const [kind, setKind] = useState<"discussion" | "session">("discussion");
  const [isNaming, setNaming] = useState(false);
  const list = useInfiniteQuery(roomListQuery({ q, archived, kind }));
  return (
    <Page
      title="Rooms"
      lead="A room is a place for a subject: its threads, its messages, and who may read them."
      actions={
        <Button onClick={() => setNaming(true)}>
          <Plus size={16} aria-hidden /> New room
        </Button>
      }
    >
      <div className="mb-4 flex flex-wrap items-center gap-3">
        <PageSearch
          label="Search rooms"
          value={q ?? ""}
          onChange={(text) =>
            void navigate({ to: "/rooms", search: (previous) => ({ ...previous, q: text === "" ? undefined : text }), replace: true })
          }
          className="w-72 narrow:w-full"
        />
        <SegmentedControl<"discussion" | "session">
          label="Which rooms"
          segments={[
            { value: "discussion", label: "Of people" },
            { value: "session", label: "Of sessions" },
          ]}
          value={kind}
          onChange={setKind}
        />
        <Switch
          label="Archived"
          checked={archived === true}
          onChange={(on) =>
            void navigate({ to: "/rooms", search: (previous) => ({ ...previous, archived: on ? true : undefined }), replace: true })
          }
        />
      </div>
      {list.error !== null && list.data === undefined ? (
        <Trouble error={list.error} onRetry={() => void list.refetch()} />
      ) : list.data === undefined ? (
        <Skeleton rows={5} className="h-16" />
      ) : list.data.length === 0 ? (
        <Nothing isSearched={q !== undefined} isArchived={archived === true} kind={kind} onNew={() => setNaming(true)} />
      ) : (
        <>
          <List label="Rooms">
            {list.data.map((room) => (
              <RoomRow key={room.id} room={room} />
            ))}
          </List>
          <LoadMore hasMore={list.hasNextPage} isLoading={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />
        </>
      )}
      {isNaming && <NewRoom onClose={() => setNaming(false)} />}
    </Page>
  );
}

function Nothing({ isSearched, isArchived, kind, onNew }: { isSearched: boolean; isArchived: boolean; kind: Room["kind"]; onNew(): void }) {
  const icon = <MessagesSquare size={32} />;
  if (isSearched) return <Empty icon={icon} title="No room is called that" />;
  if (isArchived) return <Empty icon={icon} title="No room is archived" />;
  if (kind === "session")
    return (
      <Empty icon={icon} title="No session has a room yet">
        Each session makes one of its own.
      </Empty>
    );
  return (
    <Empty icon={icon} title="No rooms yet" action={<Button onClick={onNew}>Make the first one</Button>}>
      Talk about a subject with others, and hand tasks to engines there.
    </Empty>
  );
}

function RoomRow({ room }: { room: Room }) {
  const nameOf = useNames();
  const { last_message: last } = room;
  return (
    <li>
      <Link to="/rooms/$roomId" params={{ roomId: room.id }} className={rowLook({ wants: room.mention_count > 0 })}>
        <RowContent
          title={
            <span className="flex items-center gap-2">
              <span className={`clamp-1 ${room.unread_count > 0 ? "" : "font-medium"}`}>{room.title}</span>
              {room.archived && <Badge>archived</Badge>}
            </span>
          }
          detail={last === null ? "No message yet." : `${nameOf(last.author.id)}: ${last.preview}`}
          meta={<span>{count(room.member_count, "member")}</span>}
          end={
            <span className="flex flex-col items-end gap-1">
              <Timestamp at={last?.at ?? room.created_at} />
              {room.mention_count > 0 ? (
                <CountBadge count={room.mention_count} of="mentions of you" />
              ) : (
                room.unread_count > 0 && <Badge tone="moving">{room.unread_count > 99 ? "99+" : room.unread_count} new</Badge>
              )}
            </span>
          }
        />
      </Link>
    </li>
  );
}

function NewRoom({ onClose }: { onClose(): void }) {
  const navigate = useNavigate();
  const [title, setTitle] = useState("");
  // One dialog is one room, however often it is sent.
  const [attempt] = useState(() => crypto.randomUUID());
  const create = useMutation({
    mutationFn: () => client.call(createRoom, { body: { title: title.trim() }, idempotencyKey: attempt }),
    onSuccess: (room) => {
      void queries.invalidateQueries({ queryKey: ["rooms"] });
      onClose();
      void navigate({ to: "/rooms/$roomId", params: { roomId: room.id } });
    },
  });
  return (
    <Dialog title="New room" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (title.trim() !== "") create.mutate();
        }}
      >
        {create.error !== null && <Trouble error={create.error} />}
        <Field label="What is it about?">
          {(field) => <Input {...field} data-focus value={title} maxLength={200} onChange={(event) => setTitle(event.target.value)} />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="solid" busy={create.isPending} disabled={title.trim() === ""}>
            Make the room
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
