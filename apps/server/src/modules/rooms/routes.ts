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
  type ThreadView,
} from "@signalbox/contract/rooms";
import { newId } from "@signalbox/kernel/id";
import { type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import { hasRoomRole } from "./access.ts";
import { NO_ROOM, type RoomRouteDeps, target, tooLow, NO_THREAD } from "./answers.ts";
import { mentionsIn } from "./mentions.ts";
import { readingRoutes } from "./reading-routes.ts";
import { room } from "./room.ts";
import { lastMessage, roomRows, type RoomRow, roomView } from "./room-rows.ts";
import { ERASED } from "./rooms.projection.ts";

interface ThreadRow {
  id: string;
  room_id: string;
  title: string | null;
  created_by: string;
  created_at: Date;
  message_count: number;
  last_id: string | null;
  last_author: string | null;
  last_author_type: PrincipalType | null;
  last_text: string | null;
  last_at: Date | null;
  read_seq: string;
  unread_count: number;
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
  mentions: string[];
}

type Posted = Recorded<Extract<RoomEvent, { type: "message.created" }>>;

const byTime = z.tuple([z.iso.datetime(), z.string()]);

export function roomRoutes(deps: RoomRouteDeps): readonly BoundRoute[] {
  const { log, db, access, commands, displayNames } = deps;

  async function readRoom(caller: Caller, id: string): Promise<RoomRow> {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<RoomRow>`${roomRows(caller.principal.id)} where r.id = ${id}`.execute(tx),
    );
    const row = rows[0];
    if (row === undefined) throw new Error(`${id} was written but cannot be read`);
    return row;
  }

  async function readThread(caller: Caller, id: string): Promise<ThreadRow> {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<ThreadRow>`${threadRows(caller.principal.id)} where t.id = ${id}`.execute(tx),
    );
    const row = rows[0];
    if (row === undefined) throw new Error(`${id} was written but cannot be read`);
    return row;
  }

  /** Members of a room, as they may be named in it. */
  async function nameable(caller: Caller, roomId: string): Promise<{ id: string; displayName: string }[]> {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<{ id: string }>`select principal_id as id from proj_room_members where room_id = ${roomId} and role is not null`.execute(tx),
    );
    const names = await displayNames(
      caller.organizationId,
      rows.map(({ id }) => id),
    );
    return [...names].map(([id, displayName]) => ({ id, displayName }));
  }

  async function messagesFrom(caller: Caller, threadId: string, order: "oldest" | "newest", cursor: number | undefined, limit: number) {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      order === "oldest"
        ? sql<MessageRow>`select * from proj_messages where thread_id = ${threadId} and seq > ${cursor ?? 0} order by seq limit ${limit + 1}`.execute(
            tx,
          )
        : sql<MessageRow>`select * from proj_messages where thread_id = ${threadId} and (${cursor ?? null}::bigint is null or seq < ${cursor ?? null}::bigint)
                           order by seq desc limit ${limit + 1}`.execute(tx),
    );
    return pageOf(rows, limit, messageView, (row) => [Number(row.seq)]);
  }

  async function messagesAround(caller: Caller, threadId: string, id: string, limit: number) {
    const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
      sql<{ seq: string }>`select seq from proj_messages where thread_id = ${threadId} and id = ${id}`.execute(tx),
    );
    const seq = rows[0] === undefined ? null : Number(rows[0].seq);
    if (seq === null)
      return refused("message_not_found", {
        message: "There is no such message in this thread.",
        fix: "List the thread without `around`.",
      });
    const before = await messagesFrom(caller, threadId, "newest", seq, Math.floor(limit / 2));
    const after = await messagesFrom(caller, threadId, "oldest", seq - 1, limit - before.items.length);
    return { items: [...before.items.toReversed(), ...after.items], next_cursor: after.next_cursor, prev_cursor: before.next_cursor };
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
      const at = query.order === "activity" ? sql`coalesce(x.last_at, x.created_at)` : sql`x.created_at`;
      const like = query.q === undefined || query.q === "" ? null : `%${query.q.replaceAll(/[\\%_]/g, "\\$&")}%`;
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<RoomRow & { sorted_at: Date }>`
          select x.*, ${at} as sorted_at from (${roomRows(caller.principal.id)}
           where (${visible}::text[] is null or r.id = any(${visible}::text[]))
             and r.is_archived = ${query.archived === "true"}
             and (${query.kind ?? null}::text is null or (r.session_id is not null) = (${query.kind ?? null}::text = 'session'))
             and (${like}::text is null or r.title ilike ${like}::text)) x
           where (${query.unread ?? null}::text is null or x.unread_count > 0)
             and (${after?.[0] ?? null}::timestamptz is null or (${at}, x.id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
           order by ${at} desc, x.id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, roomView, (row) => [row.sorted_at.toISOString(), row.id]);
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
          ${threadRows(caller.principal.id)}
           where t.room_id = ${params.id}
             and (${after?.[0] ?? null}::timestamptz is null or (t.created_at, t.id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
           order by t.created_at desc, t.id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, threadView, (row) => [row.created_at.toISOString(), row.id]);
    }),

    handle(createMessage, async ({ caller, params, body, origin, idempotency }) => {
      const found = await access.roleInThread(caller, params.id);
      if (found === null) return NO_THREAD;
      if (!hasRoomRole(found.role, "member")) return tooLow(found.role, "member");
      const { roomId } = found;
      const id = newId("msg");
      const mentions = body.content_md.includes("@") ? mentionsIn(body.content_md, await nameable(caller, roomId)) : [];
      const { events } = await log.unit(
        { organizationId: caller.organizationId, origin, idempotency, newSubjects: [`message:${id}`] },
        (unit) => commands.postMessage(unit, { id, roomId, threadId: params.id, contentMd: body.content_md, mentions }),
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
        mentions: posted.event.data.mentions ?? [],
      };
    }),

    handle(listMessages, async ({ caller, params, query }) => {
      if ((await access.roleInThread(caller, params.id)) === null) return NO_THREAD;
      const cursor = decodeCursor(query.cursor, z.tuple([z.int()]))?.[0];
      return query.around === undefined
        ? { ...(await messagesFrom(caller, params.id, query.order, cursor, query.limit)), prev_cursor: null }
        : messagesAround(caller, params.id, query.around, query.limit);
    }),

    ...readingRoutes({ ...deps, readRoom }),
  ];
}

/** To be followed by a `where` on `t`. */
const threadRows = (principalId: string): RawBuilder<unknown> => sql`
  select t.*, l.id as last_id, l.author_id as last_author, l.author_type as last_author_type, left(l.content_md, 2000) as last_text, l.created_at as last_at,
         c.read_seq,
         (select count(*)::int from (select 1 from proj_messages m where m.organization_id = t.organization_id and m.thread_id = t.id and m.author_id <> ${principalId}
            and m.seq > c.read_seq limit 999) unread) as unread_count
    from proj_threads t
    left join lateral (select greatest(
         (select read_seq from room_reads rr where rr.organization_id = t.organization_id and rr.principal_id = ${principalId} and rr.room_id = t.room_id),
         (select read_seq from room_thread_reads tr where tr.organization_id = t.organization_id and tr.principal_id = ${principalId} and tr.thread_id = t.id), 0) as read_seq) c on true
    left join lateral (select id, author_id, author_type, content_md, created_at from proj_messages m
                        where m.organization_id = t.organization_id and m.thread_id = t.id order by seq desc limit 1) l on true`;

const threadView = (row: ThreadRow): z.input<typeof ThreadView> => ({
  id: row.id,
  room_id: row.room_id,
  title: row.title,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
  message_count: row.message_count,
  last_message: lastMessage(row),
  read_seq: Number(row.read_seq),
  unread_count: row.unread_count,
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
  mentions: row.mentions,
});
