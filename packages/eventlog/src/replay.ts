/*
 * Gives the log, page by page, to projections whose tables are being made again (rebuild.ts). Each event is read and
 * parsed once, however many projections take it: one after the other they read 1.8 times as many.
 *
 *   read page n + 1 │ Postgres projects page n as one message …            │ what must see an answer, COMMIT
 *                   │ meanwhile page n + 1 is parsed and run ahead here    │
 *
 * A page is one JSON text, put together by Postgres: a row and nine columns for every event cost more here than all
 * that projections ask for.
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

/** Header and data are stored as JSON. */
const READ = `
  select '[' || string_agg(concat('[', position, ',', seq, ',', extract(epoch from recorded_at), ',', case header when '' then 'null' else header end, ',', coalesce(data, 'null'), ',"sha256:',
           encode(prev_hash, 'hex'), '","sha256:', encode(hash, 'hex'), '",',
           case when import_id is null then 'null,null' else to_json(import_id)::text || ',' || to_json(organization_id)::text end, ']'), ',') || ']' as page
    from (select e.position, e.seq, e.recorded_at, e.header, e.prev_hash, e.hash, p.data, e.import_id, e.organization_id
            from public.evt_events e left join public.evt_payloads p using (position)
           where e.position > $1 and e.type = any($2) order by e.position limit $3) as events`;

interface Page {
  readonly events: readonly Recorded[];
  /** Position of the last of them. */
  readonly last: number;
  readonly isLast: boolean;
}

/** What one page asks of the database, in its order. */
interface Step {
  readonly asked: readonly Asked[];
  /** Those that look at an answer: they run when the rest of the step is done. */
  readonly waiting: readonly (() => Promise<void>)[];
}

interface Taker {
  readonly name: string;
  readonly types: readonly string[];
  readonly dueOf: ReturnType<typeof distribution>;
}

/** `client` has the tables first in its search path, and no transaction open between the calls. */
export function createReplay(client: pg.ClientBase, schemas: readonly Replayed[], options: ReplayOptions): Replay {
  const counts = new Map(schemas.map(({ name }) => [name, 0]));
  let left = schemas.map(({ name, projections }): Taker => {
    const types = [...new Set(projections.flatMap((projection) => projection.types))];
    return { name, types, dueOf: distribution(projections) };
  });
  let types = typesOf(left);
  let [position, limit, replayed] = [0, PAGE, 0];
  const connection = inTurns(client, options.hydrate);

  /** The text of the page after a position, and how many events were asked for. */
  async function read(after: number): Promise<{ text: string; asked: number; after: number }> {
    const asked = limit;
    const { rows } = await connection.query<{ page: string | null }>(READ, [after, types, asked]);
    return { text: rows[0]?.page ?? "[]", asked, after };
  }

  async function parse({ text, asked, after }: Awaited<ReturnType<typeof read>>): Promise<Page> {
    const stored = JSON.parse(text) as Line[];
    const lines = stored.some(isCold) ? await filledIn(stored, options.hydrate ?? asTheyAre) : (stored as Whole[]);
    if (lines.length > 0) limit = Math.max(1, Math.min(PAGE, Math.floor((PAGE_LENGTH / text.length) * lines.length)));
    return {
      events: lines.map((line) => recordedOfLine(line, options.versions)),
      last: lines.at(-1)?.[0] ?? after,
      isLast: lines.length < asked,
    };
  }

  /** What projections ask for, run ahead of the database as when they ran inline. */
  async function prepare({ events }: Page): Promise<readonly Step[]> {
    const steps: Step[] = [];
    for (const piece of pieces(events)) {
      const asked: Asked[] = [];
      const waiting: (() => Promise<void>)[] = [];
      for (const { dueOf } of left) {
        const due = dueOf(piece);
        if (due.length === 0) continue;
        const own = await collect((tx) => project(tx, due));
        if (own === null) waiting.push(() => project(connection, due));
        else asked.push(...own);
      }
      steps.push({ asked, waiting });
    }
    return steps;
  }

  /** One transaction, or a projection that failed half-way would be given the same events again. */
  async function replay(steps: readonly Step[]): Promise<void> {
    if (steps.every(({ waiting }) => waiting.length === 0)) return connection.fly(steps.flatMap(({ asked }) => asked));
    await connection.query("begin");
    try {
      for (const { asked, waiting } of steps) {
        await connection.fly(asked);
        for (const wait of waiting) await wait();
      }
      await connection.query("commit");
    } catch (error) {
      await connection.query("rollback");
      throw error;
    }
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
      const { rows } = await connection.query<{ n: string }>("select count(*) as n from public.evt_events where type = any($1)", [types]);
      return Number(rows[0]?.n ?? 0);
    },
    end(name) {
      left = left.filter((of) => of.name !== name);
      types = typesOf(left);
    },
    async upToHead({ rest } = { rest: 0 }) {
      if (types.length === 0) return 0;
      const before = replayed;
      let page = await parse(await read(position));
      let ready = await prepare(page);
      while (page.events.length > 0) {
        const began = performance.now();
        const { last, isLast } = page;
        // While the database projects this page, the next is read before it and made ready behind it.
        const reading = isLast ? null : read(last);
        const replaying = replay(ready);
        const following = (async () => {
          const text = (await reading) ?? { text: "[]", asked: 1, after: last };
          await turn(); // what is projected is sent first
          const next = await parse(text);
          return { next, ready: await prepare(next) };
        })();
        const [projected, followed] = await Promise.allSettled([replaying, following]);
        if (projected.status === "rejected") throw projected.reason;
        count(page.events);
        position = last;
        options.onPage?.(replayed);
        if (followed.status === "rejected") throw followed.reason;
        ({ next: page, ready } = followed.value);
        if (rest > 0) await sleep((performance.now() - began) * rest);
      }
      return replayed - before;
    },
  };
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
