/*
 * Streams of runs' output, in Postgres. An append, what it does to its producer and the stream's tail are one
 * transaction under the stream's row: what was answered is kept, and what is repeated is found repeated, whichever
 * process dies when.
 */
import { DURABLE_LIMITS } from "@signalbox/contract/durable";
import { sql } from "kysely";
import type { Kysely } from "kysely";
import type { Database } from "../../../module.ts";
import type { Frame, TopicSource } from "../subscriptions.ts";
import type { Notices } from "../notices.ts";
import { type AppendRequest, type Appended, closingOf, type CreateRequest, decideAppend, mediaTypeOf } from "./protocol.ts";

/** After its last append or read, when nothing shorter was asked for. */
const KEPT_MS = 7 * 24 * 3600_000;
export const DURABLE_CHANNEL = "feed_durable";

export interface Stream {
  readonly generation: string;
  readonly contentType: string;
  readonly tail: number;
  readonly closed: boolean;
  readonly closedBy: string | null;
  readonly lastSeq: string | null;
  readonly ttlS: number | null;
  readonly expiresAt: string | null;
}
export interface Named {
  readonly organizationId: string;
  readonly runId: string;
  readonly name: string;
}
export type AppendOutcome = { readonly stream: Stream; readonly appended: Appended | { readonly kind: "full" } };

interface Row {
  generation: string;
  content_type: string;
  tail: string;
  bytes: string;
  closed: boolean;
  closed_by: string | null;
  last_seq: string | null;
  ttl_s: string | null;
  expires_at: Date | null;
}
type Db = Kysely<Record<string, never>>;
const COLUMNS = sql`generation, content_type, tail, bytes, closed, closed_by, last_seq, ttl_s, expires_at`;

const streamOf = (row: Row): Stream => ({
  generation: row.generation,
  contentType: row.content_type,
  tail: Number(row.tail),
  closed: row.closed,
  closedBy: row.closed_by,
  lastSeq: row.last_seq,
  ttlS: row.ttl_s === null ? null : Number(row.ttl_s),
  expiresAt: row.expires_at?.toISOString() ?? null,
});

export interface DurableStore {
  find(of: Named): Promise<Stream | null>;
  create(
    of: Named,
    request: CreateRequest,
    data: Buffer,
    by: string,
  ): Promise<{ readonly stream: Stream; readonly isNew: boolean } | "conflict" | "too_many">;
  /** Null: there is none. */
  append(of: Named, request: AppendRequest, data: Buffer): Promise<AppendOutcome | null>;
  delete(of: Named): Promise<boolean>;
  source(organizationId: string, generation: string, isJson: boolean): TopicSource;
  /** That somebody reads keeps a stream with a time to live. */
  touch(of: Named, stream: Stream): Promise<void>;
  expire(organizations: readonly string[]): Promise<void>;
}

export function createDurableStore(db: Database, notices: Notices, nowMs: () => number): DurableStore {
  /** Not yet over by its own time. */
  const alive = () =>
    sql`(expires_at is null or expires_at > ${new Date(nowMs())}) and (ttl_s is null or touched_at + make_interval(secs => ttl_s) > ${new Date(nowMs())})`;

  async function row(tx: Db, { runId, name }: Named, lock = false): Promise<Row | null> {
    const { rows } = await sql<Row>`select ${COLUMNS} from durable_streams where run_id = ${runId} and name = ${name} and ${alive()}
                                      ${lock ? sql`for update` : sql``}`.execute(tx);
    return rows[0] ?? null;
  }

  async function put(tx: Db, organizationId: string, generation: string, from: number, data: Buffer): Promise<void> {
    await sql`insert into durable_chunks (organization_id, generation, upto, from_offset, data)
              values (${organizationId}, ${generation}, ${from + data.length}, ${from}, ${data})`.execute(tx);
  }
  const wake = (tx: Db, generation: string) => sql`select pg_notify(${DURABLE_CHANNEL}, ${generation})`.execute(tx);

  async function remove(tx: Db, generations: readonly string[]): Promise<void> {
    const which = sql`generation = any(${[...generations]}::uuid[])`;
    await sql`delete from durable_chunks where ${which}`.execute(tx);
    await sql`delete from durable_producers where ${which}`.execute(tx);
    await sql`delete from durable_streams where ${which}`.execute(tx);
    for (const generation of generations) await wake(tx, generation);
  }

  return {
    async find(of) {
      const found = await db.inOrganization(of.organizationId, (tx: Db) => row(tx, of));
      return found === null ? null : streamOf(found);
    },

    create: (of, request, data, by) =>
      db.inOrganization(of.organizationId, async (tx: Db) => {
        // One whose time is over makes room for the next of its name.
        const { rows: over } = await sql<{ generation: string }>`
          select generation from durable_streams where run_id = ${of.runId} and name = ${of.name} and not (${alive()}) for update`.execute(
          tx,
        );
        if (over.length > 0)
          await remove(
            tx,
            over.map(({ generation }) => generation),
          );
        const { rows: made } = await sql<Row>`
          insert into durable_streams (organization_id, run_id, name, content_type, tail, bytes, closed, ttl_s, expires_at, created_by, touched_at)
          select ${of.organizationId}, ${of.runId}, ${of.name}, ${request.contentType}, ${data.length}, ${data.length}, ${request.closed},
                 ${request.ttlS}, ${request.expiresAt}::timestamptz, ${by}, ${new Date(nowMs())}
           where (select count(*) from durable_streams where run_id = ${of.runId}) < ${DURABLE_LIMITS.streamsPerRun}
          on conflict do nothing returning ${COLUMNS}`.execute(tx);
        if (made[0] !== undefined) {
          if (data.length > 0) await put(tx, of.organizationId, made[0].generation, 0, data);
          return { stream: streamOf(made[0]), isNew: true };
        }
        const known = await row(tx, of);
        if (known === null) return "too_many" as const;
        const stream = streamOf(known);
        const isSame =
          mediaTypeOf(stream.contentType) === mediaTypeOf(request.contentType) &&
          stream.ttlS === request.ttlS &&
          stream.expiresAt === request.expiresAt &&
          stream.closed === request.closed;
        return isSame ? { stream, isNew: false } : ("conflict" as const);
      }),

    append: (of, request, data) =>
      db.inOrganization(of.organizationId, async (tx: Db) => {
        const found = await row(tx, of, true);
        if (found === null) return null;
        const stream = streamOf(found);
        const { producer } = request;
        const { rows } =
          producer === null
            ? { rows: [] }
            : await sql<{ epoch: string; seq: string }>`
                select epoch, seq from durable_producers where generation = ${stream.generation} and producer_id = ${producer.id}`.execute(
                tx,
              );
        const known = rows[0] === undefined ? null : { epoch: Number(rows[0].epoch), seq: Number(rows[0].seq) };
        const appended = decideAppend(stream, known, request, data.length > 0);
        if (appended.kind !== "append") return { stream, appended };
        if (Number(found.bytes) + data.length > DURABLE_LIMITS.bytesPerStream) return { stream, appended: { kind: "full" } };
        if (data.length > 0) await put(tx, of.organizationId, stream.generation, stream.tail, data);
        const { rows: now } = await sql<Row>`
          update durable_streams set tail = tail + ${data.length}, bytes = bytes + ${data.length}, touched_at = ${new Date(nowMs())},
                 closed = ${request.close}, closed_by = ${request.close && producer !== null ? closingOf(producer) : null},
                 last_seq = coalesce(${request.seq ?? null}::text, last_seq)
           where generation = ${stream.generation} returning ${COLUMNS}`.execute(tx);
        if (producer !== null)
          await sql`insert into durable_producers (organization_id, generation, producer_id, epoch, seq)
                    values (${of.organizationId}, ${stream.generation}, ${producer.id}, ${producer.epoch}, ${producer.seq})
                    on conflict (organization_id, generation, producer_id) do update set epoch = excluded.epoch, seq = excluded.seq`.execute(
            tx,
          );
        await wake(tx, stream.generation);
        return { stream: streamOf(now[0]!), appended };
      }),

    delete: (of) =>
      db.inOrganization(of.organizationId, async (tx: Db) => {
        const found = await row(tx, of, true);
        if (found === null) return false;
        await remove(tx, [found.generation]);
        return true;
      }),

    async touch(of, stream) {
      if (stream.ttlS === null) return;
      await db.inOrganization(of.organizationId, (tx: Db) =>
        sql`update durable_streams set touched_at = ${new Date(nowMs())} where generation = ${stream.generation}`.execute(tx),
      );
    },

    async expire(organizations) {
      for (const organizationId of organizations)
        await db.inOrganization(organizationId, async (tx: Db) => {
          const { rows } = await sql<{ generation: string }>`
            select generation from durable_streams where not (${alive()}) or touched_at < ${new Date(nowMs() - KEPT_MS)}
             order by touched_at limit 500 for update skip locked`.execute(tx);
          if (rows.length > 0)
            await remove(
              tx,
              rows.map(({ generation }) => generation),
            );
        });
    },

    source(organizationId, generation, isJson) {
      async function state(): Promise<{ tail: number; closed: boolean } | null> {
        const { rows } = await db.inOrganization(organizationId, (tx: Db) =>
          sql<{ tail: string; closed: boolean }>`select tail, closed from durable_streams where generation = ${generation}`.execute(tx),
        );
        return rows[0] === undefined ? null : { tail: Number(rows[0].tail), closed: rows[0].closed };
      }
      async function read(after: number, limit: number): Promise<(Frame & { readonly isCut: boolean })[]> {
        const { rows } = await db.inOrganization(organizationId, (tx: Db) =>
          // As many as fit into one answer, and at least one.
          sql<{ upto: string; from_offset: string; data: Buffer }>`
            select upto, from_offset, data from (
              select upto, from_offset, data, sum(length(data)) over (order by upto) - length(data) as before
                from (select upto, from_offset, data from durable_chunks where generation = ${generation} and upto > ${after} order by upto limit ${limit}) c) s
             where before < ${DURABLE_LIMITS.bytesPerRead} order by upto`.execute(tx),
        );
        return rows.map(({ upto, from_offset, data }) => ({
          id: upto,
          text: "",
          docKey: `stream/chunk:${upto}`,
          docVersion: 1,
          // A reader may come with any place; what it has of the first chunk is left out.
          bytes: Number(from_offset) < after ? data.subarray(after - Number(from_offset)) : data,
          isCut: Number(from_offset) < after,
        }));
      }
      return {
        async open(publish, cut) {
          let position = -1;
          let running = false;
          let again = false;
          let over = false;
          /** One look: true when there is more to look at. */
          async function look(): Promise<boolean> {
            again = false;
            // The state first: when it says closed, everything that was ever appended can be read.
            const now = await state();
            if (now !== null && now.tail > position) {
              const frames = await read(position, 200);
              if (over) return false;
              position = Number(frames.at(-1)?.id ?? now.tail);
              publish(frames);
              if (position < now.tail) return true;
            }
            if (over) return false;
            if (now === null || now.closed) cut("over");
            return again;
          }
          async function pull(): Promise<void> {
            if (running || position < 0) {
              again = true;
              return;
            }
            running = true;
            try {
              while (await look());
            } finally {
              running = false;
            }
          }
          const wakeUp = (): void => void pull().catch(() => setTimeout(() => over || wakeUp(), 250).unref());
          const leave = notices.subscribe(DURABLE_CHANNEL, (payload) => {
            if (payload === undefined || payload === generation) wakeUp();
          });
          try {
            position = (await state())?.tail ?? 0;
          } catch (error) {
            leave();
            throw error;
          }
          if (again) wakeUp();
          return {
            head: String(position),
            close() {
              over = true;
              leave();
            },
          };
        },
        async read(after, limit) {
          const now = await state();
          const cursor = Number(after);
          if (now === null || cursor > now.tail) return "stale";
          const frames = await read(cursor, limit);
          // Within a message nobody was ever told to go on.
          return isJson && frames[0]?.isCut === true ? "stale" : frames;
        },
      };
    },
  };
}
