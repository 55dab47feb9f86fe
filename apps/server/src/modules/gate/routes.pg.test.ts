/* The gate over HTTP, on the composed server. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
beforeAll(async () => {
  c = await startComposed(database);
}, 60_000);
afterAll(() => c.close());

const call = (method: string, url: string, body?: unknown, token = c.owner) =>
  c.call(method, url, { token, ...(body === undefined ? {} : { body }) });
const question = (more: object = {}) => ({
  principal: { id: "usr_owner", type: "user" },
  action: "external.write",
  resource: { type: "api", id: "x" },
  ...more,
});

test("anybody may ask what the gate would say, and the same question has the same hash", async () => {
  const first = await call("POST", "/v1/policy/evaluate", question());
  expect(first.body).toMatchObject({
    decision: "require_approval",
    reason_code: "external_write_requires_approval",
    policy_ids: ["outside-writes"],
    policy_version: 2,
  });
  expect((await call("POST", "/v1/policy/evaluate", question())).body).toEqual(first.body);
  expect((await call("POST", "/v1/policy/evaluate", question({ principal: { id: "agt_nobody", type: "agent" } }))).body.reason_code).toBe(
    "identity_unknown",
  );
  expect((await call("POST", "/v1/policy/evaluate", question({ action: "" }))).status).toBe(400);
  // A question is not a denial: it leaves no trace.
  expect(await database.rows("select 1 from evt_events where type like 'policy.%'")).toEqual([]);
});

test("the policies in force and the actions they judge can be read", async () => {
  const { policies } = (await call("GET", "/v1/policy")).body as { policies: { id: string; text: string; decision: string | null }[] };
  expect(policies.find(({ id }) => id === "outside-writes")).toMatchObject({ effect: "permit", decision: "require_approval" });
  const { items } = (await call("GET", "/v1/action-registry")).body as { items: { action: string }[] };
  expect(items.find(({ action }) => action === "git.push")).toEqual({
    action: "git.push",
    description: "Push commits to a git remote",
    risk: "write",
    reversible: true,
    compensating_action: "git.push",
    zone: "supervised",
    cost_class: "none",
  });
});

test("an admin throws the kill switch: effects are denied and what waits is, until it is released", async () => {
  const asked = (await call("POST", "/v1/approvals", { action: "external.write", title: "Write", params: {} })).body;
  const member = await c.person("member");
  expect((await call("POST", "/v1/kill-switch", { engaged: true }, member.token)).status).toBe(403);
  expect((await call("POST", "/v1/kill-switch", { engaged: true, reason: "drill" })).body).toMatchObject({
    organization: true,
    global: false,
    by: "usr_owner",
    reason: "drill",
    epoch: 1,
  });
  expect((await call("POST", "/v1/policy/evaluate", question({ action: "external.read" }))).body.reason_code).toBe("kill_switch_active");
  await expect.poll(async () => (await call("GET", `/v1/approvals/${asked.id}`)).body.status, { timeout: 8000 }).toBe("denied");
  expect((await call("POST", "/v1/kill-switch", { engaged: true })).body.epoch).toBe(1);
  expect((await call("POST", "/v1/kill-switch", { engaged: false })).body).toMatchObject({ organization: false, epoch: 2 });
  expect((await call("POST", "/v1/policy/evaluate", question({ action: "external.read" }))).body.decision).toBe("allow");
  expect((await call("GET", "/v1/kill-switch")).body).toMatchObject({ organization: false, forced_by_environment: false, epoch: 2 });
});

test("an invocation that is not of unknown outcome takes no person's word", async () => {
  const answer = await call("POST", "/v1/invocations/act_01J00000000000000000000001/resolve", { outcome: "completed" });
  expect([answer.status, answer.body.error.code]).toEqual([404, "invocation_not_found"]);
  expect((await call("GET", "/v1/invocations")).body).toEqual({ items: [], next_cursor: null });
});
