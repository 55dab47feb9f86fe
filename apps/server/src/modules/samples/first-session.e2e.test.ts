/* The session that is shipped, as a fresh installation shows it. */
import { readFileSync, statSync } from "node:fs";
import { databaseTest } from "@signalbox/testkit/database";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { FIRST_SESSION } from "./first-session.ts";

const database = databaseTest();
let c: Composed;
beforeAll(async () => {
  c = await startComposed(database);
}, 60_000);
afterAll(() => c.close());
const get = async (url: string) => (await c.call("GET", url, { token: c.owner })).body;

test("the shipped file is small and verifies offline with the public key that it names", async () => {
  expect(statSync(FIRST_SESSION).size).toBeLessThanOrEqual(500 * 1024);
  const lines = readFileSync(FIRST_SESSION, "utf8").trimEnd().split("\n");
  const { keys } = JSON.parse(lines[0]!) as { keys: string[] };
  const report = await verifyExport(nodePrimitives, lines, await Promise.all(keys.map((key) => parseKey(nodePrimitives, key))));
  expect(report).toMatchObject({ valid: true, uncovered: 0, first_mismatch: null, problems: [] });
});

test("a fresh installation imports it once, and shows everything that a session can have", async () => {
  expect(await c.server.importFirstSession()).toBe(true);
  expect(await c.server.importFirstSession()).toBe(false);
  const [session, ...others] = (await get("/v1/sessions")).items;
  expect(others).toEqual([]);
  expect(session).toMatchObject({ status: "stopped", imported: { from: "ws_dev" } });
  expect(session.title).toMatch(/scripted demo model/);
  expect(session.cost_micro_usd).toBeGreaterThan(0);
  expect(Object.values(session.imported.names)).toContain("Owner");
  const { items } = await get(`/v1/sessions/${session.id}/conversation?limit=200`);
  const types = new Set(items.map((item: { type: string }) => item.type));
  for (const type of ["message", "thought", "plan", "tool_call", "approval", "run_ended", "notice"])
    expect([type, types.has(type)]).toEqual([type, true]);
  const outputs = items.map((item: { output?: string }) => item.output ?? "").join("\n");
  expect(outputs).toMatch(/fail [1-9]/);
  expect(outputs).toMatch(/fail 0/);
  const approvals = (await get(`/v1/approvals?session_id=${session.id}`)).items;
  expect(approvals.map((one: { status: string }) => one.status).toSorted()).toEqual(["approved", "denied"]);
  const usage = await get(`/v1/sessions/${session.id}/usage`);
  expect(usage).toMatchObject({ spent_micro_usd: session.cost_micro_usd, reserved_micro_usd: 0 });
  expect((await get(`/v1/events?session_id=${session.id}&event_type=egress.blocked`)).items).toHaveLength(1);
  const [run] = (await get(`/v1/runs?session_id=${session.id}&sort=oldest`)).items;
  const inspection = await get(`/v1/runs/${run.id}/inspect`);
  expect(inspection.model_calls.length).toBeGreaterThan(5);
  expect(inspection.receipt_available).toBe(false);
});

test("removed, it does not come back, and its session is gone", async () => {
  const [kept] = (await get("/v1/audit/imports")).items;
  expect((await c.call("DELETE", `/v1/audit/imports/${kept.id}`, { token: c.owner })).status).toBe(200);
  expect((await get("/v1/sessions")).items).toEqual([]);
  expect(await c.server.importFirstSession()).toBe(false);
});
