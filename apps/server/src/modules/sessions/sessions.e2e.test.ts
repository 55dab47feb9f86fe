import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startComposed, type Composed } from "../../composed.fixture.ts";

const database = databaseTest();
let signalbox: Composed;

beforeAll(async () => {
  signalbox = await startComposed(database, { environment: { LOG_LEVEL: "info" } });
});
afterAll(() => signalbox.close());

async function until<T>(look: () => Promise<T | null | false | undefined>, withinMs = 20_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("thin line", async () => {
  const t0 = Date.now();
  const created = await signalbox.call("POST", "/v1/sessions", { token: signalbox.owner, body: { source: { type: "scratch" }, prompt: "Say hello to me." } });
  console.log(Date.now() - t0, JSON.stringify(created.body));
  expect(created.status).toBe(201);
  const id = created.body.id as string;
  await until(async () => {
    const { body } = await signalbox.call("GET", `/v1/sessions/${id}/turns`, { token: signalbox.owner });
    return body.items?.[0]?.ended_at !== null && body.items?.length > 0;
  }, 30_000);
  const turns = await signalbox.call("GET", `/v1/sessions/${id}/turns`, { token: signalbox.owner });
  console.log(Date.now() - t0, JSON.stringify(turns.body.items[0]));
  const conversation = await signalbox.call("GET", `/v1/sessions/${id}/conversation`, { token: signalbox.owner });
  console.log(JSON.stringify(conversation.body, null, 1));
  const stopped = await signalbox.call("POST", `/v1/sessions/${id}/stop`, { token: signalbox.owner, body: {} });
  console.log(stopped.status, JSON.stringify(stopped.body));
}, 60_000);
