/* Postgres stopped and started under the running server. */
import { get } from "node:http";
import { startTestCluster, TEMPLATE, type TestCluster } from "@signalbox/testkit/cluster";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../composed.fixture.ts";

let cluster: TestCluster;
let c: Composed;
let port: number;

beforeAll(async () => {
  // Durable: stopped at once, it must still have what it acknowledged.
  cluster = await startTestCluster({ durable: true });
  c = await startComposed({ connection: (role) => cluster.connection(role, TEMPLATE) });
  port = await c.server.listen();
});
afterAll(async () => {
  await c.close();
  await cluster.stop();
});

test(
  "while the database is away, callers are told to try again; afterwards everything goes on, feeds included",
  { timeout: 180_000 },
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

    await cluster.pause("immediate");
    const read = await c.call("GET", "/v1/rooms", { token: c.owner });
    expect([read.status, read.body.error.code, read.headers["retry-after"]]).toEqual([503, "unavailable", "1"]);
    expect((await c.call("GET", "/v1/health")).status).toBe(503);
    // A write waits for a while: the outage may be short. This one is.
    const waiting = say("during");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await cluster.resume();
    expect((await waiting).status).toBe(201);
    await expect.poll(async () => (await say("after")).status).toBe(201);
    await expect.poll(() => seen).toContain("after");
    expect([...seen.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: [...seen.matchAll(/^id: /gm)].length }, (_, i) => i + 1),
    );
    await expect
      .poll(async () => (await c.call("GET", "/v1/health")).body.parts.find((part: { name: string }) => part.name === "log").ok)
      .toBe(true);
    reader.destroy();
  },
);
