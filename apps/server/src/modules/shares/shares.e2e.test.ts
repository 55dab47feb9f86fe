/* A link, from being made to being taken back, over a real socket. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { addTurn, beginSession, type Author, type LongSession } from "../sessions/long-session.fixture.ts";

const database = databaseTest();
let c: Composed;
let port: number;
let author: Author;
let session: LongSession;
let nowMs = Date.now();

beforeAll(async () => {
  c = await startComposed(database, { clock: { now: () => new Date(nowMs).toISOString(), nowMs: () => nowMs } });
  port = await c.server.listen();
  author = { log: c.server.log, organizationId: "ws_dev", by: "usr_owner" };
  session = await beginSession(author, { title: "Shared" });
  await addTurn(author, session, { tools: 3, prompt: "Look at it." });
}, 60_000);
afterAll(() => c?.close());

// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
type Body = any;
async function share(of: object = {}): Promise<Body> {
  const { status, body } = await c.call("POST", `/v1/sessions/${session.sessionId}/shares`, { token: c.owner, body: of });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}
const read = (token: string, path = "") => c.call("GET", `/v1/shared/${token}${path}`);

/** Frames of the stream until it ends. */
async function follow(token: string): Promise<{ frames: Body[]; ended: Promise<number> }> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/shared/${token}/stream`);
  expect(response.status).toBe(200);
  const frames: Body[] = [];
  const ended = (async () => {
    let text = "";
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk).toString();
      const parts = text.split("\n\n");
      text = parts.pop()!;
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (data !== undefined) frames.push(JSON.parse(data));
      }
    }
    return performance.now();
  })();
  return { frames, ended };
}
async function until(what: string, look: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 10_000; !look();) {
    if (performance.now() > deadline) throw new Error(`it did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("whoever has the link reads that session as a viewer would, and nothing else", async () => {
  const made = await share();
  expect(made).toMatchObject({
    id: expect.stringMatching(/^shr_/),
    status: "active",
    url: expect.stringContaining(`/shared/${made.token}`),
  });
  expect(Date.parse(made.expires_at) - nowMs).toBe(604_800_000);
  const { status, body } = await read(made.token);
  expect(status).toBe(200);
  expect(body).toMatchObject({ title: "Shared", cost_micro_usd: 1000, tool_calls: 3, files_changed: [{ path: "src/file-1.ts" }] });
  const said = JSON.stringify(body);
  for (const secret of [session.sessionId, session.roomId, session.threadId, "model_key"]) expect(said).not.toContain(secret);
  const items = (await read(made.token, "/conversation?order=newest")).body.items;
  expect(items).toEqual((await c.call("GET", `/v1/sessions/${session.sessionId}/conversation`, { token: c.owner })).body.items);
  expect((await read(made.token, "/timeline")).body.last_seq).toBe(body.last_seq);
  expect((await read(made.token, `/at?seq=${body.last_seq}`)).body).toMatchObject({ tool_calls: 3, runs: [{ status: "succeeded" }] });
  expect((await read(made.token, "/at")).body.error.code).toBe("moment_not_named");
  // As a bearer it is nobody.
  expect((await c.call("GET", `/v1/sessions/${session.sessionId}`, { token: made.token })).status).toBe(401);
  expect((await c.call("POST", `/v1/shared/${made.token}`, { body: {} })).status).toBe(404);
});

test("the token is in no event and no list; only its hash is kept", async () => {
  const made = await share();
  const { body: list } = await c.call("GET", `/v1/sessions/${session.sessionId}/shares`, { token: c.owner });
  expect(list.items.some((one: Body) => one.id === made.id)).toBe(true);
  const { body: events } = await c.call("GET", `/v1/events?event_type=share.created&limit=200`, { token: c.owner });
  for (const kept of [list, events]) expect(JSON.stringify(kept)).not.toContain(made.token.slice(-20));
});

test("unknown, expired and revoked links say so, and not more", async () => {
  const made = await share({ expires_in_s: 60 });
  expect((await read(made.token)).status).toBe(200);
  nowMs += 61_000;
  const expired = await read(made.token, "/conversation");
  expect([expired.status, expired.body.error.code]).toEqual([410, "share_expired"]);
  const other = await share();
  expect((await c.call("DELETE", `/v1/shares/${other.id}`, { token: c.owner })).body.status).toBe("revoked");
  expect((await c.call("DELETE", `/v1/shares/${other.id}`, { token: c.owner })).status).toBe(200);
  const revoked = await read(other.token);
  expect([revoked.status, revoked.body.error.code]).toEqual([410, "share_revoked"]);
  for (const token of [`${other.token.slice(0, -1)}${other.token.endsWith("A") ? "B" : "A"}`, "shs_none_x", "x"])
    expect((await read(token)).body.error.code, token).toBe("share_not_found");
});

test("guessing is slowed down, whatever is guessed; a good link is not slowed by it", async () => {
  const made = await share();
  const guesses = await Promise.all(Array.from({ length: 60 }, (_, i) => read(`shs_dev_${String(i).padStart(43, "x")}`)));
  expect(guesses.some(({ status }) => status === 429)).toBe(true);
  expect((await read(made.token)).status).toBe(200);
  nowMs += 60_000;
});

test("only who may write there makes and ends links; others do not even see them", async () => {
  const made = await share();
  const outsider = await c.person("member");
  expect((await c.call("POST", `/v1/sessions/${session.sessionId}/shares`, { token: outsider.token, body: {} })).status).toBe(404);
  expect((await c.call("DELETE", `/v1/shares/${made.id}`, { token: outsider.token })).status).toBe(404);
  const viewer = await c.person("member");
  await c.call("POST", `/v1/rooms/${session.roomId}/members`, { token: c.owner, body: { principal_id: viewer.id, role: "viewer" } });
  expect((await c.call("POST", `/v1/sessions/${session.sessionId}/shares`, { token: viewer.token, body: {} })).status).toBe(403);
  expect((await c.call("GET", `/v1/sessions/${session.sessionId}/shares`, { token: viewer.token })).status).toBe(200);
});

test("a reader hears what happens in that session, not in its room's others, and is cut off within a second of the end", async () => {
  const made = await share();
  const { frames, ended } = await follow(made.token);
  await until("history", () => frames.some((frame) => frame.type === "run.completed"));
  const { body: events } = await c.call("GET", `/v1/events?stream_type=room&stream_id=${session.roomId}&limit=200`, { token: c.owner });
  await addTurn(author, session, { tools: 1, prompt: "And again." });
  await until("the new turn", () => frames.filter((frame) => frame.type === "run.completed").length === 2);
  expect(frames.every((frame, i) => i === 0 || frame.seq > frames[i - 1].seq)).toBe(true);
  // What was never about the session: members, the links themselves, money.
  expect(frames.some((frame) => /^(room|share|ledger|model_key|policy)\./.test(frame.type))).toBe(false);
  expect(JSON.stringify(frames)).not.toMatch(/hash|correlation|idempotency|organization_id/);
  expect(frames.length).toBeLessThan(events.items.length + 20);
  const from = performance.now();
  await c.call("DELETE", `/v1/shares/${made.id}`, { token: c.owner });
  expect((await ended) - from).toBeLessThan(1500);
});

test("history waits for its reader: a session of many megabytes is read to its end", { timeout: 180_000 }, async () => {
  const long = await beginSession(author, { title: "Long" });
  const TURNS = 24;
  for (let i = 0; i < TURNS; i++) await addTurn(author, long, { tools: 0, prompt: "a word ".repeat(75_000) });
  const { body: made } = await c.call("POST", `/v1/sessions/${long.sessionId}/shares`, { token: c.owner, body: {} });
  const { frames } = await follow(made.token);
  await expect.poll(() => frames.filter((frame) => frame.type === "run.completed").length, { timeout: 60_000 }).toBe(TURNS);
});
