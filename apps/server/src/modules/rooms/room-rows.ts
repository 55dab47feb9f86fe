/* Rooms as one person sees them: with what they have not read, who spoke last, and how many are in it. */
import type { RoomView } from "@signalbox/contract/rooms";
import type { PrincipalType } from "@signalbox/contract/primitives";
import { type RawBuilder, sql } from "kysely";
import type { z } from "zod";
import { ERASED } from "./rooms.projection.ts";

export interface RoomRow {
  id: string;
  title: string;
  session_id: string | null;
  created_by: string;
  created_at: Date;
  is_archived: boolean;
  last_seq: string;
  member_count: number;
  read_seq: string;
  unread_count: number;
  mention_count: number;
  last_id: string | null;
  last_author: string | null;
  last_author_type: PrincipalType | null;
  last_text: string | null;
  last_at: Date | null;
}

/** More than this nobody counts; `unread_count` stops there. */
const MOST_UNREAD = 999;

/** To be followed by a `where` on `r`. */
export const roomRows = (principalId: string): RawBuilder<unknown> => sql`
  select r.id, r.title, r.session_id, r.created_by, r.created_at, r.is_archived, coalesce(h.seq, 0) as last_seq, coalesce(c.read_seq, 0) as read_seq,
         (select count(*)::int from proj_room_members m where m.organization_id = r.organization_id and m.room_id = r.id and m.role is not null) as member_count,
         u.unread_count, u.mention_count,
         l.id as last_id, l.author_id as last_author, l.author_type as last_author_type, left(l.content_md, 2000) as last_text, l.created_at as last_at
    from proj_rooms r
    left join evt_stream_heads h on h.organization_id = r.organization_id and h.stream_type = 'room' and h.stream_id = r.id
    left join room_reads c on c.organization_id = r.organization_id and c.principal_id = ${principalId} and c.room_id = r.id
    left join lateral (select count(*)::int as unread_count, count(*) filter (where ${principalId} = any(mentions))::int as mention_count
                         from (select mentions from proj_messages m
                                 left join room_thread_reads tr on tr.organization_id = r.organization_id and tr.principal_id = ${principalId} and tr.thread_id = m.thread_id
                                where m.organization_id = r.organization_id and m.room_id = r.id
                                  and m.seq > coalesce(c.read_seq, 0) and m.seq > coalesce(tr.read_seq, 0) and m.author_id <> ${principalId} order by m.seq limit ${MOST_UNREAD}) unread) u on true
    left join lateral (select id, author_id, author_type, content_md, created_at from proj_messages m
                        where m.organization_id = r.organization_id and m.room_id = r.id order by seq desc limit 1) l on true`;

export const roomView = (row: RoomRow): z.input<typeof RoomView> => ({
  id: row.id,
  title: row.title,
  session_id: row.session_id,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
  last_seq: Number(row.last_seq),
  kind: row.session_id === null ? "discussion" : "session",
  archived: row.is_archived,
  member_count: row.member_count,
  read_seq: Number(row.read_seq),
  unread_count: row.unread_count,
  mention_count: row.mention_count,
  last_message: lastMessage(row),
});

export function lastMessage(row: {
  last_id: string | null;
  last_author: string | null;
  last_author_type: PrincipalType | null;
  last_text: string | null;
  last_at: Date | null;
}): z.input<typeof RoomView>["last_message"] {
  if (row.last_id === null || row.last_author === null || row.last_author_type === null || row.last_at === null) return null;
  return {
    id: row.last_id,
    author: { id: row.last_author, type: row.last_author_type },
    preview: preview(row.last_text ?? ERASED),
    at: row.last_at.toISOString(),
  };
}

/** One line of plain text: what Markdown draws with is left out. */
export function preview(markdown: string): string {
  const plain = markdown
    .replaceAll(/```[^\n]*\n?/g, " ")
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/^\s{0,3}(#{1,6}|[-*+>]|\d+\.)\s+/gm, "")
    .replaceAll(/[*_`~]{1,3}(?=\S)|(?<=\S)[*_`~]{1,3}/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return plain.length > 160 ? `${plain.slice(0, 159)}…` : plain;
}
