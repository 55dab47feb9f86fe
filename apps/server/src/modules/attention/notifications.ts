/*
 * What waits for people as documents of the feed: `runtime.notifications` says what each thing is and how it ended,
 * `inbox` only that somebody's list may have changed.
 */
import type { Notification } from "@signalbox/contract/sync";
import type { Recorded } from "@signalbox/eventlog/log";
import { type RawBuilder, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import type { Database } from "../../module.ts";
import type { Audience, TopicDocument, TopicDocuments } from "../feed/public.ts";
import { ATTENTION_TYPES } from "./item.ts";

/** What ended longer ago is in the log. */
const DAYS = 7;
const PREFIX = "runtime/notification:";
const byTime = z.tuple([z.iso.datetime(), z.string()]);
const DECIDED: readonly string[] = ["approval", "invocation_unknown"];
const CONCERNS: readonly string[] = ["run_failed", "run_needs_human", "session_failed", "run_completed"];

interface Row {
  id: string;
  kind: z.input<typeof Notification>["kind"];
  room_id: string | null;
  session_id: string | null;
  run_id: string | null;
  for_principal: string | null;
  title: string | null;
  detail: string | null;
  at: Date;
  closed_at: Date | null;
  outcome: string | null;
}

/** Items of the list, and the turns that ended well: somebody asked for them. */
const ITEMS = sql`
  (select id, kind, room_id, session_id, run_id, for_principal, title, left(detail, 1000) as detail, opened_at as at, closed_at, outcome from proj_attention
   union all
   select 'run_completed:' || run_id, 'run_completed', room_id, session_id, run_id, requested_by, title, null, completed_at, completed_at, 'completed'
     from proj_attention_runs where completed_at is not null) i`;

function audienceOf(row: Row): Audience {
  const rooms = row.room_id === null ? null : [row.room_id];
  if (DECIDED.includes(row.kind)) return { rooms, kind: "deciders", principalId: null };
  if (CONCERNS.includes(row.kind)) return { rooms, kind: "concern", principalId: row.for_principal };
  return { rooms, kind: "everyone", principalId: null };
}

function documentOf(row: Row): TopicDocument {
  const { for_principal: _whose, ...said } = row;
  const payload: z.input<typeof Notification> = { ...said, at: row.at.toISOString(), closed_at: row.closed_at?.toISOString() ?? null };
  return {
    key: `${PREFIX}${row.id}`,
    // It opens once and closes once.
    version: row.closed_at === null ? 1 : 2,
    payload,
    audience: audienceOf(row),
  };
}

export function notifications(db: Database): TopicDocuments {
  const some = async (organizationId: string, where: RawBuilder<unknown>): Promise<Row[]> =>
    (await db.inOrganization(organizationId, (tx) => sql<Row>`select i.* from ${ITEMS} where ${where}`.execute(tx))).rows;
  return {
    topic: "runtime.notifications",
    // A session's next turn closes what the last one left.
    types: [...ATTENTION_TYPES, "run.created"],
    async moved(organizationId, events) {
      // An item opens and closes at the time at which an event was recorded.
      const times = [...new Set(events.map((r) => r.recordedAt))];
      const erased = events.filter((r) => Object.keys(r.event.data).length === 0).map((r) => r.subjectId);
      const rows = await some(
        organizationId,
        sql`i.at = any(${times}::timestamptz[]) or i.closed_at = any(${times}::timestamptz[])
            ${erased.length === 0 ? sql`` : sql`or i.run_id = any(${erased}::text[]) or i.session_id = any(${erased}::text[])`} order by i.at`,
      );
      return rows.map(documentOf);
    },
    hydration: {
      collection: "notifications",
      prefix: PREFIX,
      async list(viewer, { limit, cursor }) {
        const after = decodeCursor(cursor, byTime);
        const rooms = viewer.rooms === null ? null : [...viewer.rooms];
        const rows = await some(
          viewer.organizationId,
          sql`(i.closed_at is null or i.closed_at > now() - make_interval(days => ${DAYS}))
              and (${rooms}::text[] is null or i.room_id is null or i.room_id = any(${rooms}::text[]))
              and (${after?.[0] ?? null}::timestamptz is null or (i.at, i.id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
              order by i.at desc, i.id desc limit ${limit + 1}`,
        );
        return pageOf(rows, limit, documentOf, (row) => [row.at.toISOString(), row.id]);
      },
      async find(organizationId, id) {
        const [row] = await some(organizationId, sql`i.id = ${id}`);
        return row === undefined ? null : documentOf(row);
      },
    },
  };
}

/** That something on a person's list may have changed, and which thing; the list is then read over HTTP. */
export const inboxTopic: TopicDocuments = {
  topic: "inbox",
  types: ATTENTION_TYPES,
  moved: (_organizationId, events) => Promise.resolve(events.filter((r) => Object.keys(r.event.data).length > 0).map(changed)),
};

const changed = (r: Recorded): TopicDocument => ({
  key: `inbox/item:${r.subject}`,
  version: r.position ?? 1,
  payload: { changed: r.subject, type: r.event.type },
  audience: { rooms: r.roomId === undefined ? null : [r.roomId], kind: "everyone", principalId: null },
});

/** Their own act: nobody else's list is touched. */
export const dismissedDocument = (principalId: string, id: string, at: string): TopicDocument => ({
  key: `inbox/item:${id}`,
  version: Date.parse(at),
  payload: { changed: id, type: "attention.dismissed" },
  audience: { rooms: null, kind: "only", principalId },
});
