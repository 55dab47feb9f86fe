/* Postgres stopped and started under the running server. */
import { get } from "node:http";
import { systemClock, type Clock } from "@signalbox/kernel/clock";
import { startTestCluster, TEMPLATE, type TestCluster } from "@signalbox/testkit/cluster";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../composed.fixture.ts";

/** Real time, but for an outage: who presents a token is known for a second without asking Postgres, and a test may be slower. */
let heldMs: number | null = null;
const clock: Clock = { nowMs: () => heldMs ?? systemClock.nowMs(), now: () => new Date(clock.nowMs()).toISOString() };
const PATIENCE = { timeout: 120_000 };
/** The log waits 15 s for its connection; less, for what the test does not see of them. */
const SHORT_MS = 10_000;

let cluster: TestCluster;
let c: Composed;
let port: number;

beforeAll(async () => {
  // Durable: stopped at once, it must still have what it acknowledged.
  cluster = await startTestCluster({ durable: true });
  c = await startComposed({ connection: (role) => cluster.connection(role, TEMPLATE) }, { clock });
  port = await c.server.listen();
});
afterAll(async () => {
  await c.close();
  await cluster.stop();
});

test(
  "while the database is away, callers are told to try again; afterwards everything goes on, feeds included",
  { timeout: 480_000 },
  async () => {
    const room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "outage" } })).body.id;
    const thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: c.owner, body: {} })).body.id;
    const say = (text: string) => c.call("POST", `/v1/threads/${thread}/messages`, { token: c.owner, body: { content_md: text } });
    let seen = "";
    const reader = get(
      { host: "127.0.0.1", port, path: `/v1/streams/rooms/${room}`, headers: { authorization: `Bearer ${c.owner}` } },
      (response) => {
        response.on("data", (part: Buffer) => (seen += part.toString()));
        response.on("error", () => undefined); // cut below
      },
    );
    await say("before");
    await expect.poll(() => seen).toContain("before");

    heldMs = systemClock.nowMs();
    await c.call("GET", "/v1/me", { token: c.owner });
    await cluster.pause("immediate");
    const read = await c.call("GET", "/v1/rooms", { token: c.owner });
    expect([read.status, read.body.error.code, read.headers["retry-after"]]).toEqual([503, "unavailable", "1"]);
    expect((await c.call("GET", "/v1/health")).status).toBe(503);
    // A write waits for a while: the outage may be short. This one is.
    const beganMs = performance.now();
    const waiting = say("during");
    await cluster.resume();
    const isShort = performance.now() - beganMs < SHORT_MS;
    heldMs = null;
    expect(isShort ? [201] : [201, 503]).toContain((await waiting).status);
    await expect.poll(async () => (await say("after")).status, PATIENCE).toBe(201);
    await expect.poll(() => seen, PATIENCE).toContain("after");
    expect([...seen.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: [...seen.matchAll(/^id: /gm)].length }, (_, i) => i + 1),
    );
    await expect
      .poll(async () => (await c.call("GET", "/v1/health")).body.parts.find((part: { name: string }) => part.name === "log").ok, PATIENCE)
      .toBe(true);
    reader.destroy();
  },
);
