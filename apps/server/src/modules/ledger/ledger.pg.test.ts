import { readFileSync } from "node:fs";
import path from "node:path";
import type { LedgerEvent } from "@signalbox/contract/events/ledger";
import type { Origin } from "@signalbox/eventlog/log";
import { rebuild } from "@signalbox/eventlog/rebuild";
import { systemClock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { recorded } from "@signalbox/testkit/events";
import pino from "pino";
import { afterEach, expect, test } from "vitest";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import { history, OTHER_RESERVATION, reserve, SESSION, set, settle } from "./fixtures.ts";
import { createLedger, type Bill, type LedgerModule } from "./public.ts";
import { usageProjection } from "./usage.projection.ts";

const database = databaseTest();
const ORGANIZATION = "ws_dev";
const AGENT: Origin = { principal: { id: "agt_1", type: "agent" }, zone: "sandbox" };
const bill = (cost: number): Bill => ({
  upstream: "u",
  cost,
  durationMs: 12.5,
  outcome: "completed",
  usage: { input_tokens: 7, output_tokens: 3, source: "reported" },
});

const closers: (() => Promise<void> | undefined)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Process {
  ledger: LedgerModule;
  db: RequestDatabase;
  session: string;
}

/** As one process of the server: a log and connections of its own. */
async function start(options: { cap?: number; session?: string; ttlMs?: number; beatMs?: number } = {}): Promise<Process> {
  const log = await database.log({ projections: [usageProjection] });
  const db = openDatabase(database.connection("sb_app"), { connections: 4, onError: () => undefined });
  closers.push(() => db.close());
  const times = { ttlMs: options.ttlMs ?? 30_000, beatMs: options.beatMs ?? 5_000 };
  const ledger = createLedger({
    log,
    db,
    clock: systemClock,
    logger: pino({ enabled: false }),
    organizations: async () => [ORGANIZATION],
    roleInSession: async () => "owner",
    times,
  });
  closers.push(() => ledger.stop?.());
  const session = options.session ?? newId("ses");
  if (options.cap !== undefined) {
    const capMicroUsd = options.cap;
    await log.unit({ organizationId: ORGANIZATION, origin: AGENT }, (unit) =>
      ledger.setBudget(unit, { organizationId: ORGANIZATION, sessionId: session, capMicroUsd }),
    );
  }
  return { ledger, db, session };
}

const asking = (sessionId: string, amount: number) => ({ organizationId: ORGANIZATION, sessionId, model: "m", amount, origin: AGENT });
const types = async (session: string) =>
  (
    await database.rows<{ type: string }>("select type from evt_events where subject = $1 order by subject_version", [`budget:${session}`])
  ).map((row) => row.type);

test("fifty calls at once from two processes never pass the cap, at any moment of the log", async () => {
  const a = await start({ cap: 1_000 });
  const b = await start({ session: a.session });
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const { ledger } = i % 2 === 0 ? a : b;
      const held = await ledger.reserve(asking(a.session, 90 + (i % 7)));
      if (!held.ok) return held.refusal.code;
      await ledger.settle(held.reservation, bill(60 + (i % 30)));
      return "settled";
    }),
  );
  expect(new Set(outcomes)).toEqual(new Set(["settled", "budget_exhausted"]));
  const rows = await database.rows<{ type: string; data: string }>(
    "select e.type, p.data from evt_events e join evt_payloads p using (position) where e.subject = $1 order by e.subject_version",
    [`budget:${a.session}`],
  );
  let spent = 0;
  const open = new Map<string, number>();
  for (const { type, data } of rows) {
    const d = JSON.parse(data) as { reservation_id: string; amount_micro_usd: number; cost_micro_usd: number };
    if (type === "ledger.reserved") open.set(d.reservation_id, d.amount_micro_usd);
    if (type === "ledger.settled") {
      open.delete(d.reservation_id);
      spent += d.cost_micro_usd;
    }
    expect(spent + [...open.values()].reduce((x, y) => x + y, 0)).toBeLessThanOrEqual(1_000);
  }
  expect(open.size).toBe(0);
  expect(rows.some(({ type }) => type === "budget.refused")).toBe(true);
  expect(await a.ledger.usage(ORGANIZATION, a.session)).toMatchObject({
    cap_micro_usd: 1_000,
    spent_micro_usd: spent,
    reserved_micro_usd: 0,
  });
});

test("usage shows what is held while it is held, then what it cost, by model", async () => {
  const { ledger, session } = await start({ cap: 1_000 });
  const held = await ledger.reserve(asking(session, 400));
  if (!held.ok) throw new Error("refused");
  expect(await ledger.usage(ORGANIZATION, session)).toMatchObject({ spent_micro_usd: 0, reserved_micro_usd: 400, calls: 0 });
  await ledger.settle(held.reservation, bill(650));
  expect(await ledger.usage(ORGANIZATION, session)).toEqual({
    cap_micro_usd: 1_000,
    spent_micro_usd: 650,
    reserved_micro_usd: 0,
    overrun_micro_usd: 250,
    calls: 1,
    by_model: [{ model: "m", calls: 1, cost_micro_usd: 650, input_tokens: 7, output_tokens: 3 }],
  });
  expect(await ledger.costs(ORGANIZATION, [session, "ses_other"])).toEqual(new Map([[session, { cap: 1_000, spent: 650 }]]));
});

test("another organization sees nothing of it", async () => {
  const { ledger, session } = await start({ cap: 1_000 });
  expect(await ledger.usage("ws_other", session)).toBeNull();
});

test("a session without a budget cannot spend", async () => {
  const { ledger, session } = await start();
  expect(await ledger.reserve(asking(session, 0))).toMatchObject({ ok: false, refusal: { code: "budget_not_set" } });
});

test("settling or releasing again changes nothing", async () => {
  const { ledger, session } = await start({ cap: 1_000 });
  const held = await ledger.reserve(asking(session, 400));
  if (!held.ok) throw new Error("refused");
  await Promise.all([
    ledger.settle(held.reservation, bill(10)),
    ledger.settle(held.reservation, bill(10)),
    ledger.release(held.reservation, "late"),
  ]);
  expect(await types(session)).toEqual(["budget.set", "ledger.reserved", "ledger.settled"]);
});

test("a reservation whose process fell silent is settled in full by another; one whose process lives is left alone", async () => {
  const dying = await start({ cap: 1_000, ttlMs: 1_000, beatMs: 60_000 });
  const living = await start({ session: dying.session });
  const lost = await dying.ledger.reserve(asking(dying.session, 400));
  const kept = await living.ledger.reserve(asking(dying.session, 100));
  if (!lost.ok || !kept.ok) throw new Error("refused");
  expect(await living.ledger.reconcile()).toBe(0);
  await database.rows(
    "update ledger_holders set seen_at = now() - interval '31 seconds' where holder = (select holder from proj_reservations where reservation_id = $1)",
    [lost.reservation.id],
  );
  expect(await living.ledger.reconcile()).toBe(1);
  expect(await living.ledger.usage(ORGANIZATION, dying.session)).toMatchObject({ spent_micro_usd: 400, reserved_micro_usd: 100 });
  expect(await types(dying.session)).toEqual(["budget.set", "ledger.reserved", "ledger.reserved", "ledger.settled"]);
  await dying.ledger.settle(lost.reservation, bill(1));
  expect(await living.ledger.usage(ORGANIZATION, dying.session), "the first ending stands").toMatchObject({ spent_micro_usd: 400 });
  const refusal = () =>
    dying.ledger.reserve(asking(dying.session, 0)).then(
      () => "granted",
      (error: Error) => error.message,
    );
  await expect.poll(refusal, { timeout: 5_000 }).toContain("too long");
});

test("the projection lands the same in one batch or many, and replaying changes nothing", async () => {
  const events = history(set, reserve(600), settle(700), reserve(100, OTHER_RESERVATION));
  const batch = recorded<LedgerEvent>(events, { subjectId: SESSION, subjectKind: "budget", organizationId: "ws_batch" });
  const tables = async () => ({
    budgets: await database.rows(
      "select session_id, cap, spent, overrun, calls, subject_version from proj_budgets where organization_id = 'ws_batch'",
    ),
    held: await database.rows("select reservation_id, amount, holder from proj_reservations where organization_id = 'ws_batch'"),
    usage: await database.rows("select model, calls, cost, input_tokens, output_tokens from proj_usage where organization_id = 'ws_batch'"),
    days: await database.rows("select day::text, calls, cost from proj_usage_days where organization_id = 'ws_batch'"),
  });
  const clear = () =>
    Promise.all(
      ["budgets", "reservations", "usage", "usage_days"].map((t) =>
        database.rows(`delete from proj_${t} where organization_id = 'ws_batch'`),
      ),
    );
  await database.transaction((tx) => usageProjection.project(tx, batch));
  const once = await tables();
  expect(once).toEqual({
    budgets: [{ session_id: SESSION, cap: "1000", spent: "700", overrun: "100", calls: "1", subject_version: "4" }],
    held: [{ reservation_id: OTHER_RESERVATION, amount: "100", holder: "hld_1" }],
    usage: [{ model: "m", calls: "1", cost: "700", input_tokens: "10", output_tokens: "20" }],
    days: [{ day: "2030-01-01", calls: "1", cost: "700" }],
  });
  await clear();
  for (const one of batch) await database.transaction((tx) => usageProjection.project(tx, [one]));
  expect(await tables()).toEqual(once);
  await database.transaction((tx) => usageProjection.project(tx, batch));
  expect(await tables()).toEqual(once);
  await clear();
});

test("what the projection holds is exactly what the log says", async () => {
  const { ledger, session } = await start({ cap: 1_000 });
  const [kept, ended] = [await ledger.reserve(asking(session, 100)), await ledger.reserve(asking(session, 200))];
  if (!kept.ok || !ended.ok) throw new Error("refused");
  await ledger.settle(ended.reservation, bill(250));
  const client = await database.pool("sb_owner").connect();
  try {
    const sql = readFileSync(path.join(import.meta.dirname, "schema.sql"), "utf8");
    const report = await rebuild(client, { name: "ledger", sql, projections: [usageProjection] }, { swap: false });
    expect(report.events).toBeGreaterThan(4);
    expect(report.drift).toEqual([]);
  } finally {
    client.release();
  }
});
