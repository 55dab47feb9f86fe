/* Kill switch and enforcement on a real database, with two processes' worth of gates. */
import { databaseTest } from "@signalbox/testkit/database";
import { expect, test, afterEach } from "vitest";
import { systemClock } from "@signalbox/kernel/clock";
import { PolicyInput } from "@signalbox/contract/gate";
import pino from "pino";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import type { Database } from "../../module.ts";
import { createGate, type GateModule, type KillSwitchChange } from "./public.ts";
import { killSwitchState } from "./kill-switch.projection.ts";

const database = databaseTest();
const closers: (() => Promise<void> | undefined)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

let organizations = 0;
const newOrganization = (): string => `ws_gate${organizations++}`;

async function start(more: { forced?: boolean; db?: (db: RequestDatabase) => Database; known?: boolean } = {}): Promise<GateModule> {
  const log = await database.log({ projections: [killSwitchState], enqueue: async () => undefined });
  const db = openDatabase(database.connection("sb_app"), { connections: 3, onError: () => undefined });
  const gate = createGate({
    log,
    db: more.db?.(db) ?? db,
    clock: systemClock,
    logger: pino({ enabled: false }),
    killSwitchForced: more.forced ?? false,
    principalExists: async () => more.known ?? true,
    approvals: { covering: async () => null },
  });
  await gate.start?.();
  closers.push(
    () => db.close(),
    () => gate.stop?.(),
  );
  return gate;
}

const input = (action: string, context: object = {}): PolicyInput =>
  PolicyInput.parse({ principal: { id: "agt_1", type: "agent" }, action, resource: { type: "r", id: "1" }, context });
const ask = (gate: GateModule, organizationId: string, action = "git.fetch", context: object = {}) =>
  gate.decide({
    organizationId,
    input: input(action, context),
    stream: { type: "organization", id: organizationId },
    origin: { principal: { id: "agt_1", type: "agent" } },
  });

async function set(gate: GateModule, organizationId: string, engaged: boolean) {
  const route = gate.routes.find((bound) => bound.route.id === "kill_switch.set")!;
  return (route.handler as (request: unknown) => Promise<unknown>)({
    caller: { organizationId, principal: { id: "usr_boss", type: "user", displayName: "Boss" }, role: "owner", scopes: ["admin"] },
    body: { engaged, reason: "drill" },
    origin: { principal: { id: "usr_boss", type: "user" } },
  });
}

test("the kill switch takes hold within a second in another process, and its listeners hear of it", async () => {
  const organizationId = newOrganization();
  const [here, there] = [await start(), await start()];
  const heard: KillSwitchChange[] = [];
  there.onKillSwitch((change) => heard.push(change));
  expect(await ask(there, organizationId)).toMatchObject({ decision: "allow" });
  expect(await set(here, organizationId, true)).toMatchObject({ organization: true, epoch: 1, reason: "drill", by: "usr_boss" });
  const engagedAt = performance.now();
  expect(await ask(here, organizationId)).toMatchObject({ decision: "deny", reason_code: "kill_switch_active" });
  // Nobody asks there meanwhile. Usually a few milliseconds; the machine may be busy with other tests.
  await expect.poll(() => heard, { timeout: 5000, interval: 5 }).toEqual([{ organizationId, engaged: true, epoch: 1 }]);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1000 - (performance.now() - engagedAt))));
  expect(await ask(there, organizationId)).toMatchObject({ reason_code: "kill_switch_active" });
  await set(here, organizationId, false);
  await expect.poll(() => heard.at(-1), { timeout: 5000, interval: 5 }).toEqual({ organizationId, engaged: false, epoch: 2 });
  expect(await ask(there, organizationId)).toMatchObject({ decision: "allow" });
});

test("it stops one organization and no other", async () => {
  const [stopped, other] = [newOrganization(), newOrganization()];
  const gate = await start();
  await set(gate, stopped, true);
  expect(await ask(gate, stopped)).toMatchObject({ decision: "deny" });
  expect(await ask(gate, other)).toMatchObject({ decision: "allow" });
});

test("when its state cannot be read for a second, effects are denied; when it can again, they go on", async () => {
  const organizationId = newOrganization();
  let isDown = false;
  const gate = await start({
    db: (db) => ({ inOrganization: (of, work) => (isDown ? Promise.reject(new Error("database is down")) : db.inOrganization(of, work)) }),
  });
  expect(await ask(gate, organizationId)).toMatchObject({ decision: "allow" });
  isDown = true;
  await new Promise((resolve) => setTimeout(resolve, 1050));
  expect(await gate.killSwitch(organizationId)).toBe("unknown");
  expect(await gate.evaluate(organizationId, input("git.fetch"))).toMatchObject({ decision: "deny", reason_code: "kill_switch_unknown" });
  expect(await gate.evaluate(organizationId, input("session.write"))).toMatchObject({ decision: "allow" });
  isDown = false;
  expect(await ask(gate, organizationId)).toMatchObject({ decision: "allow" });
});

test("a database that does not answer is as good as one that is down", async () => {
  const gate = await start({ db: () => ({ inOrganization: () => new Promise(() => undefined) }) });
  const before = performance.now();
  expect(await gate.killSwitch(newOrganization())).toBe("unknown");
  expect(performance.now() - before).toBeLessThan(4000);
});

test("forced by the environment it is engaged everywhere, and no API lifts it", async () => {
  const organizationId = newOrganization();
  const gate = await start({ forced: true });
  const heard: KillSwitchChange[] = [];
  gate.onKillSwitch((change) => heard.push(change));
  expect(heard).toEqual([{ organizationId: null, engaged: true, epoch: 0 }]);
  expect(await ask(gate, organizationId)).toMatchObject({ reason_code: "kill_switch_active" });
  expect(await set(gate, organizationId, false)).toMatchObject({ ok: false, refusal: { code: "kill_switch_forced" } });
  expect(await ask(gate, organizationId)).toMatchObject({ reason_code: "kill_switch_active" });
});

test("a listener that fails does not keep the others from hearing", async () => {
  const organizationId = newOrganization();
  const gate = await start();
  const heard: boolean[] = [];
  gate.onKillSwitch(() => {
    throw new Error("broken");
  });
  gate.onKillSwitch(({ engaged }) => heard.push(engaged));
  await set(gate, organizationId, true);
  expect(heard).toEqual([true]);
});

test("every no of enforcement is an event; a question without enforcement is none", async () => {
  const organizationId = newOrganization();
  const gate = await start();
  await ask(gate, organizationId, "git.push");
  await ask(gate, organizationId, "git.push.force");
  await ask(gate, organizationId, "git.fetch");
  const evaluated = await gate.evaluate(organizationId, input("git.push"));
  const events = await database.rows<{ type: string; data: string }>(
    "select e.type, p.data from evt_events e join evt_payloads p using (position) where e.organization_id = $1 order by position",
    [organizationId],
  );
  expect(events.map(({ type, data }) => [type, (JSON.parse(data) as { action: string }).action])).toEqual([
    ["policy.requires_approval", "git.push"],
    ["policy.denied", "git.push.force"],
  ]);
  // The same function: what enforcement recorded is what the question is answered.
  expect(JSON.parse(events[0]!.data)).toMatchObject({ evaluation_hash: evaluated.evaluation_hash, reason_code: evaluated.reason_code });
});

test("what the owner of an action knows overrides what the caller claims", async () => {
  const organizationId = newOrganization();
  const gate = await start();
  expect(await gate.evaluate(organizationId, input("egress.request", { host_allowed: true }))).toMatchObject({ decision: "allow" });
  gate.provideContext("egress.request", async () => ({ host_allowed: false }));
  expect(await gate.evaluate(organizationId, input("egress.request", { host_allowed: true }))).toMatchObject({
    decision: "deny",
    reason_code: "egress_host_not_allowed",
  });
});

test("a principal that nobody knows may do nothing", async () => {
  expect(await ask(await start({ known: false }), newOrganization())).toMatchObject({ decision: "deny", reason_code: "identity_unknown" });
});
