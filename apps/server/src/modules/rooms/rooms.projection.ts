import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { RoomEvent } from "@signalbox/contract/events/rooms";
import { changes, LATER } from "./changes.ts";
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";

type Redacted = Extract<AuditEvent, { type: "event.redacted" }>;
type Event = RoomEvent | Redacted;
type Of<T extends Event["type"]> = Recorded<Extract<Event, { type: T }>>;

/**
 * Keeps `proj_rooms`, `proj_room_members`, `proj_threads` and `proj_messages`. An event whose
 * payload was erased has empty data: what its envelope says (subject, room, thread, who) remains.
 */
export const roomsProjection: Projection<Event> = {
  name: "rooms",
  types: ["room.created", "room.member_added", "room.member_removed", "thread.created", "message.created", ...LATER, "event.redacted"],
  // Not the members: whoever they were there, they are nobody here.
  imported: ["room.created", "thread.created", "message.created", "room.renamed", "message.edited", "event.redacted"],
  tables: ["proj_rooms", "proj_room_members", "proj_threads", "proj_messages"],

  async project(tx, batch) {
    await rooms(tx, of(batch, "room.created"));
    await members(tx, batch);
    await threads(tx, of(batch, "thread.created"));
    await messages(tx, of(batch, "message.created"));
    await changes(tx, batch);
    await redactions(tx, of(batch, "event.redacted"));
  },
};

/** A message is told by its own event (`redactions`); a room's members and a thread's count hang on more than their titles. */
export const FORGET_TITLES = {
  subjects: ["room", "thread"],
  forget: [
    "delete from proj_room_members where organization_id = $1 and room_id = $2",
    "delete from proj_rooms where organization_id = $1 and id = $2",
    "update proj_threads set title = null where organization_id = $1 and id = $2",
  ],
};

export const importedRooms = importProjection({
  name: "rooms.imported",
  tables: ["proj_rooms", "proj_threads", "proj_messages"],
  end: [],
  remove: [
    "delete from proj_messages t using import i where t.organization_id = i.organization_id and t.room_id = any(i.rooms)",
    "delete from proj_threads t using import i where t.organization_id = i.organization_id and t.room_id = any(i.rooms)",
    "delete from proj_rooms t using import i where t.organization_id = i.organization_id and t.id = any(i.rooms)",
  ],
});

async function rooms(tx: Tx, created: readonly Of<"room.created">[]): Promise<void> {
  if (created.length === 0) return;
  await tx.query(
    `insert into proj_rooms (organization_id, id, title, session_id, created_by, created_at)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) on conflict do nothing`,
    columns(created, (r) => [
      r.organizationId,
      r.subjectId,
      r.event.data.title ?? ERASED,
      r.event.data.session_id ?? r.sessionId ?? null,
      r.principal.id,
      r.occurredAt,
    ]),
  );
}

async function members(tx: Tx, batch: readonly Recorded<Event>[]): Promise<void> {
  const changed = new Map<string, Of<"room.member_added" | "room.member_removed">>();
  for (const r of [...of(batch, "room.member_added"), ...of(batch, "room.member_removed")].toSorted((a, b) => a.seq - b.seq)) {
    // Whose membership an erased event was about is gone with it.
    if (r.redaction !== "full") changed.set(`${r.subjectId} ${r.event.data.principal_id}`, r);
  }
  if (changed.size === 0) return;
  await tx.query(
    `insert into proj_room_members as m (organization_id, room_id, principal_id, role, seq)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
     on conflict (organization_id, room_id, principal_id) do update set role = excluded.role, seq = excluded.seq where m.seq < excluded.seq`,
    columns([...changed.values()], (r) => [
      r.organizationId,
      r.subjectId,
      r.event.data.principal_id,
      r.event.type === "room.member_added" ? r.event.data.role : null,
      r.seq,
    ]),
  );
}

async function threads(tx: Tx, created: readonly Of<"thread.created">[]): Promise<void> {
  if (created.length === 0) return;
  await tx.query(
    `insert into proj_threads (organization_id, id, room_id, title, created_by, created_at)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) on conflict do nothing`,
    columns(created, (r) => [r.organizationId, r.subjectId, r.stream.id, r.event.data.title ?? null, r.principal.id, r.occurredAt]),
  );
}

/** Counted by what was really inserted, so that a repeat counts nothing. */
async function messages(tx: Tx, created: readonly Of<"message.created">[]): Promise<void> {
  // An erased message that does not even say its thread is shown nowhere.
  const placed = created.filter((r) => threadOf(r) !== undefined);
  if (placed.length === 0) return;
  await tx.query(
    `with added as (
       insert into proj_messages (organization_id, id, thread_id, room_id, author_id, author_type, content_md, run_id, created_at, seq, event_id, mentions)
       select o, i, t, m, a, k, c, r, at, s, e, array(select jsonb_array_elements_text(n))
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::bigint[], $11::uuid[], $12::jsonb[])
           as x (o, i, t, m, a, k, c, r, at, s, e, n)
       on conflict do nothing returning organization_id, thread_id
     )
     update proj_threads t set message_count = message_count + a.n
       from (select organization_id, thread_id, count(*)::int as n from added group by 1, 2) a
      where t.organization_id = a.organization_id and t.id = a.thread_id`,
    columns(placed, (r) => [
      r.organizationId,
      r.subjectId,
      threadOf(r),
      r.stream.id,
      r.principal.id,
      r.principal.type,
      r.event.data.content_md ?? null,
      r.runId ?? null,
      r.occurredAt,
      r.seq,
      r.eventId,
      // Arrays of arrays must be rectangular for unnest; names travel as JSON.
      JSON.stringify(r.event.data.mentions ?? []),
    ]),
  );
}

const threadOf = (r: Of<"message.created">): string | undefined => r.event.data.thread_id ?? r.threadId;

async function redactions(tx: Tx, redacted: readonly Of<"event.redacted">[]): Promise<void> {
  const full = redacted.filter((r) => r.event.data.level === "full");
  if (full.length === 0) return;
  await tx.query(
    `update proj_messages m set content_md = null
       from unnest($1::text[], $2::uuid[]) as e (organization_id, event_id)
      where m.organization_id = e.organization_id and m.event_id = e.event_id`,
    columns(full, (r) => [r.organizationId, r.event.data.target_event_id]),
  );
}

/** Stands where a redaction took the text. */
export const ERASED = "[redacted]";

function of<T extends Event["type"]>(batch: readonly Recorded<Event>[], type: T): Of<T>[] {
  return batch.filter((r): r is Of<T> => r.event.type === type);
}

/** Rows to columns, the shape that `unnest` wants. */
function columns<R>(rows: readonly R[], row: (r: R) => readonly unknown[]): unknown[][] {
  const table = rows.map(row);
  return (table[0] ?? []).map((_, i) => table.map((r) => r[i]));
}
