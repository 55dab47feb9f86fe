import { databaseTest } from "@signalbox/testkit/database";
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { openDatabase } from "../../database.ts";
import { createHolder } from "./holder.ts";

const database = databaseTest();
const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
});

test("a process that could not say it lives takes no more, until it can say so again", async () => {
  const db = openDatabase(database.connection("sb_app"), { connections: 1, onError: () => undefined });
  let nowMs = 0;
  const holder = createHolder(db, pino({ level: "silent" }), { beatMs: 20, ttlMs: 1_000 }, () => nowMs);
  closers.push(
    () => holder.stop(),
    () => db.close(),
  );
  expect(await holder.isAlive("ws_dev")).toBe(true);
  await database.rows("revoke insert, update on ledger_holders from sb_app");
  // Beats that were on their way still count as sent; from here on none gets through.
  await new Promise((resolve) => setTimeout(resolve, 100));
  nowMs += 1_000;
  expect(await holder.isAlive("ws_dev")).toBe(false);
  await database.rows("grant insert, update on ledger_holders to sb_app");
  await expect.poll(() => holder.isAlive("ws_dev"), { interval: 20 }).toBe(true);
});
