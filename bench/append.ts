/*
 * Append, side by side in one run on one embedded Postgres with fsync on:
 *
 *   signalbox   scan, seal, chain, one inline projection, one transaction per batch
 *   emmett      @event-driven-io/emmett-postgresql, append only: no projection, no chain
 *   copy        COPY of as large events into tables like evt_events and evt_payloads, all their
 *               indexes included: what this Postgres and this disk can do at best
 *
 * Rounds alternate, medians are printed. `node append.ts [--rounds N] [--seconds S]`; the last line
 * of stdout is one JSON object.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";
import type { Projection } from "../packages/eventlog/src/log.ts";
import { LOG_MIGRATIONS, migrate } from "../packages/eventlog/src/migrate.ts";
import { createLog } from "../packages/eventlog/src/postgres-log.ts";
import { applyProjectionSchemas } from "../packages/eventlog/src/projection-schema.ts";
import { accept, type Decider } from "../packages/kernel/src/decider.ts";
import { ulid } from "../packages/kernel/src/id.ts";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "3" } } });
const ROUNDS = Number(flags.rounds);
const SECONDS = Number(flags.seconds);

type Noted = { type: "message.created"; data: { message_id: string; thread_id: string; content_md: string } };
const message: Decider<{ exists: boolean }, Noted["data"], Noted, never> = {
  initial: { exists: false },
  decide: (_, data) => accept<Noted>({ type: "message.created", data }),
  evolve: () => ({ exists: true }),
};

const TEXT = "The build is green again: the flaky clock in the lease test was replaced, and the retry is now bounded. ".repeat(2);

const SCHEMA = `
create table proj_messages (
  organization_id text not null, id text primary key, thread_id text not null, content_md text not null, seq bigint not null
);
create index proj_messages_thread on proj_messages (thread_id, seq);`;

const messages: Projection<Noted> = {
  name: "bench.messages",
  types: ["message.created"],
  tables: ["proj_messages"],
  async project(tx, batch) {
    await tx.query(
      `insert into proj_messages (organization_id, id, thread_id, content_md, seq)
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) on conflict (id) do nothing`,
      [
        batch.map((r) => r.organizationId),
        batch.map((r) => r.subjectId),
        batch.map((r) => r.event.data.thread_id),
        batch.map((r) => r.event.data.content_md),
        batch.map((r) => r.seq),
      ],
    );
  },
};

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const quantile = (numbers: readonly number[], q: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * q)] ?? Number.NaN;

/** `callers` loops for `SECONDS`; each waits for its own append before the next. */
async function drive(
  callers: number,
  append: (caller: number) => Promise<unknown>,
): Promise<{ perSecond: number; p50: number; p99: number }> {
  const latencies: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (performance.now() < end) {
        const before = performance.now();
        await append(caller);
        latencies.push(performance.now() - before);
      }
    }),
  );
  return {
    perSecond: latencies.length / ((performance.now() - started) / 1000),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

/** Those of our own events; only imported ones have more. */
const COLUMNS =
  "position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version, run_id, correlation_id, recorded_at, header, prev_hash, hash";

async function copyEvents(client: pg.Client, rows: number, from: number): Promise<number> {
  const header = JSON.stringify({ filler: "x".repeat(560) });
  const bytes = `\\\\x${"ab".repeat(32)}`;
  const numbers = Array.from({ length: rows }, (_, i) => from + i);
  // Made before the clock starts.
  const events = numbers.map((n) => {
    const uuid = `01900000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
    return `${n}\tws_dev\troom\troom_${n % 64}\t${n}\t${uuid}\tmessage.created\tmessage:msg_${n}\t1\t\\N\tcor_${n}\t2030-01-01T00:00:00Z\t${header}\t${bytes}\t${bytes}\n`;
  });
  const payloads = numbers.map(
    (n) => `${n}\tws_dev\t{"content_md":"${TEXT}","message_id":"msg_${n}","thread_id":"th_${n % 64}"}\t${bytes}\t\\N\n`,
  );
  const started = performance.now();
  await pipeline(Readable.from(batched(events)), client.query(copyFrom(`copy bench_events (${COLUMNS}) from stdin`)));
  await pipeline(Readable.from(batched(payloads)), client.query(copyFrom("copy bench_payloads from stdin")));
  return rows / ((performance.now() - started) / 1000);
}

function* batched(lines: readonly string[]) {
  for (let i = 0; i < lines.length; i += 500) yield lines.slice(i, i + 500).join("");
}

const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-bench-"));
const postgres = await startEmbeddedPostgres({ dataDir });
try {
  await migrate(postgres.connection, [LOG_MIGRATIONS]);
  await applyProjectionSchemas(postgres.connection, [{ name: "bench", sql: SCHEMA, projections: [messages] }]);
  const log = await createLog({ connection: postgres.connection("sb_log"), projections: [messages] });
  const admin = new pg.Client(postgres.connection("admin"));
  await admin.connect();
  await admin.query(
    "create table bench_events (like evt_events including all); create table bench_payloads (like evt_payloads including all)",
  );
  await admin.query("create database emmett");
  const { host, port, user } = postgres.connection("admin");
  const emmett = getPostgreSQLEventStore(`postgresql://${user}@localhost:${port}/emmett?host=${encodeURIComponent(String(host))}`);

  const run = ulid();
  const ours = (caller: number) => {
    const id = `msg_${ulid()}`;
    return log.run(
      message,
      {
        organizationId: "ws_dev",
        origin: { principal: { id: "usr_bench", type: "user" }, roomId: `room_${caller}` },
        stream: { type: "room", id: `room_${caller}` },
        subject: `message:${id}`,
        newSubjects: [`message:${id}`],
      },
      { message_id: id, thread_id: `th_${caller}`, content_md: TEXT },
    );
  };
  const theirs = (caller: number) =>
    emmett.appendToStream(`room-${run}-${caller}`, [
      { type: "message.created", data: { message_id: `msg_${ulid()}`, thread_id: `th_${caller}`, content_md: TEXT } },
    ]);

  await drive(4, ours);
  await drive(4, theirs);
  const rounds: Record<string, number>[] = [];
  let copied = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const one = await drive(1, ours);
    const emmett1 = await drive(1, theirs);
    const sixteen = await drive(16, ours);
    const emmett16 = await drive(16, theirs);
    const sixtyFour = await drive(64, ours);
    const copy = await copyEvents(admin, 60_000, copied + 1);
    copied += 60_000;
    rounds.push({
      signalbox_1_p50_ms: one.p50,
      signalbox_1_p99_ms: one.p99,
      signalbox_1_per_s: one.perSecond,
      emmett_1_p50_ms: emmett1.p50,
      emmett_1_per_s: emmett1.perSecond,
      signalbox_16_per_s: sixteen.perSecond,
      signalbox_16_p50_ms: sixteen.p50,
      signalbox_16_p99_ms: sixteen.p99,
      emmett_16_per_s: emmett16.perSecond,
      emmett_16_p50_ms: emmett16.p50,
      signalbox_64_per_s: sixtyFour.perSecond,
      signalbox_64_p50_ms: sixtyFour.p50,
      signalbox_64_p99_ms: sixtyFour.p99,
      copy_events_per_s: copy,
      ratio_16_to_emmett: sixteen.perSecond / emmett16.perSecond,
      ratio_64_to_copy: sixtyFour.perSecond / copy,
    });
  }
  const result = Object.fromEntries(
    Object.keys(rounds[0] ?? {}).map((key) => [key, Number(median(rounds.map((r) => r[key] ?? Number.NaN)).toPrecision(4))]),
  );
  const verdicts = [
    ["one caller, p50 ms", result["signalbox_1_p50_ms"], "≤ 1", (result["signalbox_1_p50_ms"] ?? 9) <= 1],
    ["16 streams against emmett", result["ratio_16_to_emmett"], "≥ 3×", (result["ratio_16_to_emmett"] ?? 0) >= 3],
    ["64 callers against COPY", result["ratio_64_to_copy"], "≥ 0.4×", (result["ratio_64_to_copy"] ?? 0) >= 0.4],
  ] as const;
  console.table(Object.entries(result).map(([measure, value]) => ({ measure, value })));
  const targets = verdicts.map(([target, reached, wanted, ok]) => ({ target, reached: reached ?? null, wanted, ok }));
  console.log(
    JSON.stringify({ bench: "append", measures: { rounds: ROUNDS, seconds: SECONDS, postgres: postgres.version, ...result }, targets }),
  );
  await emmett.close();
  await log.close();
  await admin.end();
} finally {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
