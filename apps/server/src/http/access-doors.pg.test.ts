/* The ways in that are no routes of the contract (doors.ts, the topics of sync:v1), tried as everybody whom they do not admit. */
import { DOORS, TOPIC_ACCESS, type TopicKind } from "@signalbox/contract/doors";
import { Topic } from "@signalbox/contract/sync";
import type { Clock } from "@signalbox/kernel/clock";
import { databaseTest } from "@signalbox/testkit/database";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { type Composed, startComposed } from "../composed.fixture.ts";
import { openSocket } from "../modules/feed/sync-socket.fixture.ts";
import { scriptedAgent } from "../modules/sessions/scripted-harness.fixture.ts";
import { furnish, type Ids } from "./furnished.fixture.ts";

const database = databaseTest();
let aheadMs = 0;
const clock: Clock = { nowMs: () => Date.now() + aheadMs, now: () => new Date(Date.now() + aheadMs).toISOString() };
let c: Composed;
let port: number;
let keeper: { id: string; token: string; tokenId: string };
let stranger: { id: string; token: string };
let other: { id: string; ownerId: string; token: string };
let hidden: Ids;
let foreign: Ids;

beforeAll(async () => {
  c = await startComposed(database, { clock, harnesses: { opencode: { harness: scriptedAgent().harness, tools: [] } } });
  port = await c.server.listen();
  keeper = await c.person("member");
  stranger = await c.person("approver");
  other = await c.organization();
  hidden = await furnish(c, { organizationId: "ws_dev", ...keeper });
  foreign = await furnish(c, { organizationId: other.id, id: other.ownerId, token: other.token });
}, 120_000);
afterAll(() => c.close());

const syncToken = async (token: string, body: object = {}): Promise<string> =>
  (await c.call("POST", "/v1/sync/token", { token, body })).body.token;
const NOBODYS: Ids = { room: `room_${"0".repeat(26)}`, ses: `ses_${"0".repeat(26)}`, trm: `trm_${"0".repeat(26)}` };
const topicOf = (kind: TopicKind, ids: Ids): string =>
  TOPIC_ACCESS[kind].admits === "organization" ? kind : `${kind}:${ids[kind === "room" ? "room" : "ses"]}`;
const KINDS = Object.keys(TOPIC_ACCESS) as TopicKind[];

/** What a socket's opening comes to: the code that it closes with and the error in front of it, or the status that refuses it. */
function knock(path: string): Promise<string> {
  return new Promise((resolve) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    let told = "";
    ws.on("message", (data: Buffer) => (told = data.toString()));
    ws.on("unexpected-response", (_request, response) => resolve(String(response.statusCode)));
    ws.on("error", () => undefined);
    ws.on("close", (code) => resolve(`${code} ${told}`));
  });
}

/** What one who may not follow is told. */
async function told(token: string, topic: string): Promise<string> {
  const socket = await openSocket(port, token);
  socket.send({ type: "subscribe", topics: [topic] });
  const { code, message } = await socket.error("forbidden_topic");
  socket.close();
  return `${code}: ${message}`;
}

/** What opens something, but not what is asked. Every one is good for something else, was once, or will not be yet. */
async function noSyncTokens(): Promise<Readonly<Record<string, string>>> {
  const gone = await c.person("owner");
  const ofRevoked = await syncToken(gone.token);
  await c.call("DELETE", `/v1/tokens/${gone.tokenId}`, { token: gone.token });
  const lowered = await c.person("admin");
  const ofLowered = await syncToken(lowered.token);
  await c.call("PATCH", `/v1/members/${lowered.id}`, { token: c.owner, body: { role: "viewer" } });
  const [head, body, signature] = (await syncToken(c.owner)).split(".") as [string, string, string];
  const json = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
  const header = JSON.parse(Buffer.from(head, "base64url").toString()) as object;
  return {
    nothing: "",
    "an API token": c.owner,
    "a sandbox's key": (await c.call("POST", `/v1/sessions/${hidden["ses"]}/model-keys`, { token: keeper.token, body: {} })).body.key,
    "a share's token": (await c.call("POST", `/v1/sessions/${hidden["ses"]}/shares`, { token: keeper.token, body: {} })).body.token,
    "one of a revoked credential": ofRevoked,
    "one of somebody whose role has changed": ofLowered,
    "one without a signature": `${json({ ...header, alg: "none" })}.${body}.`,
    "one with other claims": `${head}.${json({ ...claims, role: "owner", org: other.id })}.${signature}`,
    "one under a name of a key that there is not": `${json({ ...header, kid: "000000000000" })}.${body}.${signature}`,
    "one whose header brings a key": `${json({ ...header, jwk: { kty: "oct", k: "AA" } })}.${body}.${signature}`,
    "one whose header says where keys are": `${json({ ...header, jku: "http://127.0.0.1/keys" })}.${body}.${signature}`,
    "one in four parts": `${head}.${body}.${signature}.${signature}`,
  };
}

describe("sync:v1", () => {
  test("has no topic that does not say whom it admits", () => {
    const declared = KINDS.map((kind) => topicOf(kind, NOBODYS));
    for (const topic of declared) expect(Topic.safeParse(topic).success, topic).toBe(true);
    // The schema knows exactly these: one that is added to it alone is not declared.
    const documents = KINDS.filter((kind) => kind.startsWith("runtime.")).map((kind) => kind.slice("runtime.".length));
    const others = KINDS.filter((kind) => !kind.startsWith("runtime.")).map((kind) =>
      TOPIC_ACCESS[kind].admits === "organization" ? kind : `${kind}:${kind === "room" ? "room" : "ses"}_[0-9A-Z]{26}`,
    );
    expect(z.toJSONSchema(Topic)["pattern"]).toBe(`^(runtime\\.(${documents.join("|")})|${others.join("|")})$`);
  });

  test("opens for nobody without a sync token that holds, and tells them all the same", async () => {
    const answers = new Map<string, string>();
    for (const [name, token] of Object.entries(await noSyncTokens())) answers.set(name, await knock(`/v1/sync?token=${token}`));
    const [first] = answers.values();
    expect(first).toMatch(/^4401 .*"unauthenticated"/);
    for (const [name, answer] of answers) expect(answer, name).toBe(first);
  });

  test("says of an ended token that it ended, since whoever has it may know", async () => {
    const token = await syncToken(c.owner);
    aheadMs += 301_000;
    expect(await knock(`/v1/sync?token=${token}`)).toMatch(/^4401 .*"token_expired"/);
  });

  test.each(KINDS)("%s is followed only by those whom it admits; nobody else learns whether it exists", async (kind) => {
    const nothing = topicOf(kind, NOBODYS);
    const narrow = await syncToken(c.owner, { scopes: [kind === "inbox" ? "runtime.run_summaries" : "inbox"] });
    const refused = await told(narrow, nothing);
    expect(refused).toContain(TOPIC_ACCESS[kind].refusal);
    // Too narrow a token, also of one who may.
    expect(await told(narrow, topicOf(kind, hidden))).toBe(refused);
    if (TOPIC_ACCESS[kind].admits !== "room") return;
    expect(await told(await syncToken(stranger.token), topicOf(kind, hidden)), "another room").toBe(refused);
    expect(await told(await syncToken(c.owner), topicOf(kind, foreign)), "another organization's").toBe(refused);
    expect(await told(await syncToken(stranger.token), nothing), "one that is not there").toBe(refused);
  });

  test.each(["runtime.run_summaries", "runtime.notifications", "inbox"] as const)(
    "of %s one sees nothing that is in others' rooms",
    async (kind) => {
      const room = (await c.call("POST", "/v1/rooms", { token: stranger.token, body: { title: "mine" } })).body.id as string;
      const socket = await openSocket(port, await syncToken(stranger.token));
      socket.send({ type: "subscribe", topics: [kind] });
      await socket.caughtUp(kind);
      await c.call("POST", "/v1/runs", { token: keeper.token, body: { room_id: hidden["room"], title: "theirs" } });
      const mine = (await c.call("POST", "/v1/runs", { token: stranger.token, body: { room_id: room, title: "mine" } })).body.id as string;
      if (kind === "runtime.run_summaries") await socket.until(() => JSON.stringify(socket.updates).includes(mine));
      for (const ids of [hidden, foreign])
        for (const id of Object.values(ids)) if (id !== keeper.id) expect(JSON.stringify(socket.frames)).not.toContain(id);
      socket.close();
    },
  );
});

describe("a terminal's socket", () => {
  test("opens for nobody without a sync token that holds", async () => {
    for (const [name, token] of Object.entries(await noSyncTokens()))
      expect(await knock(`/v1/terminals/socket?token=${token}&terminal=${hidden["trm"]}`), name).toMatch(/^4401 .*"unauthenticated"/);
  });
  test("is not there for another organization, another room, or a token that is not for its session", async () => {
    const at = async (token: string, terminal: string | undefined) =>
      (await knock(`/v1/terminals/socket?token=${token}&terminal=${terminal}`)).replaceAll(/trm_\w+/g, "ID");
    const nothing = await at(await syncToken(c.owner), NOBODYS["trm"]);
    expect(nothing).toMatch(/^4404 .*"terminal_not_found"/);
    expect(await at(await syncToken(stranger.token), hidden["trm"])).toBe(nothing);
    expect(await at(await syncToken(c.owner), foreign["trm"])).toBe(nothing);
    expect(await at(await syncToken(c.owner, { scopes: [`session:${foreign["ses"]}`] }), hidden["trm"])).toBe(nothing);
  });
});

describe("the other doors", () => {
  test.each(DOORS.filter(({ credential, kind }) => credential === "service signature" && kind === "http"))(
    "$path admits only signed requests",
    async () => {
      for (const headers of [
        {},
        { authorization: `Bearer ${c.owner}` },
        { "x-signalbox-time": "1", "x-signalbox-nonce": "n".repeat(24), "x-signalbox-signature": "AAAA", "x-signalbox-caller": "e30" },
      ])
        expect((await c.call("GET", `/internal/v1/sessions/${hidden["ses"]}/files`, { headers })).status).toBe(401);
      expect(await knock(`/internal/v1/terminals/socket?terminal=${hidden["trm"]}`)).toBe("401");
    },
  );

  test("the model proxy takes a virtual key and nothing else", async () => {
    const none = (await c.call("GET", "/llm/v1/models")).status;
    expect(none).toBe(401);
    const sync = await syncToken(keeper.token);
    for (const token of [c.owner, keeper.token, sync, "sbk_wrong"]) {
      const answer = await c.call("GET", "/llm/v1/models", { token });
      expect([answer.status, answer.body.error.code], token.slice(0, 4)).toEqual([401, "invalid_key"]);
    }
  });

  test("a preview is reached by its whole name only; any other is answered as one that never was", async () => {
    const get = (label: string) =>
      new Promise<string>((resolve, reject) =>
        httpRequest({ port, host: "127.0.0.1", headers: { host: `${label}.preview.localhost:${port}` } }, (response) => {
          let body = "";
          response.on("data", (chunk) => (body += chunk)).on("end", () => resolve(`${response.statusCode} ${body}`));
        })
          .on("error", reject)
          .end(),
      );
    const ulid = hidden["prv"]!.slice(4).toLowerCase();
    const never = await get("0".repeat(52));
    expect(never).toMatch(/^404 /);
    for (const label of [ulid, ulid + "0".repeat(26), `${ulid}${"z".repeat(26)}`, "x"]) expect(await get(label), label).toBe(never);
  });

  test("what everybody gets says nothing about anybody", async () => {
    for (const path of ["/metrics", "/readyz", "/openapi.json", "/v1/health", "/v1/auth/methods"]) {
      const text = JSON.stringify((await c.call("GET", path)).body);
      for (const id of [keeper.id, other.id, hidden["room"], hidden["ses"], "A member"])
        expect(text.includes(id!), `${path}: ${id}`).toBe(false);
    }
  });

  test("how long the answer to a wrong, an expired and a revoked token takes tells them not apart", async () => {
    const soon = await c.person("owner", { expiresAt: new Date(clock.nowMs() + 1000).toISOString() });
    const gone = await c.person("owner");
    await c.call("DELETE", `/v1/tokens/${gone.tokenId}`, { token: gone.token });
    aheadMs += 2000;
    const kinds = { wrong: `sbt_${"A".repeat(43)}`, expired: soon.token, revoked: gone.token };
    // Busy as the machine is: medians of turns taken one after the other, and three tries.
    const spread = async (): Promise<number> => {
      const taken: Record<string, number[]> = { wrong: [], expired: [], revoked: [] };
      for (let i = 0; i < 30; i++)
        for (const [kind, token] of Object.entries(kinds)) {
          const from = performance.now();
          await c.call("GET", "/v1/me", { token });
          taken[kind]!.push(performance.now() - from);
        }
      const medians = Object.values(taken).map((times) => times.toSorted((a, b) => a - b)[15]!);
      return Math.max(...medians) / Math.min(...medians);
    };
    const tries = [await spread(), await spread(), await spread()];
    expect(Math.min(...tries)).toBeLessThan(1.3);
  });
});
