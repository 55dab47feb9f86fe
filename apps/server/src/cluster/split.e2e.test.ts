/* Four processes on one Postgres: who does what, how they ask each other, and that what is live goes past the api. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request, type RequestOptions } from "node:http";
import path from "node:path";
import type { Duplex } from "node:stream";
import { createSync, type Sync } from "@signalbox/client/sync";
import { systemClock } from "@signalbox/kernel/clock";
import { followDirectives } from "@signalbox/providers/agent/directives.fixture";
import { createDemoUpstream } from "@signalbox/providers/model/demo/upstream";
import { serveUpstream, type ServedUpstream } from "@signalbox/providers/model/serve.fixture";
import { databaseTest } from "@signalbox/testkit/database";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket as Ws } from "ws";
import { startComposed } from "../composed.fixture.ts";
import { openDoors } from "./doors.fixture.ts";
import { until } from "../modules/sessions/installation.fixture.ts";
import { createKeyRing } from "../key-ring.ts";
import { createSecrets } from "../modules/secrets/public.ts";
import { RINGS } from "../rings.ts";
import { createSignatures } from "./signature.ts";
import { databaseUrlOf, startSplit, type Part, type Split } from "./split.fixture.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const database = databaseTest();
let model: ServedUpstream;
let split: Split;
let api: Part;
let gateway: Part;
let gateway2: Part;
let sync: Sync;
const throughApi: string[] = [];

beforeAll(async () => {
  model = await serveUpstream(createDemoUpstream({ script: followDirectives, chunkDelayMs: 40 }));
  split = await startSplit(database, {
    environment: { OPENAI_COMPATIBLE_BASE_URL: model.baseUrl, SIGNALBOX_SESSION_BUDGET_MICRO_USD: "1000000000" },
    onApiData: (chunk) => throughApi.push(chunk.toString("latin1")),
  });
  [api, gateway, gateway2] = await Promise.all([
    split.start("api"),
    split.start("gateway", "gateway-1"),
    split.start("gateway", "gateway-2"),
    split.start("worker"),
  ]);
  sync = createSync({ client: split.client() });
});
afterAll(async () => {
  sync?.close();
  await split?.close();
  await model?.close();
});

interface Delta {
  readonly kind: string;
  readonly delta?: string;
  readonly text?: string;
}
function follow(sessionId: string) {
  const deltas: Delta[] = [];
  sync.subscribe(`session:${sessionId}` as never, {
    after: "0.0",
    onUpdate: (update) => deltas.push(update.payload as unknown as Delta),
    onStale: () => undefined,
  });
  return { said: () => deltas.map((d) => (d.kind === "text" ? d.delta : d.kind === "snapshot" ? d.text : "")).join("") };
}
async function session(prompt: string): Promise<string> {
  const created = await split.call("POST", "/v1/sessions", { source: { type: "scratch" }, prompt });
  expect(created.status, JSON.stringify(created.body)).toBe(201);
  return created.body.id as string;
}
const holder = async (id: string): Promise<Part | null> => {
  const [row] = await database.rows<{ holder: string | null }>(
    "select holder from session_hubs where session_id = $1 and expires_at > now()",
    [id],
  );
  return row?.holder?.endsWith("#gateway-1") === true ? gateway : row?.holder?.endsWith("#gateway-2") === true ? gateway2 : null;
};
async function asked(options: RequestOptions, body: string): Promise<{ status: number; text: string }> {
  const [answer] = (await once(request({ host: "127.0.0.1", ...options }).end(body), "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode!, text: Buffer.concat(chunks).toString() };
}
const words = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => `word${from + i}`).join(" ");

test("each role answers what it is for, and says that it is ready", async () => {
  expect((await fetch(`${gateway.url}/v1/rooms`, { headers: { authorization: `Bearer ${split.token()}` } })).status).toBe(404);
  for (const part of [api, gateway]) {
    expect(await (await fetch(`${part.url}/readyz`)).json()).toEqual({ ready: true, role: part.role, node: part.name });
    expect((await fetch(`${part.url}/v1/health`)).headers.get("content-type")).toContain("json");
  }
  // Sockets are not for the api: whoever comes anyway is told so.
  const refused = new Ws(`${api.url.replace("http", "ws")}/v1/sync?token=x`);
  refused.on("error", () => undefined);
  expect(await new Promise((resolve) => refused.once("unexpected-response", (_, answer) => resolve(answer.statusCode)))).toBe(421);
  refused.terminate();
});

test("files, terminals and ports of a session are asked for at the api and answered by the gateway that holds it", async () => {
  const id = await session("say hello");
  await until("somebody holds it", () => holder(id));
  await until("the sandbox answers", async () => (await split.call("GET", `/v1/sessions/${id}/files`)).status === 200);
  expect((await split.call("GET", `/v1/sessions/${id}/ports`)).body).toEqual({ items: [] });
  expect((await split.call("GET", `/v1/sessions/${id}/files/content?path=../../etc/shadow`)).body.error.code).toBe(
    "path_outside_workspace",
  );
  const made = await split.call("POST", `/v1/sessions/${id}/terminals`, { cols: 80, rows: 24 });
  expect(made.status).toBe(201);
  const { token, gateway_url: at } = (await split.call("POST", "/v1/sync/token", {})).body as { token: string; gateway_url: string };
  expect(at).toBe(`http://127.0.0.1:${split.gateway.port}`);
  // Through either gateway: the one that does not have it joins the socket to the one that does.
  for (const part of [gateway, gateway2]) {
    const socket = new Ws(`${part.url.replace("http", "ws")}/v1/terminals/socket?token=${token}&terminal=${made.body.id as string}`);
    let printed = "";
    socket.on("message", (data: Buffer, isBinary) => (printed += isBinary ? data.toString() : ""));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    socket.send(Buffer.from(`echo through-${part.name}-$((40+2))\n`));
    await until(`the terminal answers through ${part.name}`, () => printed.includes(`through-${part.name}-42`));
    socket.terminate();
  }
  // A preview likewise: what is in its sandbox answers through both, by the same host name, over HTTP and WebSocket.
  const server =
    "require('http').createServer((q,r)=>r.end('inside '+q.method+' '+q.url+' '+(q.headers['x-signalbox-relayed']??''))).on('upgrade',(q,s)=>{s.write('HTTP/1.1 101 Switching Protocols\\r\\nconnection: Upgrade\\r\\nupgrade: websocket\\r\\n\\r\\n');s.pipe(s)}).listen(3000,'127.0.0.1')";
  const shell = new Ws(`${gateway.url.replace("http", "ws")}/v1/terminals/socket?token=${token}&terminal=${made.body.id as string}`);
  await new Promise((resolve, reject) => shell.once("open", resolve).once("error", reject));
  shell.send(Buffer.from(`node -e "${server}" &\n`));
  await until("a program listens", async () => (await split.call("GET", `/v1/sessions/${id}/ports`)).body.items?.length === 1);
  shell.terminate();
  const shown = await split.call("POST", `/v1/sessions/${id}/previews`, { port: 3000 });
  expect(shown.status, JSON.stringify(shown.body)).toBe(201);
  const { host } = new URL(shown.body.url as string);
  for (const part of [gateway, gateway2]) {
    const answer = await asked({ port: part.port, path: "/a?b=1", method: "POST", headers: { host } }, "x".repeat(100_000));
    expect([answer.status, answer.text], part.name).toEqual([200, "inside POST /a?b=1 "]);
    const upgrade = request({ host: "127.0.0.1", port: part.port, headers: { host, connection: "Upgrade", upgrade: "websocket" } }).end();
    const [, wire] = (await once(upgrade, "upgrade")) as [unknown, Duplex];
    wire.write("echo");
    expect(String((await once(wire, "data"))[0]), part.name).toBe("echo");
    // Revoking it cuts what is open through whichever of them.
    if (part === gateway2) {
      const closed = once(wire, "close");
      expect((await split.call("DELETE", `/v1/sessions/${id}/previews/${shown.body.id as string}`)).status).toBe(200);
      await closed;
    } else wire.destroy();
  }
  expect((await split.call("DELETE", `/v1/sessions/${id}/terminals/${made.body.id as string}`)).body.alive).toBe(false);
  expect((await split.call("POST", `/v1/sessions/${id}/stop`, {})).status).toBe(200);
});

test("an internal request that is unsigned, altered, old, replayed or under another key is 401", async () => {
  const id = await session("say hello");
  await until("somebody holds it", () => holder(id));
  const url = `/internal/v1/sessions/${id}/ports`;
  const [row] = await database.rows<{ ms: string }>("select extract(epoch from now()) * 1000 as ms");
  const key = Buffer.from(readFileSync(path.join(split.dataDir, "keys", "internal.key"), "utf8").trim(), "hex");
  const pool = database.pool("sb_log");
  const { sealer } = createSecrets({
    log: await database.log(),
    db: { inOrganization: () => Promise.reject(new Error("not asked")) },
    clock: systemClock,
    logger: pino({ level: "silent" }),
    keysDirectory: path.join(split.dataDir, "keys"),
    organizations: () => Promise.resolve([]),
  });
  const ring = createKeyRing({ pool, sealer, clock: systemClock }, RINGS.service);
  const signed = (of: { key?: Buffer; ageMs?: number } = {}, path = url): Promise<Record<string, string>> => {
    const caller = Buffer.from(
      JSON.stringify({
        requestId: "req_test",
        caller: {
          principal: { id: "usr_owner", type: "user", displayName: "" },
          organizationId: "ws_dev",
          role: "owner",
          scopes: ["read"],
        },
      }),
    ).toString("base64url");
    const { sign } = createSignatures({
      key: of.key ?? key,
      ring,
      nowMs: () => Number(row!.ms) - (of.ageMs ?? 0),
      remember: async () => true,
    });
    return sign({ method: "GET", path, body: Buffer.alloc(0), caller });
  };
  const ask = async (headers: Record<string, string>): Promise<number> => (await fetch(gateway.url + url, { headers })).status;
  expect(await ask({})).toBe(401);
  expect(await ask({ authorization: `Bearer ${split.token()}` })).toBe(401);
  expect(await ask(await signed({ key: randomBytes(32) }))).toBe(401);
  expect(await ask(await signed({ ageMs: 120_000 }))).toBe(401);
  expect(await ask(await signed({}, `${url}?x=1`))).toBe(401);
  const once = await signed();
  expect(await ask({ ...once, "x-signalbox-caller": Buffer.from("{}").toString("base64url") })).toBe(401);
  expect(await ask(once)).not.toBe(401);
  expect(await ask(once)).toBe(401);
  // A nonce that one process has seen, the others have too.
  const other = await fetch(gateway2.url + url, { headers: once });
  expect(other.status).toBe(401);
  expect((await split.call("POST", `/v1/sessions/${id}/stop`, {})).status).toBe(200);
});

test("what somebody has open at a gateway ends within a second of what it was opened with, taken away in another process", async () => {
  // A process of the role api, in which the test may make people.
  const other = await startComposed(database, {
    dataDir: split.dataDir,
    flags: ["--role", "api", "--node", "api-2"],
    environment: {
      DATABASE_URL: databaseUrlOf(database),
      SIGNALBOX_SHARED_DATA_DIR: "true",
      SIGNALBOX_PUBLIC_URL: `http://127.0.0.1:${split.api.port}`,
      SIGNALBOX_GATEWAY_URL: `http://127.0.0.1:${split.gateway.port}`,
      SIGNALBOX_REQUEST_CONNECTIONS: "4",
    },
  });
  const call = async (method: string, url: string, headers: Record<string, string>, body?: object) => {
    const answer = await other.call(method, url, { headers, body });
    expect(answer.status, `${method} ${url} ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    return answer;
  };
  const owner = { authorization: `Bearer ${split.token()}` };
  const held = await session("say hello");
  await until("somebody holds it", () => holder(held));
  await until("the sandbox answers", async () => (await split.call("GET", `/v1/sessions/${held}/files`)).status === 200);
  const roomId = (await split.call("GET", `/v1/sessions/${held}`)).body.room_id as string;
  const terminalId = (await split.call("POST", `/v1/sessions/${held}/terminals`, { cols: 80, rows: 24 })).body.id as string;

  async function person(kind: "token" | "cookie") {
    const { id, token, tokenId } = await other.person("member");
    await call("POST", `/v1/rooms/${roomId}/members`, owner, { principal_id: id, role: "member" });
    let headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (kind === "cookie") {
      const { code } = await other.server.identity.issueLoginCode("ws_dev", id);
      const { headers: said } = await call("POST", "/v1/auth/login", {}, { code });
      headers = {
        cookie: [said["set-cookie"]]
          .flat()
          .map((one) => String(one).split(";")[0])
          .join("; "),
        origin: "http://localhost",
      };
    }
    const syncToken = (await call("POST", "/v1/sync/token", headers, {})).body.token as string;
    const { origin: _origin, ...shown } = headers;
    const doors = await openDoors({ gatewayUrl: (await holder(held))!.url, roomId, terminalId, headers: shown, syncToken });
    return { id, tokenId, headers, doors };
  }
  type Person = Awaited<ReturnType<typeof person>>;
  const ways: readonly (readonly [string, "token" | "cookie", (of: Person) => Promise<unknown>])[] = [
    ["the token is revoked", "token", ({ tokenId, headers }) => call("DELETE", `/v1/tokens/${tokenId}`, headers)],
    ["the sign-in is ended", "cookie", ({ headers }) => call("POST", "/v1/auth/logout", headers, {})],
    ["they are removed", "token", ({ id }) => call("DELETE", `/v1/members/${id}`, owner)],
    ["they leave", "token", ({ headers }) => call("POST", "/v1/organization/leave", headers, {})],
    ["they are only a viewer now", "token", ({ id }) => call("PATCH", `/v1/members/${id}`, owner, { role: "viewer" })],
    ["they are taken out of the room", "token", ({ id }) => call("DELETE", `/v1/rooms/${roomId}/members/${id}`, owner)],
  ];
  try {
    for (const [what, kind, end] of ways) {
      // In this order: who comes into the room is an event, which ends a long poll.
      const witness = await person("token");
      const who = await person(kind);
      await end(who);
      const atMs = performance.now();
      for (const [door, ended] of Object.entries(who.doors.ended)) {
        const late = new Promise<number>((resolve) => setTimeout(() => resolve(Infinity), 5000));
        expect((await Promise.race([ended, late])) - atMs, `${what}: ${door}, in ms`).toBeLessThan(1000);
      }
      // Nobody else's.
      for (const [door, ended] of Object.entries(witness.doors.ended))
        if (door !== "long poll")
          expect(await Promise.race([ended.then(() => "ended"), Promise.resolve("open")]), `${what}: another's ${door}`).toBe("open");
      witness.doors.close();
      who.doors.close();
    }
  } finally {
    await other.close();
  }
  expect((await split.call("POST", `/v1/sessions/${held}/stop`, {})).status).toBe(200);
});

/** One session for the four that follow: an agent takes seconds to start. */
let id: string;
let said: () => string;
async function turn(prompt: string): Promise<string> {
  const asked = await split.call("POST", `/v1/sessions/${id}/messages`, { content_md: prompt });
  expect(asked.status, JSON.stringify(asked.body)).toBe(202);
  return asked.body.id as string;
}
const endOf = (runId: string): Promise<string> =>
  until(
    `${runId} ends`,
    async () => {
      const { body } = await split.call("GET", `/v1/runs/${runId}`);
      return body.ended_at === null ? null : (body.status as string);
    },
    120_000,
  );
/** What the agent said for good. */
async function answersWith(text: string): Promise<number> {
  const { body } = await split.call("GET", `/v1/sessions/${id}/conversation?limit=200`);
  return JSON.stringify(body.items.filter((item: { role?: string }) => item.role !== "user")).split(text).length - 1;
}
const again = async (owner: Part): Promise<void> => {
  if (owner === gateway) gateway = await split.start("gateway", "gateway-1");
  else gateway2 = await split.start("gateway", "gateway-2");
};

test("a session goes on streaming while the api is stopped, and no delta passes it", async () => {
  id = await session(`say ${words(0, 150)}`);
  ({ said } = follow(id));
  throughApi.length = 0;
  // A first turn begins with a sandbox and an agent; one that fails says why, rather than nothing for minutes.
  await until(
    "it streams",
    async () => {
      if (said().includes("word5")) return true;
      const { body } = await split.call("GET", `/v1/sessions/${id}/turns`);
      const [turn] = body.items;
      if (turn.ended_at !== null && turn.status !== "succeeded") throw new Error(`the turn ended: ${JSON.stringify(turn)}`);
      return false;
    },
    300_000,
  );
  await api.stop();
  await until("it streams to the end without the api", () => said().includes("word149"));
  expect(said()).toContain(words(0, 150));
  // What is asked there names the turn by the first of its words.
  expect(throughApi.join("")).not.toMatch(/"kind":"text"|word149/);
  api = await split.start("api");
  const { body } = await split.call("GET", `/v1/sessions/${id}/turns`);
  expect(await endOf(body.items[0].id)).toBe("succeeded");
}, 600_000);

test("the kill switch, thrown at the api, cuts what a gateway's agent is told within a second, and lets it go on when it is released", async () => {
  const run = await turn(`say ${words(500, 1000)}`);
  await until("it streams", () => said().includes("word520"));
  expect((await split.call("POST", "/v1/kill-switch", { engaged: true, reason: "drill" })).status).toBe(200);
  const thrownAtMs = performance.now();
  let heard = said().length;
  let changedAtMs = thrownAtMs;
  // A word comes each 40 ms: three seconds without one is no pause.
  while (performance.now() - changedAtMs < 3000) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (said().length !== heard) [heard, changedAtMs] = [said().length, performance.now()];
    expect(said()).not.toContain("word999");
  }
  expect(changedAtMs - thrownAtMs, "ms that it went on").toBeLessThan(1000);
  expect(await endOf(run)).toBe("failed");
  const refused = await split.call("POST", `/v1/sessions/${id}/messages`, { content_md: "say more" });
  expect(refused.body.error.code).toBe("kill_switch_active");
  expect((await split.call("POST", "/v1/kill-switch", { engaged: false })).status).toBe(200);
  expect(await endOf(await turn("say released"))).toBe("succeeded");
  await until("it streams again", () => said().includes("released"));
}, 300_000);

test("killed with -9 in the middle of a turn, a gateway's session is taken over by the other, and a reader misses and repeats nothing", async () => {
  const run = await turn(`say ${words(1000, 1300)}`);
  await until("it streams", () => said().includes("word1020"));
  const owner = await until("somebody holds it", () => holder(id));
  const [before] = await database.rows<{ epoch: string }>("select epoch from session_hubs where session_id = $1", [id]);
  await owner.stop("SIGKILL");
  await until("the other one has it", async () => {
    const now = await holder(id);
    return now !== null && now !== owner;
  });
  const [after] = await database.rows<{ epoch: string }>("select epoch from session_hubs where session_id = $1", [id]);
  expect(Number(after!.epoch)).toBeGreaterThan(Number(before!.epoch));
  expect(await endOf(run)).toBe("succeeded");
  expect(await answersWith("word1299")).toBe(1);
  await until("the reader has all of it", () => said().includes("word1299"));
  await again(owner);
});

test("told to stop in the middle of a turn, a gateway hands its session over: same sandbox, same turn", async () => {
  const run = await turn(`say ${words(2000, 2300)}`);
  await until("it streams", () => said().includes("word2020"));
  const owner = await until("somebody holds it", () => holder(id));
  const sandbox = (await split.call("GET", `/v1/sessions/${id}/status`)).body.sandbox_id as string;
  expect(await owner.stop("SIGTERM")).toBe(0);
  await until("the other one has it", async () => {
    const now = await holder(id);
    return now !== null && now !== owner;
  });
  expect(await endOf(run)).toBe("succeeded");
  expect(await answersWith("word2299")).toBe(1);
  const { body } = await split.call("GET", `/v1/sessions/${id}/status`);
  expect(body).toMatchObject({ state: "running", sandbox_id: sandbox, sandbox_alive: true });
  await again(owner);
  await split.call("POST", `/v1/sessions/${id}/stop`, {});
});
