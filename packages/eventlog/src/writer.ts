/*
 * The writing connection: everything that waits while it is busy becomes its next batch. There is
 * no timer: one caller alone never waits for company, and many share one commit.
 *
 *   idle ──submit──► running ──batch done, queue empty──► idle
 *                      │  ▲
 *         connection   │  │ reconnected
 *         lost         ▼  │
 *                   reconnecting ──patience over──────► every waiting unit fails (LogUnavailable)
 *
 * One batch is one transaction, tried in this order until one way works:
 *
 *   remembered   evt_claim project evt_insert                the heads are those of our own last append;
 *                                                            when another process appended, the claim fails
 *   prepared     BEGIN evt_prepare, then the same, COMMIT    locks the heads, sorts out who lost a race
 *   one by one   each unit alone                             so that a poisonous unit fails alone
 *
 * Projections are run ahead of the database (ahead.ts), so that a whole batch is sent at once
 * (flight.ts) and nothing in it waits for us. Only when a projection looks at an answer, its batch is
 * sent in two halves, up to the projections and from `evt_insert` to COMMIT.
 *
 * Two batches may be in flight, so that the database works while we decide what comes next. Callers who were answered
 * together come together again, so what they want is sent as two halves: while the database has the one, the callers of
 * the other decide. The second must be worth a commit of its own (`WORTH_A_COMMIT`): few callers are quicker in one batch.
 * Sending is exclusive (`slot`): statements of two transactions must not mix on the one connection,
 * nor a rollback hit the wrong one. If the first of the two fails, the claim of the second does too,
 * or it did not depend on it.
 *
 * A connection lost while committing leaves the outcome open: it is read back by event id before
 * anything is tried again, so no unit is ever appended twice.
 *
 *   waiting.ts      what makes a batch, and how its callers are answered
 *   slot.ts         who may send on the connection
 *   connection.ts   the connection itself, lost and had again
 *   commit.ts       one batch as one transaction, in each of the ways above
 *   read-back.ts    what became of a commit whose answer was lost
 *
 * A new column of `evt_events` changes: 0025-insert-by-subscript.sql, batch.ts, envelope.ts, read-back.ts.
 */
import { createCommits, type CommitOptions } from "./commit.ts";
import { createConnection, isConnectionError, type ConnectionOptions } from "./connection.ts";
import { LogUnavailable, OutcomeUnknown } from "./faults.ts";
import { readBack } from "./read-back.ts";
import { createSlot } from "./slot.ts";
import { takeBatch, type Answer, type Outcome, type StagedUnit, type Waiting } from "./waiting.ts";

export type WriterOptions = ConnectionOptions & CommitOptions;

export interface Writer {
  /** Connects; from then on the connection is kept, also while nothing is written: it hears the notifications. */
  start(): Promise<void>;
  submit(unit: StagedUnit): Promise<Outcome>;
  close(): Promise<void>;
}

const MAX_IN_FLIGHT = 2;
/**
 * Units for which a second batch is begun; twice as many are sent in halves. In one run, appends a second of 8, 12, 16,
 * 24, 32 callers: 2050, 2690, 2910, 3270, 3310 all in one batch, 3110, 3630, 4930, 4420, 4970 in halves; of 64 and more
 * the same. `@event-driven-io/emmett-postgresql` had 1500 with 16 in that run.
 */
const WORTH_A_COMMIT = 4;

/** A head, a key (SB001, raised by `evt_claim`) or a subject's version is no longer what the caller believed. */
function hasMovedOn(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === "SB001" || (code === "23505" && constraint === "evt_events_subject");
}

export function createWriter(options: WriterOptions): Writer {
  const queue: Waiting[] = [];
  let inFlight = 0;
  let unitsInFlight = 0;
  let planned = false;
  let idle: (() => void) | undefined;
  let closed = false;
  const slot = createSlot();
  const commits = createCommits(options);
  const connection = createConnection(
    {
      ...options,
      disconnected() {
        commits.forget();
        options.disconnected();
      },
    },
    slot,
    pump,
  );

  /** What comes later joins the batch after this one; halves keep both sides busy. */
  const isWorthSending = () => inFlight === 0 || queue.length >= Math.max(WORTH_A_COMMIT, unitsInFlight / 2);

  /** Starts the next batch when the connection is free to send one. */
  function pump(): void {
    while (queue.length > 0 && !slot.isTaken() && inFlight < MAX_IN_FLIGHT && isWorthSending()) {
      const isHalf = inFlight === 0 && queue.length >= 2 * WORTH_A_COMMIT;
      const batch = takeBatch(queue, isHalf ? Math.ceil(queue.length / 2) : undefined);
      inFlight++;
      unitsInFlight += batch.length;
      void settle(batch).then((answer) => {
        inFlight--;
        unitsInFlight -= batch.length;
        pump(); // before the callers are answered: the database works while they decide their next commands
        answer();
        if (inFlight === 0 && queue.length === 0) idle?.();
      });
    }
  }

  /** Gets every unit of the batch an outcome or an error; the returned function tells them. Never rejects. */
  async function settle(batch: readonly Waiting[]): Promise<Answer> {
    let todo = batch;
    let prepare = false;
    const answers: Answer[] = [];
    const all: Answer = () => {
      for (const answer of answers) answer();
    };
    for (;;) {
      const release = slot.isTaken() ? await slot.take() : slot.takeNow();
      try {
        const pgClient = connection.current ?? (await connection.open());
        if (todo.some(({ uncertain }) => uncertain)) {
          const { found, rest } = await readBack(pgClient, todo);
          answers.push(() =>
            found.forEach(({ waiting, recorded }) => {
              options.committed(recorded);
              waiting.resolve({ kind: "committed", recorded });
            }),
          );
          todo = rest;
        }
        if (todo.length === 0) return all;
        answers.push(
          await commits.run(pgClient, todo, prepare, () => {
            release();
            pump();
          }),
        );
        return all;
      } catch (error) {
        release();
        if (error instanceof LogUnavailable) {
          for (const waiting of todo) answers.push(() => waiting.reject(waiting.uncertain ? new OutcomeUnknown(error) : error));
          return all;
        }
        commits.forget();
        if (isConnectionError(error)) {
          connection.drop();
          continue;
        }
        if (!prepare && hasMovedOn(error)) {
          prepare = true;
          continue;
        }
        if (todo.length > 1) {
          for (const waiting of todo) answers.push(await settle([waiting]));
          return all;
        }
        answers.push(() => todo[0]?.reject(error));
        return all;
      } finally {
        release();
      }
    }
  }

  return {
    async start() {
      const release = slot.takeNow();
      try {
        await connection.open();
      } finally {
        release();
      }
    },
    submit(unit) {
      if (closed) return Promise.reject(new LogUnavailable(new Error("the log is closed")));
      return new Promise((resolve, reject) => {
        queue.push({ unit, uncertain: false, resolve, reject });
        // After the microtasks that run now: callers who were answered together submit together.
        if (planned) return;
        planned = true;
        process.nextTick(() => {
          planned = false;
          pump();
        });
      });
    },
    async close() {
      closed = true;
      connection.stop();
      if (inFlight > 0 || queue.length > 0) await new Promise<void>((resolve) => (idle = resolve));
      await connection.current?.end();
    },
  };
}
