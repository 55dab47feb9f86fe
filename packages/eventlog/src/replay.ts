/*
 * Gives the log, page by page, to projections whose tables are being made again (rebuild.ts). Each event is read and
 * parsed once, however many projections take it: one after the other they read 1.8 times as many.
 *
 *   read page n + 1 │ page n, each module's part as one message: COMMIT  … on any connection that is free
 *                   │ meanwhile page n + 1 is parsed and run ahead here
 *
 * No module reads another's tables, so their parts may go to the database beside each other, each a transaction.
 *
 * An event is one JSON text, put together by Postgres: nine columns of each cost more here than all that projections
 * ask for, and a whole page as one text of megabytes cost Postgres four times as much as its rows, in fresh memory.
 */
import type { EventVersions } from "@signalbox/contract/event-versions";
import type pg from "pg";
import { collect, type Asked } from "./ahead.ts";
import { asTheyAre, type Hydrate } from "./archived.ts";
import { recordedOfParsed, type StoredHeader } from "./envelope.ts";
import { bound } from "./array-parameter.ts";
import { fly } from "./flight.ts";
import { distribution } from "./foreign.ts";
import type { Projection, Recorded, Tx } from "./log.ts";

/** Tables and those who write them. */
export interface Replayed {
  readonly name: string;
  readonly projections: readonly Projection[];
}

export interface ReplayOptions {
  /** How archived events are read; default: there are none. */
  readonly hydrate?: Hydrate | undefined;
  readonly versions?: EventVersions | undefined;
  /** After every page: how many events were given so far. */
  readonly onPage?: ((events: number) => void) | undefined;
}

export interface Replay {
  /** How many it replayed. `rest`: it rests this many times as long as each page took. */
  upToHead(options?: { readonly rest: number }): Promise<number>;
  /** In all, so far. */
  count(): number;
  /** Given to one of them, so far. */
  countOf(name: string): number;
  /** Of all events that it will give. */
  total(): Promise<number>;
  /** From now on the live projection writes its tables. */
  end(name: string): void;
}

/** Each statement of a projection is planned anew for every page, since the tables grow meanwhile. */
const PAGE = 2000;
/** Events may be large: about so many characters at once. */
const PAGE_LENGTH = 8_000_000;

type Line = readonly [
  position: number,
  seq: number,
  recordedAt: number,
  /** Null: the event is archived, and so is its data. */
  header: StoredHeader | null,
  data: object | null,
  prevHash: string,
  hash: string,
  importId: string | null,
  organizationId: string | null,
];

/** Header and data are stored as JSON. Payloads from that position on: see `STORED_COLUMNS`. */
const READ = `
  select concat('[', e.position, ',', e.seq, ',', extract(epoch from e.recorded_at), ',', case e.header when '' then 'null' else e.header end, ',', coalesce(p.data, 'null'), ',"sha256:',
           encode(e.prev_hash, 'hex'), '","sha256:', encode(e.hash, 'hex'), '",',
           case when e.import_id is null then 'null,null' else to_json(e.import_id)::text || ',' || to_json(e.organization_id)::text end, ']') as line
    from public.evt_events e left join public.evt_payloads p on p.position = e.position and p.position > $1
   where e.position > $1 and e.type = any($2) order by e.position limit $3`;

interface Page {
  readonly events: readonly Recorded[];
  /** Of each of them. */
  readonly positions: readonly number[];
  /** Position of the last of them. */
  readonly last: number;
  readonly isLast: boolean;
}

/** What one page asks of the database for one module, in its order. */
interface Part {
  readonly of: Taker;
  readonly steps: readonly Step[];
}
interface Step {
  readonly asked: readonly Asked[];
  /** Those that look at an answer: they run when the rest of the step is done. */
  readonly waiting: readonly (readonly [Projection, readonly Recorded[]])[];
}

interface Taker {
  readonly name: string;
  readonly types: readonly string[];
  readonly dueOf: ReturnType<typeof distribution>;
  /** Its tables are of this position. */
  position: number;
  /** Its part of the last page, in ms. */
  took: number;
}

/** `clients` have the tables first in their search path, and no transaction open between the calls. */
export function createReplay(clients: readonly pg.ClientBase[], schemas: readonly Replayed[], options: ReplayOptions): Replay {
  const counts = new Map(schemas.map(({ name }) => [name, 0]));
  let left = schemas.map(({ name, projections }): Taker => {
    const types = [...new Set(projections.flatMap((projection) => projection.types))];
    return { name, types, dueOf: distribution(projections), position: 0, took: 0 };
  });
  let types = typesOf(left);
  let [limit, replayed] = [PAGE, 0];
  const connections = clients.map((client) => inTurns(client, options.hydrate));
  const reading = connections.at(-1)!;

  /** The page after a position, and how many events were asked for. */
  async function read(after: number): Promise<{ rows: readonly { line: string }[]; asked: number; after: number }> {
    const asked = limit;
    const { rows } = await reading.query<{ line: string }>(READ, [after, types, asked]);
    return { rows, asked, after };
  }

  async function parse({ rows, asked, after }: Awaited<ReturnType<typeof read>>): Promise<Page> {
    const stored = rows.map(({ line }) => JSON.parse(line) as Line);
    const lines = stored.some(isCold) ? await filledIn(stored, options.hydrate ?? asTheyAre) : (stored as Whole[]);
    const length = rows.reduce((sum, { line }) => sum + line.length, 0);
    if (lines.length > 0) limit = Math.max(1, Math.min(PAGE, Math.floor((PAGE_LENGTH / length) * lines.length)));
    return {
      events: lines.map((line) => recordedOfLine(line, options.versions)),
      positions: lines.map(([position]) => position),
      last: lines.at(-1)?.[0] ?? after,
      isLast: lines.length < asked,
    };
  }

  /** What projections ask for, run ahead of the database as when they ran inline. */
  async function prepare({ events, positions }: Page): Promise<readonly Part[]> {
    const parts: Part[] = [];
    for (const of of left) {
      // Another module's part of this page failed: then this one may be further.
      const first = positions.findIndex((position) => position > of.position);
      const steps: Step[] = [];
      for (const piece of pieces(first === -1 ? [] : events.slice(first))) {
        const due = of.dueOf(piece);
        if (due.length === 0) continue;
        const asked = await collect((tx) => project(tx, due));
        steps.push(asked === null ? { asked: [], waiting: due } : { asked, waiting: [] });
      }
      parts.push({ of, steps });
    }
    return parts;
  }

  async function replay(parts: readonly Part[], last: number): Promise<void> {
    // The long ones first, so that no connection ends much later than another.
    const left = parts.toSorted((a, b) => b.of.took - a.of.took).values();
    const done = await Promise.allSettled(
      connections.map(async (connection) => {
        for (const { of, steps } of left) {
          const began = performance.now();
          await replayPart(connection, steps);
          of.took = performance.now() - began;
          of.position = last;
        }
      }),
    );
    const failed = done.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  function count(events: readonly Recorded[]): void {
    const byType = new Map<string, number>();
    for (const { event } of events) byType.set(event.type, (byType.get(event.type) ?? 0) + 1);
    for (const { name, types: own } of left)
      counts.set(
        name,
        own.reduce((sum, type) => sum + (byType.get(type) ?? 0), counts.get(name) ?? 0),
      );
    replayed += events.length;
  }

  return {
    count: () => replayed,
    countOf: (name) => counts.get(name) ?? 0,
    async total() {
      const { rows } = await reading.query<{ n: string }>("select count(*) as n from public.evt_events where type = any($1)", [types]);
      return Number(rows[0]?.n ?? 0);
    },
    end(name) {
      left = left.filter((of) => of.name !== name);
      types = typesOf(left);
    },
    async upToHead({ rest } = { rest: 0 }) {
      if (types.length === 0) return 0;
      const before = replayed;
      let page = await parse(await read(Math.min(...left.map(({ position }) => position))));
      let ready = await prepare(page);
      while (page.events.length > 0) {
        const began = performance.now();
        const { last, isLast } = page;
        // While the database projects this page, the next is read beside it and made ready behind it.
        const next = isLast ? null : read(last);
        const replaying = replay(ready, last);
        const following = (async () => {
          const text = (await next) ?? { rows: [], asked: 1, after: last };
          await turn(); // what is projected is sent first
          const parsed = await parse(text);
          return { next: parsed, ready: await prepare(parsed) };
        })();
        const [projected, followed] = await Promise.allSettled([replaying, following]);
        if (projected.status === "rejected") throw projected.reason;
        count(page.events);
        options.onPage?.(replayed);
        if (followed.status === "rejected") throw followed.reason;
        ({ next: page, ready } = followed.value);
        if (rest > 0) await sleep((performance.now() - began) * rest);
      }
      return replayed - before;
    },
  };
}

/** One transaction, or a projection that failed half-way would be given the same events again. */
async function replayPart(connection: ReturnType<typeof inTurns>, steps: readonly Step[]): Promise<void> {
  if (steps.every(({ waiting }) => waiting.length === 0)) return connection.fly(steps.flatMap(({ asked }) => asked));
  await connection.query("begin");
  try {
    for (const { asked, waiting } of steps) {
      await connection.fly(asked);
      await project(connection, waiting);
    }
    await connection.query("commit");
  } catch (error) {
    await connection.query("rollback");
    throw error;
  }
}

/** At once, as when it ran inline. All settle before anything is rolled back. */
async function project(tx: Tx, due: readonly (readonly [Projection, readonly Recorded[]])[]): Promise<void> {
  const projected = await Promise.allSettled(due.map(([projection, events]) => projection.project(tx, events)));
  const failed = projected.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

const typesOf = (takers: readonly Taker[]): readonly string[] => [...new Set(takers.flatMap(({ types }) => types))];

type Whole = Line & readonly [number, number, number, StoredHeader, ...unknown[]];
const isCold = ([, , , header]: Line): boolean => header === null;

/** Archived ones with the header and the data that lie in the store of contents. */
async function filledIn(lines: readonly Line[], hydrate: Hydrate): Promise<Whole[]> {
  const cold = await hydrate(
    lines.filter(isCold).map(([position]) => ({ position: String(position), header: "", data: null as string | null })),
  );
  const texts = new Map(cold.map((row) => [Number(row.position), row]));
  return lines.map((line) => {
    const text = texts.get(line[0]);
    if (text === undefined) return line as Whole;
    const [position, seq, recordedAt, , , ...rest] = line;
    const data = text.data === null ? null : (JSON.parse(text.data) as object);
    return [position, seq, recordedAt, JSON.parse(text.header) as StoredHeader, data, ...rest] as Whole;
  });
}

/** Without a position, as when it ran inline: a projection must not come to rely on it. */
function recordedOfLine(
  [, seq, recordedAt, header, data, prevHash, hash, importId, organizationId]: Whole,
  versions: EventVersions | undefined,
): Recorded {
  // In seconds. The column has microseconds, what is read has milliseconds.
  const at = new Date(Math.floor(recordedAt * 1000 + 0.001)).toISOString();
  return recordedOfParsed(header, data, { seq, position: undefined, recordedAt: at, prevHash, hash, importId, organizationId }, versions);
}

/**
 * What ends or forgets an import changes rows that other projections made, so it stands alone: a copy that was removed
 * and came again must not be forgotten because both are in one batch.
 */
function pieces(events: readonly Recorded[]): Recorded[][] {
  const out: Recorded[][] = [[]];
  for (const event of events) {
    if (event.event.type === "log.imported" || event.event.type === "log.import_removed") out.push([event], []);
    else out.at(-1)!.push(event);
  }
  return out.filter((piece) => piece.length > 0);
}

/** Whoever asks while another's statement runs waits for it: the connection takes one at a time. */
function inTurns(client: pg.ClientBase, hydrate: Hydrate | undefined): Tx & { fly(asked: readonly Asked[]): Promise<void> } {
  let last: Promise<unknown> = Promise.resolve();
  function next<T>(ask: () => Promise<T>): Promise<T> {
    const asked = last.then(ask);
    last = asked.catch(() => undefined); // is whose it is
    return asked;
  }
  return {
    hydrate,
    query: <Row>(text: string, values: readonly unknown[] = []) =>
      next(async () => {
        const result = await client.query(text, [...bound(text, values)]);
        return { rows: result.rows as Row[], rowCount: result.rowCount };
      }),
    async fly(asked) {
      if (asked.length === 0) return;
      const statements = asked.map(({ text, values }) => ({ text, values: [...bound(text, values)] }));
      await next(() => fly(client, statements));
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
