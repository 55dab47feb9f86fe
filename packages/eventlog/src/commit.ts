/*
 * One batch as one transaction on a connection: chained, projected, inserted. writer.ts says what is tried in which
 * order and when; this is each of the ways.
 *
 *   heads remembered ──► run ahead ──► nothing looks at an answer ──► sent whole (flight.ts)
 *                                 └──► a projection does ──► BEGIN claim project │ insert COMMIT
 *   heads unknown ─────► BEGIN evt_prepare ──► who lost a race is told so ──► the rest as above, in two halves
 *
 * - From the moment in which COMMIT is sent a unit is `uncertain`, until an answer comes.
 * - `sent` is called as soon as the next batch may be sent behind this one; what it continues is remembered by then.
 */
import type { Hydrate } from "./archived.ts";
import type pg from "pg";
import { collect } from "./ahead.ts";
import { chain, PREPARE, prepareValues, streamsOf, type Chained, type Head } from "./batch.ts";
import { isConnectionError } from "./connection.ts";
import { canFly, fly } from "./flight.ts";
import type { NewJob, Projection, Recorded, Tx } from "./log.ts";
import { claimOf, insertOf, named, namedTx } from "./statements.ts";
import { inTurns, type Answer, type Outcome, type StagedUnit, type Waiting } from "./waiting.ts";

export interface CommitOptions {
  readonly projections: readonly Projection[];
  readonly hydrate?: Hydrate | undefined;
  readonly enqueue?: ((tx: Tx, jobs: readonly NewJob[]) => Promise<void>) | undefined;
  /** Of `recorded_at`. */
  readonly now: () => string;
  /** Called after each commit with what it appended. */
  readonly committed: (recorded: readonly Recorded[]) => void;
}

export interface Commits {
  /** Rejects when nothing of the batch was appended, or nobody knows (then its units are `uncertain`). */
  run(pgClient: pg.Client, batch: readonly Waiting[], prepare: boolean, sent: () => void): Promise<Answer>;
  /** What was believed of the streams may be wrong. */
  forget(): void;
}

const MAX_HEADS = 50_000;

export function createCommits(options: CommitOptions): Commits {
  const byType = projectionsByType(options.projections);
  const heads = new Map<string, Head>();

  async function runBatch(pgClient: pg.Client, batch: readonly Waiting[], prepare: boolean, sent: () => void): Promise<Answer> {
    const units = batch.map(({ unit }) => unit);
    const streams = streamsOf(units);
    if (!prepare && streams.every((key) => heads.has(key))) {
      const chained = chainOf(units, streams, heads);
      const asked = await runAhead(chained, units);
      const statements = asked === null ? null : [claimOf(chained), ...asked, ...insertOf(chained)];
      if (statements !== null && canFly(pgClient, statements)) return sendWhole(pgClient, batch, chained, statements, sent);
      return inTransaction(pgClient, batch, pgClient.query("begin"), (ended) => append(pgClient, batch, chained, asked, ended), sent);
    }
    const begun = pgClient.query("begin");
    const preparing = pgClient.query<PreparedRow>({ name: "evt_prepare", text: PREPARE, values: prepareValues(units, streams) });
    const work = async (ended: () => void): Promise<Answer> => {
      const row = (await preparing).rows[0];
      if (row === undefined) throw new Error("evt_prepare returned no row");
      const refused = new Map<number, Outcome>([
        ...row.duplicates.map((unit) => [unit, { kind: "duplicate_key" }] as const),
        ...row.conflicts.map((unit) => [unit, { kind: "conflict" }] as const),
      ]);
      const accepted = batch.filter((_, i) => !refused.has(i + 1));
      const locked = new Map(streams.map((key, i) => [key, { seq: Number(row.seqs?.[i]), hash: row.hashes![i]!.toString("hex") }]));
      const answer: Answer = accepted.length === 0 ? await abandon(pgClient) : await appendTo(pgClient, accepted, locked, ended);
      return () => {
        answer();
        for (const [unit, outcome] of refused) batch[unit - 1]?.resolve(outcome);
      };
    };
    return inTransaction(pgClient, batch, begun, work, sent);
  }

  async function sendWhole(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    chained: Chained,
    statements: readonly pg.QueryConfig[],
    sent: () => void,
  ): Promise<Answer> {
    for (const waiting of batch) waiting.uncertain = true;
    const flying = fly<{ first?: string }>(pgClient, statements);
    // What the next batch continues; if this one fails after all, its claim will say so.
    remember(chained);
    sent();
    try {
      return answerOf(batch, chained, Number((await flying)[0]?.first ?? 0));
    } catch (error) {
      if (!isConnectionError(error)) for (const waiting of batch) waiting.uncertain = false;
      throw error;
    }
  }

  /** Awaits what was sent to open the transaction; rolls back when `work` fails before its COMMIT was sent. */
  async function inTransaction(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    begun: Promise<unknown>,
    work: (ended: () => void) => Promise<Answer>,
    sent: () => void,
  ): Promise<Answer> {
    let isEnded = false;
    const ended = () => {
      isEnded = true;
      sent();
    };
    const [opened, worked] = await Promise.allSettled([begun, work(ended)]);
    if (opened.status === "fulfilled" && worked.status === "fulfilled") return worked.value;
    const error: unknown = opened.status === "rejected" ? opened.reason : (worked as PromiseRejectedResult).reason;
    if (isConnectionError(error)) throw error;
    for (const waiting of batch) waiting.uncertain = false;
    if (!isEnded) await pgClient.query("rollback");
    throw error;
  }

  async function appendTo(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    from: ReadonlyMap<string, Head>,
    ended: () => void,
  ): Promise<Answer> {
    const units = batch.map(({ unit }) => unit);
    const chained = chainOf(units, streamsOf(units), from);
    return append(pgClient, batch, chained, await runAhead(chained, units), ended);
  }

  async function abandon(pgClient: pg.Client): Promise<Answer> {
    await pgClient.query("rollback");
    return () => undefined;
  }

  function chainOf(units: readonly StagedUnit[], streams: readonly string[], from: ReadonlyMap<string, Head>): Chained {
    const before = new Map(streams.map((key) => [key, from.get(key)!]));
    return chain(units, streams, before, options.now());
  }

  /** What projections and jobs ask for; null when one of them must see an answer first. */
  async function runAhead(chained: Chained, units: readonly StagedUnit[]): Promise<readonly pg.QueryConfig[] | null> {
    const asked = await collect((tx) => projectAndEnqueue(tx, chained, units));
    return asked === null ? null : asked.map(({ text, values }) => named(text, values));
  }

  /** From open transaction to COMMIT: project, enqueue, insert. */
  async function append(
    pgClient: pg.Client,
    batch: readonly Waiting[],
    chained: Chained,
    asked: readonly pg.QueryConfig[] | null,
    ended: () => void,
  ): Promise<Answer> {
    const answering: Promise<pg.QueryResult>[] = [];
    const send = (statement: pg.QueryConfig) => void answering.push(pgClient.query(statement));
    if (asked === null) {
      const units = batch.map(({ unit }) => unit);
      throwFirst(
        await Promise.allSettled([
          pgClient.query(claimOf(chained)),
          projectAndEnqueue({ ...namedTx(pgClient), hydrate: options.hydrate }, chained, units),
        ]),
      );
    } else {
      [claimOf(chained), ...asked].forEach(send);
    }
    for (const waiting of batch) waiting.uncertain = true;
    insertOf(chained).forEach(send);
    // After a failure Postgres turns it into a ROLLBACK.
    send({ text: "commit" });
    remember(chained);
    ended();
    const [committed, inserted] = throwFirst(await Promise.allSettled(answering)).toReversed();
    if (committed?.command !== "COMMIT") throw new Error(`the transaction ended with ${committed?.command}`);
    return answerOf(batch, chained, Number((inserted?.rows[0] as { first?: string } | undefined)?.first ?? 0));
  }

  async function projectAndEnqueue(tx: Tx, { recorded }: Chained, units: readonly StagedUnit[]): Promise<void> {
    await project(tx, recorded);
    const jobs = units.flatMap((unit) => unit.jobs);
    if (jobs.length === 0) return;
    if (options.enqueue === undefined) throw new Error("a command enqueued a job, but this log was created without `enqueue`");
    await options.enqueue(tx, jobs);
  }

  function remember({ headsAfter }: Chained): void {
    for (const [key, head] of headsAfter) {
      heads.delete(key);
      heads.set(key, head);
    }
    for (const key of heads.keys()) {
      if (heads.size <= MAX_HEADS) break;
      heads.delete(key);
    }
  }

  function answerOf(batch: readonly Waiting[], { recorded }: Chained, first: number): Answer {
    return () => {
      // Ours alone until now: the projections that saw these objects are done with them.
      recorded.forEach((event, i) => void ((event as { position?: number }).position = first + i));
      // Before anybody is answered: who reads right after its own append must be able to find it.
      if (recorded.length > 0) options.committed(recorded);
      let from = 0;
      inTurns(batch, (waiting) => {
        const to = from + waiting.unit.entries.length;
        waiting.resolve({ kind: "committed", recorded: recorded.slice(from, to) });
        from = to;
      });
    };
  }

  async function project(tx: Tx, events: readonly Recorded[]): Promise<void> {
    const due = new Map<Projection, Recorded[]>();
    for (const event of events) {
      for (const projection of byType.get(event.event.type) ?? []) {
        const list = due.get(projection);
        if (list === undefined) due.set(projection, [event]);
        else list.push(event);
      }
    }
    // All settle before anything is rolled back: a straggler's statement must not land outside the transaction.
    const results = await Promise.allSettled([...due].map(([projection, list]) => projection.project(tx, list)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  return { run: runBatch, forget: () => heads.clear() };
}

interface PreparedRow {
  readonly conflicts: number[];
  readonly duplicates: number[];
  readonly seqs: string[] | null;
  readonly hashes: Buffer[] | null;
}

function projectionsByType(projections: readonly Projection[]): Map<string, Projection[]> {
  const map = new Map<string, Projection[]>();
  for (const projection of projections) {
    for (const type of projection.types) map.set(type, [...(map.get(type) ?? []), projection]);
  }
  return map;
}

/** In the order they were sent: after a failure every later statement fails too, and says nothing of why. */
function throwFirst<T>(settled: readonly PromiseSettledResult<T>[]): T[] {
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
