/* `/v1/events`: the log, filtered, as far as the caller's rooms reach. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { getEvent, listEvents } from "@signalbox/contract/log";
import { EACH_PAYLOAD, recordedOf, STORED_COLUMNS, type StoredRow } from "@signalbox/eventlog/envelope";
import { sql, type RawBuilder } from "kysely";
import { z } from "zod";
import { envelopeOf } from "../../envelope.ts";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import type { FeedParts } from "./public.ts";

const COLUMNS = sql.raw(STORED_COLUMNS);
const PAYLOADS = sql.raw(EACH_PAYLOAD);

export function eventRoutes({
  db,
  log,
  rooms,
  sessionRoom,
}: Pick<FeedParts, "db" | "sessionRoom"> & {
  readonly log: Pick<FeedParts["log"], "hydrate">;
  readonly rooms: Pick<FeedParts["rooms"], "visibleRooms">;
}): readonly BoundRoute[] {
  /** Null: everything. Otherwise the streams of these rooms, and nothing of the organization's or the ledger's. */
  async function visible(caller: Caller): Promise<RawBuilder<unknown> | null> {
    const ids = await rooms.visibleRooms(caller);
    return ids === null ? null : sql`e.stream_type = 'room' and e.stream_id = any(${ids}::text[])`;
  }

  return [
    handle(listEvents, async ({ caller, query }) => {
      const { organizationId } = caller;
      const where: RawBuilder<unknown>[] = [];
      const allowed = await visible(caller);
      if (allowed !== null) where.push(allowed);
      const inOneStream = query.stream_type !== undefined && query.stream_id !== undefined;
      if (query.stream_type !== undefined) where.push(sql`e.stream_type = ${query.stream_type}`);
      if (query.stream_id !== undefined) where.push(sql`e.stream_id = ${query.stream_id}`);
      if (query.from_seq !== undefined) where.push(sql`e.seq > ${query.from_seq}`);
      if (query.run_id !== undefined) where.push(sql`e.run_id = ${query.run_id}`);
      if (query.session_id !== undefined) {
        // A session's events are its room's, its own and its budget's; the log keeps no index of its own for them.
        const room = await sessionRoom(organizationId, query.session_id);
        where.push(
          sql`((e.stream_type = 'room' and e.stream_id = ${room}) or e.subject in (${`session:${query.session_id}`}, ${`budget:${query.session_id}`}))`,
        );
      }
      if (query.correlation_id !== undefined) where.push(sql`e.correlation_id = ${query.correlation_id}`);
      if (query.event_type !== undefined) where.push(sql`e.type = ${query.event_type}`);
      if (query.subject !== undefined) where.push(sql`e.subject = ${query.subject}`);
      if (query.after !== undefined) where.push(sql`e.recorded_at > ${query.after}`);
      if (query.before !== undefined) where.push(sql`e.recorded_at < ${query.before}`);
      const cursor = decodeCursor(query.cursor, z.tuple([z.int().min(0)]));
      if (cursor !== null) where.push(inOneStream ? sql`e.seq > ${cursor[0]}` : sql`e.position < ${cursor[0]}`);
      const filter = where.length === 0 ? sql`` : sql`where ${sql.join(where, sql` and `)}`;
      const order = inOneStream ? sql`e.seq` : sql`e.position desc`;
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<StoredRow>`select ${COLUMNS} from (select * from evt_events e ${filter} order by ${order} limit ${query.limit + 1}) e ${PAYLOADS} order by ${order}`.execute(
          tx,
        ),
      );
      if (
        rows.length === 0 &&
        inOneStream &&
        cursor === null &&
        !(await exists(organizationId, query.stream_type!, query.stream_id!, allowed))
      ) {
        return refused("stream_not_found", {
          message: "There is no such stream, or you may not see it.",
          fix: "A room's stream is stream_type=room&stream_id=room_…",
        });
      }
      return pageOf(await log.hydrate(rows), query.limit, envelope, (row) => [Number(inOneStream ? row.seq : row.position)]);
    }),

    handle(getEvent, async ({ caller, params }) => {
      const allowed = await visible(caller);
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<StoredRow>`select ${COLUMNS} from evt_events e ${PAYLOADS} where e.event_id = ${params.id}::uuid ${allowed === null ? sql`` : sql`and ${allowed}`}`.execute(
          tx,
        ),
      );
      const [row] = await log.hydrate(rows);
      return row === undefined
        ? refused("event_not_found", { message: "There is no such event, or you may not see it.", fix: "List events with GET /v1/events." })
        : envelope(row);
    }),
  ];

  async function exists(organizationId: string, type: string, id: string, allowed: RawBuilder<unknown> | null): Promise<boolean> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql`select 1 from evt_events e where e.stream_type = ${type} and e.stream_id = ${id} ${allowed === null ? sql`` : sql`and ${allowed}`} limit 1`.execute(
        tx,
      ),
    );
    return rows.length > 0;
  }
}

const envelope = (row: StoredRow): z.input<typeof EventEnvelope> => envelopeOf(recordedOf(row));
