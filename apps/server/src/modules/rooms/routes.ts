import type { RoomEvent, RoomRole } from "@signalbox/contract/events/rooms";
import type { Recorded } from "@signalbox/eventlog/log";
import type { PrincipalType } from "@signalbox/contract/primitives";
import {
  addMember,
  createMessage,
  createRoom,
  createThread,
  getRoom,
  listMembers,
  listMessages,
  listRooms,
  listThreads,
  removeMember,
  type MessageView,
  type RoomView,
  type ThreadView,
} from "@signalbox/contract/rooms";
import { newId } from "@signalbox/kernel/id";
import { sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import { hasRoomRole, type RoomAccess } from "./access.ts";
import { room } from "./room.ts";
import { ERASED } from "./rooms.projection.ts";
import type { RoomCommands, RoomsDeps } from "./public.ts";

interface RoomRow {
  id: string;
  title: string;
  session_id: string | null;
  created_by: string;
  created_at: Date;
  last_seq: string;
}
interface ThreadRow {
  id: string;
  room_id: string;
  title: string | null;
  created_by: string;
  created_at: Date;
  message_count: number;
}
interface MessageRow {
  id: string;
  thread_id: string;
  room_id: string;
  author_id: string;
  author_type: PrincipalType;
  content_md: string | null;
  run_id: string | null;
  created_at: Date;
  seq: string;
}

type Posted = Recorded<Extract<RoomEvent, { type: "message.created" }>>;

const NO_ROOM = refused("room_not_found", {
  message: "There is no such room, or you are not in it.",
  fix: "List the rooms you may see with GET /v1/rooms.",
});
const NO_THREAD = refused("thread_not_found", {
  message: "There is no such thread, or you are not in its room.",
  fix: "List a room's threads with GET /v1/rooms/:id/threads.",
});
const tooLow = (role: RoomRole, least: RoomRole) =>
  refused("room_role_too_low", {
    message: `This needs the role ${least} in this room; yours is ${role}.`,
    fix: "Ask an owner of the room.",
    details: { role, least },
  });

const byTime = z.tuple([z.iso.datetime(), z.string()]);

export function roomRoutes({
  log,
  db,
  access,
  commands,
  displayNames,
}: RoomsDeps & { access: RoomAccess; commands: RoomCommands }): readonly BoundRoute[] {
  async function readRoom(caller: Caller, id: string): Promise<RoomRow> {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<RoomRow>`
        select r.*, coalesce(h.seq, 0) as last_seq from proj_rooms r
          left join evt_stream_heads h on h.organization_id = r.organization_id and h.stream_type = 'room' and h.stream_id = r.id
         where r.id = ${id}`.execute(tx),
    );
    const row = rows[0];
    if (row === undefined) throw new Error(`${id} was written but cannot be read`);
    return row;
  }

  async function readThread(caller: Caller, id: string): Promise<ThreadRow> {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<ThreadRow>`select * from proj_threads where id = ${id}`.execute(tx),
    );
    const row = rows[0];
    if (row === undefined) throw new Error(`${id} was written but cannot be read`);
    return row;
  }

  async function readMessage(caller: Caller, id: string): Promise<MessageRow> {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<MessageRow>`select * from proj_messages where id = ${id}`.execute(tx),
    );
    const row = rows[0];
    if (row === undefined) throw new Error(`${id} was written but cannot be read`);
    return row;
  }

  return [
    handle(createRoom, async ({ caller, body, origin, idempotency }) => {
      const made = newId("room");
      const { value: id } = await log.unit(
        { organizationId: caller.organizationId, origin, idempotency, newSubjects: [`room:${made}`] },
        (unit) => commands.createRoom(unit, { id: made, title: body.title, by: caller.principal.id }),
      );
      return roomView(await readRoom(caller, id));
    }),

    handle(listRooms, async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, byTime);
      const visible = await access.visibleRooms(caller);
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<RoomRow>`
          select r.*, coalesce(h.seq, 0) as last_seq from proj_rooms r
            left join evt_stream_heads h on h.organization_id = r.organization_id and h.stream_type = 'room' and h.stream_id = r.id
           where (${visible}::text[] is null or r.id = any(${visible}::text[]))
             and (${after?.[0] ?? null}::timestamptz is null or (r.created_at, r.id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
           order by r.created_at desc, r.id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, roomView, (row) => [row.created_at.toISOString(), row.id]);
    }),

    handle(getRoom, async ({ caller, params }) =>
      (await access.roleIn(caller, params.id)) === null ? NO_ROOM : roomView(await readRoom(caller, params.id)),
    ),

    handle(listMembers, async ({ caller, params }) => {
      if ((await access.roleIn(caller, params.id)) === null) return NO_ROOM;
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<{ principal_id: string; role: RoomRole }>`
          select principal_id, role from proj_room_members where room_id = ${params.id} and role is not null order by seq`.execute(tx),
      );
      return { items: rows };
    }),

    handle(addMember, async ({ caller, params, body, origin }) => {
      if ((await access.roleIn(caller, params.id)) === null) return NO_ROOM;
      if (!(await displayNames(caller.organizationId, [body.principal_id])).has(body.principal_id)) {
        return refused("principal_not_found", {
          message: "There is no such principal in this organization.",
          fix: "List them with GET /v1/principals.",
        });
      }
      await log.run(room, target(caller, origin, params.id), { type: "add_member", principalId: body.principal_id, role: body.role });
      return body;
    }),

    handle(removeMember, async ({ caller, params, origin }) => {
      if ((await access.roleIn(caller, params.id)) === null) return NO_ROOM;
      const decision = await log.run(room, target(caller, origin, params.id), { type: "remove_member", principalId: params.principal_id });
      if (!decision.ok)
        return decision.refusal.code === "room_not_found"
          ? NO_ROOM
          : refused("member_not_found", { message: "They are not a member of this room.", fix: "List its members first." });
      return { ok: true };
    }),

    handle(createThread, async ({ caller, params, body, origin, idempotency }) => {
      const role = await access.roleIn(caller, params.id);
      if (role === null) return NO_ROOM;
      if (!hasRoomRole(role, "member")) return tooLow(role, "member");
      const made = newId("th");
      const { value: id } = await log.unit(
        { organizationId: caller.organizationId, origin, idempotency, newSubjects: [`thread:${made}`] },
        (unit) => commands.createThread(unit, { id: made, roomId: params.id, title: body.title }),
      );
      return threadView(await readThread(caller, id));
    }),

    handle(listThreads, async ({ caller, params, query }) => {
      if ((await access.roleIn(caller, params.id)) === null) return NO_ROOM;
      const after = decodeCursor(query.cursor, byTime);
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<ThreadRow>`
          select * from proj_threads
           where room_id = ${params.id}
             and (${after?.[0] ?? null}::timestamptz is null or (created_at, id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
           order by created_at desc, id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, threadView, (row) => [row.created_at.toISOString(), row.id]);
    }),

    handle(createMessage, async ({ caller, params, body, origin, idempotency }) => {
      const found = await access.roleInThread(caller, params.id);
      if (found === null) return NO_THREAD;
      if (!hasRoomRole(found.role, "member")) return tooLow(found.role, "member");
      const { roomId } = found;
      const id = newId("msg");
      const { events } = await log.unit(
        { organizationId: caller.organizationId, origin, idempotency, newSubjects: [`message:${id}`] },
        (unit) => commands.postMessage(unit, { id, roomId, threadId: params.id, contentMd: body.content_md }),
      );
      const posted = events.find((r): r is Posted => r.event.type === "message.created");
      // Answered from what was just written (as the log keeps it, secrets redacted), not read again.
      if (posted === undefined) throw new Error("a message was neither written nor repeated");
      // A repeat of an old request may meet a message that was redacted since.
      if (posted.redaction === "full") return messageView(await readMessage(caller, posted.subjectId));
      return {
        id: posted.subjectId,
        thread_id: params.id,
        room_id: roomId,
        author: { id: posted.principal.id, type: posted.principal.type },
        content_md: posted.event.data.content_md ?? ERASED,
        run_id: null,
        created_at: posted.occurredAt,
        seq: posted.seq,
      };
    }),

    handle(listMessages, async ({ caller, params, query }) => {
      if ((await access.roleInThread(caller, params.id)) === null) return NO_THREAD;
      const after = decodeCursor(query.cursor, z.tuple([z.int()]));
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<MessageRow>`select * from proj_messages where thread_id = ${params.id} and seq > ${after?.[0] ?? 0} order by seq limit ${query.limit + 1}`.execute(
          tx,
        ),
      );
      return pageOf(rows, query.limit, messageView, (row) => [Number(row.seq)]);
    }),
  ];
}

const target = (caller: Caller, origin: Parameters<RoomsDeps["log"]["unit"]>[0]["origin"], roomId: string) => ({
  organizationId: caller.organizationId,
  origin: { ...origin, roomId },
  stream: { type: "room" as const, id: roomId },
  subject: `room:${roomId}`,
});

const roomView = (row: RoomRow): z.input<typeof RoomView> => ({
  id: row.id,
  title: row.title,
  session_id: row.session_id,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
  last_seq: Number(row.last_seq),
  kind: row.session_id === null ? "discussion" : "session",
  archived: false,
  member_count: 0,
  read_seq: 0,
  unread_count: 0,
  mention_count: 0,
  last_message: null,
});
const threadView = (row: ThreadRow): z.input<typeof ThreadView> => ({
  id: row.id,
  room_id: row.room_id,
  title: row.title,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
  message_count: row.message_count,
});
const messageView = (row: MessageRow): z.input<typeof MessageView> => ({
  id: row.id,
  thread_id: row.thread_id,
  room_id: row.room_id,
  author: { id: row.author_id, type: row.author_type },
  content_md: row.content_md ?? ERASED,
  run_id: row.run_id,
  created_at: row.created_at.toISOString(),
  seq: Number(row.seq),
});
