import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import type { Origin } from "@signalbox/eventlog/log";
import { rebuild } from "@signalbox/eventlog/rebuild";
import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import { systemClock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import type { BoundRoute } from "../../http/handle.ts";
import { createLateLog } from "../../late-log.ts";
import { createGate, type GateModule } from "../gate/public.ts";
import { createEgress, type EgressModule } from "./public.ts";
import { digestOf, type DigestedRow } from "./record.ts";

const database = databaseTest();
const ORGANIZATION = "ws_dev";
const PERSON: Origin = { principal: { id: "usr_owner", type: "user" } };

let egress: EgressModule;
let gate: GateModule;
let log: PostgresLog;
let db: RequestDatabase;
let session: string;
let room: string;
let directory: string;
let web: Server;
const sockets: Socket[] = [];

/** Hosts below `.test` are on the loopback, which is permitted unless a test says otherwise. */
async function start(options: Partial<Parameters<typeof createEgress>[0]> = {}): Promise<void> {
  const late = createLateLog();
  db = openDatabase(database.connection("sb_app"), { connections: 6, onError: () => undefined });
  const deps = { log: late.log, db, clock: systemClock, logger: pino({ enabled: false }) };
  gate = createGate({ ...deps, principalExists: async () => true, approvals: { covering: async () => null }, killSwitchForced: false });
  egress = createEgress({
    ...deps,
    gate,
    sessionOf: async (organizationId, id) =>
      organizationId === ORGANIZATION && id === session ? { agentId: "agt_1", roomId: room, hasEnded: false } : null,
    internal: { "git.signalbox.invalid": (_, response) => void response.end("from within") },
    resolve: async (host) => (host.endsWith(".test") ? ["127.0.0.1"] : []),
    permitAddress: () => true,
    ...options,
  });
  log = await database.log({ projections: [...gate.projections, ...egress.projections], enqueue: enqueueJobs });
  late.bind(log);
  await gate.start?.();
  await egress.proxy.listen({ sandboxId: "sbx_01J00000000000000000000001", sessionId: session, organizationId: ORGANIZATION }, directory);
}

beforeEach(async () => {
  [session, room] = [newId("ses"), newId("room")];
  directory = mkdtempSync(path.join(tmpdir(), "egress-"));
  web = createServer((request, response) => response.end(`hello ${request.url}`));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await egress.stop?.();
  await gate.stop?.();
  await db.close();
  web.closeAllConnections();
  web.close();
  rmSync(directory, { recursive: true, force: true });
});

const port = () => (web.address() as AddressInfo).port;
const socketPath = () => path.join(directory, "egress.sock");

/** As the sandbox asks: through its socket, in absolute form. */
function get(url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: socketPath(), path: url, headers: { host: new URL(url).host } }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject);
    request.end();
  });
}
const code = ({ body }: { body: string }) => (JSON.parse(body) as { error: { code: string } }).error.code;

const caller = (organizationId = ORGANIZATION) => ({ caller: { organizationId, principal: PERSON.principal }, origin: PERSON });
function call(id: string, more: object = {}, organizationId = ORGANIZATION): Promise<never> {
  const route = egress.routes.find((bound: BoundRoute) => bound.route.id === id);
  return route!.handler({ ...caller(organizationId), query: { limit: 50 }, ...more } as never) as Promise<never>;
}
const allow = (host: string, session_id?: string) => call("egress.rules.add", { body: { host, session_id } });
const events = async (type: string) =>
  (await log.readAll({ afterPosition: 0, limit: 1_000, types: [type] }))
    .filter((e) => e.sessionId === session)
    .map((e): Record<string, unknown> => ({ ...e.event.data, stream: e.stream.id }));

describe("a host", () => {
  test("that nobody allowed is refused with what to do, and never resolved", async () => {
    const resolved: string[] = [];
    await start({ resolve: async (host) => (resolved.push(host), ["127.0.0.1"]) });
    const answer = await get(`http://evil.test:${port()}/x`);
    expect([answer.status, code(answer)]).toEqual([403, "egress_host_not_allowed"]);
    expect(answer.body).toContain("/v1/egress/rules");
    expect(resolved).toEqual([]);
  });

  test("is reached once it is allowed for the organization, by name or by `*.`, and refused again when that is taken back", async () => {
    await start();
    await allow("good.test");
    expect(await get(`http://good.test:${port()}/a`)).toEqual({ status: 200, body: "hello /a" });
    expect((await get(`http://sub.good.test:${port()}/a`)).status).toBe(403);
    await allow("*.wide.test");
    for (const host of ["wide.test", "a.wide.test", "a.b.wide.test"])
      expect((await get(`http://${host}:${port()}/`)).status, host).toBe(200);
    expect((await get(`http://notwide.test:${port()}/`)).status).toBe(403);
    expect(await call("egress.rules.remove", { body: { host: "good.test" } })).toEqual({ removed: true });
    expect(await call("egress.rules.remove", { body: { host: "good.test" } })).toEqual({ removed: false });
    expect((await get(`http://good.test:${port()}/a`)).status).toBe(403);
    await allow("good.test");
    expect((await get(`http://good.test:${port()}/a`)).status).toBe(200);
  });

  test("allowed for one session is not allowed for another", async () => {
    await start();
    await allow("mine.test", session);
    expect((await get(`http://mine.test:${port()}/`)).status).toBe(200);
    const [mine, other] = [session, newId("ses")];
    session = other;
    await egress.proxy.listen({ sandboxId: "sbx_other", sessionId: other, organizationId: ORGANIZATION }, directory);
    expect((await get(`http://mine.test:${port()}/`)).status).toBe(403);
    session = mine;
    expect(await allow("x.test", newId("ses"))).toMatchObject({ ok: false, refusal: { code: "session_not_found" } });
  });

  test("of the configured defaults is allowed and listed as such; rules of others are not seen", async () => {
    await start({ defaultHosts: ["*.registry.test"] });
    await allow("own.test");
    expect((await get(`http://npm.registry.test:${port()}/`)).status).toBe(200);
    const list = (await call("egress.rules.list", { query: {} })) as { items: { host: string; added_by: string }[] };
    expect(list.items.map(({ host, added_by }) => [host, added_by])).toEqual(
      expect.arrayContaining([
        ["*.registry.test", "svc_configuration"],
        ["own.test", "usr_owner"],
      ]),
    );
    expect(await call("egress.rules.list", { query: {} }, "ws_other")).toMatchObject({ items: [{ host: "*.registry.test" }] });
  });

  test("within the server needs no rule", async () => {
    await start();
    expect(await get("http://git.signalbox.invalid/repo")).toEqual({ status: 200, body: "from within" });
  });

  test("on the list that leads to a private address is refused all the same, and told", async () => {
    await start({ permitAddress: undefined });
    await allow("rebind.test");
    expect((await get(`http://rebind.test:${port()}/`)).status).toBe(403);
    await expect
      .poll(() => events("egress.blocked"), { timeout: 10_000 })
      .toMatchObject([{ host: "rebind.test", reason_code: "egress_private_address" }]);
  });
});

test("a session that has ended, or that nobody knows, reaches nothing", async () => {
  await start({ sessionOf: async () => ({ agentId: "agt_1", roomId: room, hasEnded: true }) });
  await allow("good.test");
  const answer = await get(`http://good.test:${port()}/`);
  expect([answer.status, code(answer)]).toEqual([403, "session_ended"]);
});

test("more requests a minute than the quota are refused", async () => {
  await start({ requestsPerMinute: 5 });
  await allow("good.test");
  const answers = await Promise.all(Array.from({ length: 12 }, () => get(`http://good.test:${port()}/`)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
  expect(new Set(answers.filter(({ status }) => status === 403).map(code))).toEqual(new Set(["quota_exceeded"]));
});

test("a gate that fails is a no", async () => {
  await start({ sessionOf: () => Promise.reject(new Error("the database is away")) });
  expect((await get(`http://good.test:${port()}/`)).status).toBe(403);
});

test("every request is a row, newest first, by pages; another organization sees none", async () => {
  await start();
  await allow("good.test");
  for (const p of ["/1", "/2", "/3?token=secret"]) await get(`http://good.test:${port()}${p}`);
  await get(`http://evil.test:${port()}/4`);
  type Page = {
    items: { path: string; decision: string; reason_code: string; status: number | null; bytes_received: number }[];
    next_cursor: string | null;
  };
  const page = (query: object): Promise<Page> => call("egress.requests.list", { query: { limit: 50, session_id: session, ...query } });
  await expect.poll(async () => (await page({})).items.length, { timeout: 10_000 }).toBe(4);
  const first = await page({ limit: 3 });
  expect(first.items.map(({ path: p, decision, reason_code }) => [p, decision, reason_code])).toEqual([
    ["/4", "deny", "egress_host_not_allowed"],
    ["/3", "allow", "egress_host_allowed"],
    ["/2", "allow", "egress_host_allowed"],
  ]);
  expect(first.items[1]?.status).toBe(200);
  expect(first.items[1]?.bytes_received).toBeGreaterThan(0);
  const second = await page({ limit: 3, cursor: first.next_cursor ?? undefined });
  expect([second.items.map((row) => row.path), second.next_cursor]).toEqual([["/1"], null]);
  expect((await page({ decision: "deny" })).items).toHaveLength(1);
  expect(await call("egress.requests.list", { query: { limit: 50 } }, "ws_other")).toEqual({ items: [], next_cursor: null });
  expect(JSON.stringify(await database.rows("select * from egress_requests where session_id = $1", [session]))).not.toContain("secret");
});

test("a loop of refused requests is two events: the first at once, the rest as a count; all are rows", async () => {
  await start();
  for (let i = 0; i < 30; i++) await get(`http://evil.test:${port()}/${i}`);
  await expect.poll(() => events("egress.blocked"), { timeout: 10_000 }).toHaveLength(1);
  await egress.stop?.();
  const told = await events("egress.blocked");
  expect(told).toMatchObject([
    { host: "evil.test", count: 1, stream: room },
    { host: "evil.test", count: 29 },
  ]);
  expect(await database.rows("select count(*)::int as n from egress_requests where session_id = $1", [session])).toEqual([{ n: 30 }]);
});

test("a run's requests are pinned by one digest, which anyone can make again from the rows", async () => {
  await start();
  await allow("good.test");
  await get(`http://good.test:${port()}/a`);
  await get(`http://evil.test:${port()}/b`);
  const run = { organizationId: ORGANIZATION, sessionId: session, runId: newId("run"), origin: PERSON };
  // The row is made when the connection is over, a moment after the answer.
  await expect
    .poll(
      async () => ((await call("egress.requests.list", { query: { limit: 5, session_id: session } })) as { items: unknown[] }).items.length,
      { timeout: 10_000 },
    )
    .toBe(2);
  await egress.recordDigest(run);
  await egress.recordDigest(run);
  await get(`http://good.test:${port()}/later`);
  await egress.recordDigest(run);
  const [digest, ...more] = await events("egress.digest_recorded");
  expect(more).toEqual([]);
  const rows = await database.rows<DigestedRow & { at: unknown }>(
    `select id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, method, scheme, host, port, path, decision, reason_code, status,
            bytes_sent::int, bytes_received::int, duration_ms from egress_requests where run_id = $1 order by id`,
    [run.runId],
  );
  expect(digest).toMatchObject({ run_id: run.runId, requests: 2, blocked: 1, digest: digestOf(rows) });
  expect(digestOf(rows.map((row, i) => (i === 0 ? { ...row, path: "/forged" } : row)))).not.toBe(digest?.["digest"]);
});

test("the kill switch cuts open tunnels within a second and refuses new requests", async () => {
  await start();
  await allow("good.test");
  const echo = createTcpServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  const socket = connect(socketPath());
  sockets.push(socket);
  socket.write(`CONNECT good.test:${(echo.address() as AddressInfo).port} HTTP/1.1\r\nHost: good.test\r\n\r\n`);
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  const closed = new Promise<number>((resolve) => socket.once("close", () => resolve(performance.now())));
  const engagedAt = performance.now();
  await gate.routes.find((bound) => bound.route.id === "kill_switch.set")!.handler({ ...caller(), body: { engaged: true } } as never);
  // Twice what is promised: the machine that tests is busy with other tests.
  expect((await closed) - engagedAt).toBeLessThan(2_000);
  const answer = await get(`http://good.test:${port()}/`);
  expect([answer.status, code(answer)]).toEqual([403, "kill_switch_active"]);
  await gate.routes.find((bound) => bound.route.id === "kill_switch.set")!.handler({ ...caller(), body: { engaged: false } } as never);
  expect((await get(`http://good.test:${port()}/`)).status).toBe(200);
  echo.close();
});

test("under the kill switch nobody widens the allow-list, and narrowing it still works; the no is in the log", async () => {
  await start();
  await allow("narrow.test");
  const engage = (engaged: boolean) =>
    gate.routes.find((bound) => bound.route.id === "kill_switch.set")!.handler({ ...caller(), body: { engaged } } as never);
  await engage(true);
  expect(await allow("wide.test")).toMatchObject({
    ok: false,
    refusal: { code: "action_denied", details: { reason_code: "kill_switch_active" } },
  });
  expect(await call("egress.rules.remove", { body: { host: "narrow.test" } })).toEqual({ removed: true });
  await engage(false);
  const denied = (await log.readAll({ afterPosition: 0, limit: 1_000, types: ["policy.denied"] })).map((r) => r.event.data);
  expect(denied).toContainEqual(
    expect.objectContaining({ action: "egress.rule.add", target: "wide.test", reason_code: "kill_switch_active" }),
  );
});

test("a session's hosts say what was asked of them, what came of it, and which rule lets them through", async () => {
  await start();
  await allow("*.good.test");
  await get(`http://api.good.test:${port()}/`);
  await get(`http://api.good.test:${port()}/`);
  await get(`http://bad.test:${port()}/`);
  const { items } = (await call("egress.hosts", { params: { id: session } })) as { items: { host: string }[] };
  expect(items.find(({ host }) => host === "api.good.test")).toMatchObject({
    requests: 2,
    blocked: 0,
    last_decision: "allow",
    rule: { host: "*.good.test", session_id: null },
    first_tool_call: null,
  });
  expect(items.find(({ host }) => host === "bad.test")).toMatchObject({
    requests: 1,
    blocked: 1,
    last_decision: "deny",
    last_reason_code: "egress_host_not_allowed",
    rule: null,
  });
});

test("what the projection holds is exactly what the log says", async () => {
  await start();
  await allow("there.test");
  await allow("gone.test");
  await call("egress.rules.remove", { body: { host: "gone.test" } });
  const client = await database.pool("sb_owner").connect();
  try {
    const sql = readFileSync(path.join(import.meta.dirname, "schema.sql"), "utf8");
    const report = await rebuild(client, { name: "egress", sql, projections: egress.projections }, { swap: false });
    expect(report.events).toBeGreaterThan(2);
    expect(report.drift).toEqual([]);
  } finally {
    client.release();
  }
});
