/* Reads stored events exactly as they were hashed, in pages, for verification and export. */
import type { ChainedEvent } from "@signalbox/verify/chain";
import { hashText } from "@signalbox/verify/primitives";
import { EACH_PAYLOAD } from "@signalbox/eventlog/envelope";
import type { EventLog } from "@signalbox/eventlog/log";
import type { Database } from "../../module.ts";
import { type Kysely, sql } from "kysely";

export type StoredEvent = ChainedEvent & { readonly position: number; readonly recorded_at: string };

interface Row {
  readonly position: string;
  readonly stream_type: string;
  readonly stream_id: string;
  readonly seq: string;
  readonly recorded_at: Date;
  readonly header: string;
  readonly data: string | null;
  readonly salt: Buffer | null;
  readonly prev_hash: Buffer;
  readonly hash: Buffer;
  readonly import_id: string | null;
}

/** Fills in what is archived. */
type Warm = Pick<EventLog, "hydrate">;

/** Keeps a page well below a megabyte for ordinary events. */
const PAGE = 500;

const columns = sql`e.position, e.stream_type, e.stream_id, e.seq, e.recorded_at, e.header, p.data, p.salt, e.prev_hash, e.hash, e.import_id`;
const payloads = sql.raw(EACH_PAYLOAD);

/** One stream, ascending by seq, after `afterSeq` (exclusive). */
export async function* storedStream(
  db: Database,
  log: Warm,
  organizationId: string,
  stream: { type: string; id: string },
  afterSeq: number,
): AsyncGenerator<StoredEvent> {
  for (let after = afterSeq; ;) {
    const from = after;
    const rows = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`select ${columns} from (select * from evt_events e
        where e.organization_id = ${organizationId} and e.stream_type = ${stream.type} and e.stream_id = ${stream.id} and e.seq > ${from}
        order by e.seq limit ${PAGE}) e ${payloads} order by e.seq`.execute(tx),
    );
    for (const row of await log.hydrate(rows.rows)) yield storedEvent(row);
    if (rows.rows.length < PAGE) return;
    after = Number(rows.rows.at(-1)!.seq);
  }
}

/** The organization's own log up to and with `lastPosition`, ascending by position; what it imported is another's. */
export async function* storedLog(db: Database, log: Warm, organizationId: string, lastPosition: number): AsyncGenerator<StoredEvent> {
  for (let after = 0; ;) {
    const from = after;
    const rows = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`select ${columns} from (select * from evt_events e
        where e.organization_id = ${organizationId} and e.position > ${from} and e.position <= ${lastPosition} and e.import_id is null
        order by e.position limit ${PAGE}) e ${payloads} order by e.position`.execute(tx),
    );
    for (const row of await log.hydrate(rows.rows)) yield storedEvent(row);
    if (rows.rows.length < PAGE) return;
    after = Number(rows.rows.at(-1)!.position);
  }
}

/**
 * What a session's export tells of other streams than its room's: its budget and what its model calls cost, and what
 * the principals in it are called. Ascending by position, up to and with `lastPosition`.
 */
export async function storedParts(
  db: Database,
  log: Warm,
  organizationId: string,
  roomId: string,
  sessionId: string,
  lastPosition: number,
): Promise<StoredEvent[]> {
  // What is archived says who by its text alone.
  const who = new Set<string>();
  for await (const { header } of storedStream(db, log, organizationId, { type: "room", id: roomId }, 0))
    who.add((JSON.parse(header) as { principal: { id: string } }).principal.id);
  const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
    sql<Row>`select ${columns} from evt_events e left join evt_payloads p using (position)
       where e.organization_id = ${organizationId} and e.position <= ${lastPosition} and e.import_id is null
         and ((e.stream_type = 'ledger' and e.subject = ${`budget:${sessionId}`})
           or (e.stream_type = 'organization' and e.type = 'principal.registered' and e.subject = any(${[...who].map((id) => `principal:${id}`)}::text[])))
       order by e.position`.execute(tx),
  );
  return rows.map(storedEvent);
}

/** One import as it came, ascending by position. */
export async function* storedImport(db: Database, organizationId: string, importId: string): AsyncGenerator<StoredEvent> {
  for (let after = 0; ;) {
    const from = after;
    const rows = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`select ${columns} from (select * from evt_events e
        where e.organization_id = ${organizationId} and e.import_id = ${importId} and e.position > ${from}
        order by e.position limit ${PAGE}) e ${payloads} order by e.position`.execute(tx),
    );
    for (const row of rows.rows) yield storedEvent(row);
    if (rows.rows.length < PAGE) return;
    after = Number(rows.rows.at(-1)!.position);
  }
}

/** An imported event's stream has another name here than in what was hashed. */
const hashedStream = (row: Row): { type: string; id: string } =>
  row.import_id === null
    ? { type: row.stream_type, id: row.stream_id }
    : (JSON.parse(row.header) as { stream: { type: string; id: string } }).stream;

const storedEvent = (row: Row): StoredEvent => ({
  position: Number(row.position),
  stream: hashedStream(row),
  seq: Number(row.seq),
  recorded_at: row.recorded_at.toISOString(),
  header: row.header,
  data: row.data,
  salt: row.salt?.toString("base64") ?? null,
  prev_hash: hashText(row.prev_hash),
  hash: hashText(row.hash),
});
