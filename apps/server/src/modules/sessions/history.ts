/*
 * What happened in a room, in memory, as far as the timeline and the fold to a moment need it.
 *
 *   entries of a room  ──(seq above the last one)──► appended to      at each question; the log's head says when there is none
 *                      ──(one of them was erased)──► read anew
 *   budget of a session ─(version above the last)──► appended to
 *
 * Kept right: entries are only ever a prefix of the room's stream, which never changes but by erasure; an erasure is
 * itself an event of the stream, so whoever reads up to the head has seen it, and what it names is read without its data
 * from then on, also in the moment before that is gone. Nothing is invalidated by time.
 * Bounded by the number of entries over all rooms, the least recently asked for go first.
 *
 * Large data is cut in the database: a tool's output says nothing about how a session stood.
 */
import { EVENT_HISTORIES } from "@signalbox/contract/event-versions";
import { asTheyAre, type Hydrate, isCold } from "@signalbox/eventlog/archived";
import { dataRead, VERSION_COLUMN } from "@signalbox/eventlog/envelope";
import { translation } from "@signalbox/eventlog/foreign";
import type { DomainEvent } from "@signalbox/eventlog/log";
import { type Kysely, sql } from "kysely";
import type { Database } from "../../module.ts";

export interface Entry {
  readonly seq: number;
  readonly position: number;
  /** When it was recorded: ascends with seq. */
  readonly atMs: number;
  /** With its data as `slim` left it; an erased event has none. */
  readonly event: DomainEvent;
  /** `run`, `session`, `message` … */
  readonly kind: string;
  readonly id: string;
  readonly runId: string | null;
  readonly by: string;
}
export interface BudgetEntry {
  readonly position: number;
  readonly atMs: number;
  readonly event: DomainEvent;
}

export interface History {
  /** Of the whole room, in order: entry i has seq i + 1. */
  room(organizationId: string, roomId: string): Promise<readonly Entry[]>;
  /** Above `after`, up to and with `upTo`, at most a page of them; straight from the log. */
  read(organizationId: string, roomId: string, after: number, upTo: number): Promise<readonly Entry[]>;
  /** True when the room is in memory: then nothing is quicker. */
  isKept(organizationId: string, roomId: string): boolean;
  head(organizationId: string, roomId: string): Promise<number>;
  /** What concerned the session's budget, in order. */
  budget(organizationId: string, sessionId: string): Promise<readonly BudgetEntry[]>;
}

const MAX_ENTRIES = 300_000;
const SLIM_BYTES = 1500;
const PAGE = 20_000;

interface Row {
  seq: string;
  position: string;
  at: string;
  type: string;
  subject: string;
  run_id: string | null;
  by: string | null;
  version: string;
  /** Empty: it is archived. */
  header: string;
  data: string | null;
  /** Of what was imported: its data has the ids of where it is from. */
  import_id: string | null;
  /** An erasure in the log names it: its data may still be there, for that is taken away a moment later. */
  is_erased: boolean;
}

interface Kept<E> {
  entries: E[];
  last: number;
  /** One reader at a time: each appends to what the one before left. */
  turn: Promise<unknown>;
}

export function createHistory(
  db: Database,
  head: (organizationId: string, roomId: string) => Promise<number>,
  hydrate: Hydrate = asTheyAre,
): History {
  const rooms = new Map<string, Kept<Entry>>();
  const budgets = new Map<string, Kept<BudgetEntry>>();

  async function readRoom(organizationId: string, roomId: string, after: number, upTo = Number.MAX_SAFE_INTEGER): Promise<Entry[]> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<Row>`
        with erased as (
          select (rp.data::jsonb ->> 'target_event_id')::uuid as event_id from evt_events r join evt_payloads rp using (position)
           where r.organization_id = ${organizationId} and r.type = 'event.redacted' and r.stream_type = 'room' and r.stream_id = ${roomId}
             and rp.data::jsonb ->> 'level' = 'full')
        select e.event_id in (select event_id from erased) as is_erased, e.seq, e.position, (extract(epoch from e.recorded_at) * 1000)::bigint as at, e.type, e.subject, e.run_id, e.import_id, ${sql.raw(VERSION_COLUMN)} as version,
               case when e.header = '' then '' else 'hot' end as header,
               substring(e.header from '"principal":\\{"id":"([^"]+)"') as by,
               case when octet_length(p.data) <= ${SLIM_BYTES} or e.type not in (${sql.join(CUT)}) then p.data
                    else (select jsonb_strip_nulls(jsonb_build_object(${sql.join(KEPT.map((name) => sql`${sql.lit(name)}, d -> ${sql.lit(name)}`))},
                            'content_md', left(d ->> 'content_md', 300), 'text', left(d ->> 'text', 300), 'error', left(d ->> 'error', 300)))::text
                            from (select p.data::jsonb as d) x) end as data
          from evt_events e left join evt_payloads p using (position)
         where e.organization_id = ${organizationId} and e.stream_type = 'room' and e.stream_id = ${roomId} and e.seq > ${after} and e.seq <= ${upTo}
         order by e.seq limit ${PAGE}`.execute(tx),
    );
    return (await warm(rows)).map((row) => entryOf(organizationId, row.is_erased ? { ...row, data: null } : row));
  }

  /** Archived ones are cut here as the others are in the database. */
  async function warm(rows: Row[]): Promise<Row[]> {
    const cold = rows.map(isCold);
    return (await hydrate(rows)).map((row, i) => {
      if (cold[i] !== true) return row;
      const [, version = "1"] = /"version":([0-9]+),"zone"/.exec(row.header) ?? [];
      const [, by = null] = /"principal":\{"id":"([^"]+)"/.exec(row.header) ?? [];
      return { ...row, version, by, data: CUT.includes(row.type) ? slim(row.data) : row.data };
    });
  }

  async function refreshRoom(organizationId: string, roomId: string, kept: Kept<Entry>): Promise<void> {
    // The head before the entries: what comes meanwhile is read by the next one who asks.
    const goal = await head(organizationId, roomId);
    while (kept.last < goal) {
      const more = await readRoom(organizationId, roomId, kept.last);
      if (more.length === 0) break;
      const known = kept.entries.length > 0 && more.some(isErasure);
      if (known) kept.entries = [];
      else for (const entry of more) kept.entries.push(entry);
      kept.last = known ? 0 : more.at(-1)!.seq;
      if (known) {
        // From the beginning, and whatever is erased in there is read as erased already.
        for (;;) {
          const again = await readRoom(organizationId, roomId, kept.last);
          for (const entry of again) kept.entries.push(entry);
          if (again.length === 0) break;
          kept.last = again.at(-1)!.seq;
        }
      }
    }
  }

  async function refreshBudget(organizationId: string, sessionId: string, kept: Kept<BudgetEntry>): Promise<void> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<{ subject_version: string; position: string; at: string; type: string; version: string; data: string | null }>`
        select e.subject_version, ${sql.raw(VERSION_COLUMN)} as version, e.position, (extract(epoch from e.recorded_at) * 1000)::bigint as at, e.type, p.data
          from evt_events e join evt_payloads p using (position)
         where e.organization_id = ${organizationId} and e.subject = ${`budget:${sessionId}`} and e.subject_version > ${kept.last}
         order by e.subject_version`.execute(tx),
    );
    for (const row of rows)
      kept.entries.push({ position: Number(row.position), atMs: Number(row.at), event: { type: row.type, data: dataRead(row) } });
    kept.last = Number(rows.at(-1)?.subject_version ?? kept.last);
  }

  async function kept<E>(of: Map<string, Kept<E>>, key: string, refresh: (kept: Kept<E>) => Promise<void>): Promise<readonly E[]> {
    const found: Kept<E> = of.get(key) ?? { entries: [], last: 0, turn: Promise.resolve() };
    of.delete(key);
    of.set(key, found);
    const mine = found.turn.then(() => refresh(found));
    // Whoever waits behind a failed reader reads by himself.
    found.turn = mine.catch(() => undefined);
    await mine;
    forget(of, key);
    return found.entries;
  }

  function forget<E>(of: Map<string, Kept<E>>, key: string): void {
    let total = 0;
    for (const { entries } of of.values()) total += entries.length;
    for (const [other, { entries }] of of) {
      if (total <= MAX_ENTRIES || other === key) continue;
      of.delete(other);
      total -= entries.length;
    }
  }

  return {
    head,
    read: readRoom,
    isKept: (organizationId, roomId) => rooms.has(`${organizationId} ${roomId}`),
    room: (organizationId, roomId) => kept(rooms, `${organizationId} ${roomId}`, (of) => refreshRoom(organizationId, roomId, of)),
    budget: (organizationId, sessionId) =>
      kept(budgets, `${organizationId} ${sessionId}`, (of) => refreshBudget(organizationId, sessionId, of)),
  };
}

/** Those whose data may be large and is not needed whole. */
const HEAVY = [
  "message.created",
  "message.edited",
  "step.created",
  "step.thought",
  "tool.invoked",
  "tool.succeeded",
  "tool.failed",
  "artifact.created",
];
/** What an upcaster is to read is read whole. */
const CUT = HEAVY.filter((type) => !(type in EVENT_HISTORIES));
const KEPT = [
  "message_id",
  "thread_id",
  "room_id",
  "step_id",
  "run_id",
  "tool_call_id",
  "artifact_id",
  "name",
  "title",
  "kind",
  "duration_ms",
];

function slim(data: string | null): string | null {
  if (data === null || Buffer.byteLength(data) <= SLIM_BYTES) return data;
  const whole = JSON.parse(data) as Record<string, unknown>;
  const kept: Record<string, unknown> = {};
  for (const name of KEPT) if (whole[name] !== undefined && whole[name] !== null) kept[name] = whole[name];
  for (const name of ["content_md", "text", "error"])
    if (typeof whole[name] === "string") kept[name] = Array.from(whole[name]).slice(0, 300).join("");
  return JSON.stringify(kept);
}

/** What it names is read without its data from then on. */
export const isErasure = ({ event }: Entry): boolean =>
  event.type === "event.redacted" && (event.data as { level?: string }).level === "full";

function entryOf(organizationId: string, row: Row): Entry {
  const colon = row.subject.indexOf(":");
  const kind = row.subject.slice(0, colon);
  const id = row.subject.slice(colon + 1);
  const foreign = row.import_id === null ? null : translation({ organizationId, importId: row.import_id });
  return {
    seq: Number(row.seq),
    position: Number(row.position),
    atMs: Number(row.at),
    event: { type: row.type, data: foreign === null ? dataRead(row) : foreign.data(dataRead(row)) },
    kind,
    id,
    runId: row.run_id ?? (kind === "run" ? id : null),
    by: foreign === null ? (row.by ?? "") : foreign.id(row.by ?? ""),
  };
}
