/* Previews of a real program in a real sandbox, asked over a real socket with the Host header that a browser would send. */
import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { startWorkbench, until, type Workbench } from "../terminals/workbench.fixture.ts";

// A sandbox or a program in it has to start in some of these, on a machine that may do ten other things.
vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let at: Workbench;
let session: Awaited<ReturnType<Workbench["session"]>>;

const SERVER = `
const http = require("http"), { createHash } = require("crypto");
const server = http.createServer((q, r) => {
  const { pathname } = new URL(q.url, "http://x");
  if (pathname === "/redirect") return r.writeHead(302, { location: "http://localhost:3000/landed?x=1" }).end();
  if (pathname === "/away") return r.writeHead(302, { location: "https://example.com/" }).end();
  if (pathname === "/cookies") return r.writeHead(200, { "set-cookie": ["a=1; Domain=localhost; Path=/", "b=2; HttpOnly", "signalbox_session=evil; Path=/"], "x-frame-options": "DENY", "content-security-policy": "default-src 'self'; frame-ancestors 'none'" }).end("ok");
  if (pathname === "/events") { r.writeHead(200, { "content-type": "text/event-stream" }); r.write("data: first\\n\\n"); return; }
  if (pathname === "/break") { r.writeHead(200, { "content-length": "100" }); r.write("half"); return setTimeout(() => q.socket.destroy(), 50); }
  if (pathname === "/early") return r.end("enough");
  if (pathname === "/silent") return q.socket.destroy();
  let n = 0;
  q.on("data", (d) => (n += d.length)).on("end", () => { r.setHeader("content-type", "application/json"); r.end(JSON.stringify({ method: q.method, url: q.url, headers: q.headers, n })); });
});
server.on("upgrade", (q, s) => {
  if (q.url === "/declined") return s.end("HTTP/1.1 403 Forbidden\\r\\ncontent-length: 2\\r\\n\\r\\nno");
  const accept = createHash("sha1").update(q.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  s.write("HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: Upgrade\\r\\nset-cookie: ws=1; Domain=localhost\\r\\nsec-websocket-accept: " + accept + "\\r\\n\\r\\n");
  const say = (t) => s.write(Buffer.concat([Buffer.from([0x81, t.length]), Buffer.from(t)]));
  say("hello " + q.headers.origin);
  s.on("data", (d) => { if ((d[0] & 15) === 8) return s.end(); const k = d.subarray(2, 6); say("heard " + String(Buffer.from(d.subarray(6, 6 + (d[1] & 127)).map((b, i) => b ^ k[i % 4])))); });
  s.on("error", () => 0);
});
server.listen(3000, "127.0.0.1");
`;

beforeAll(async () => {
  at = await startWorkbench(database);
  session = await at.session();
  await serve();
}, 120_000);
afterAll(() => at.close());

async function serve(): Promise<void> {
  // What a script leaves behind in its own group ends with it: not before the program has a group of its own, which is later than `&`.
  await session.sh(
    `cat > server.js <<'END'\n${SERVER}\nEND\nsetsid node server.js >/dev/null 2>&1 &\nuntil grep -q ":0BB8 00000000:0000 0A" /proc/net/tcp; do sleep 0.1; done`,
  );
  await until("the program listens", async () => (await ports()).some(({ port }) => port === 3000));
}
const ports = async (): Promise<{ port: number; process: string; loopback_only: boolean }[]> =>
  (await at.call("GET", `/v1/sessions/${session.id}/ports`, { token: at.owner })).body.items;
const create = (port: number, token = at.owner, id = session.id) =>
  at.call("POST", `/v1/sessions/${id}/previews`, { token, body: { port } });
const preview = async (port = 3000): Promise<{ id: string; url: string }> => (await create(port)).body;
const remove = (id: string, token = at.owner) => at.call("DELETE", `/v1/sessions/${session.id}/previews/${id}`, { token });

test("what listens is listed, without what is Signalbox's own", async () => {
  expect(await ports()).toEqual([{ port: 3000, process: "node", loopback_only: true }]);
  expect((await create(3128)).body.error.code).toBe("port_not_allowed");
});

test("a preview is an address of its own for any method, and says what the program must know", async () => {
  const made = await preview();
  expect(made.url).toMatch(new RegExp(`^http://[0-9a-z]{52}\\.preview\\.localhost:${at.port}/$`));
  const { origin } = new URL(made.url);
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
    const answer = await at.fetch(`${made.url}v1/sessions?q=%20x`, { method, body: method === "GET" ? "" : "x".repeat(200_000) });
    expect(answer.status, method).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ method, url: "/v1/sessions?q=%20x", n: method === "GET" ? 0 : 200_000 });
  }
  const { headers } = JSON.parse(
    (await at.fetch(`${made.url}a`, { headers: { origin, referer: `${origin}/page?x`, "x-forwarded-for": "6.6.6.6", te: "trailers" } }))
      .body,
  );
  expect(headers).toMatchObject({
    host: "localhost:3000",
    origin: "http://localhost:3000",
    referer: "http://localhost:3000/page?x",
    "x-forwarded-host": new URL(made.url).host,
    "x-forwarded-proto": "http",
  });
  expect(headers).not.toHaveProperty("x-forwarded-for");
  expect(headers).not.toHaveProperty("te");
  await remove(made.id);
});

test("no credential of Signalbox's goes in, and the program's own do", async () => {
  const { url, id } = await preview();
  const told = async (headers: Record<string, string>) => JSON.parse((await at.fetch(url, { headers })).body).headers;
  expect(await told({ authorization: `Bearer ${at.owner}`, cookie: `signalbox_session=${at.owner}; theirs=1` })).toMatchObject({
    cookie: "theirs=1",
  });
  expect(await told({ authorization: `Bearer ${at.owner}`, cookie: `signalbox_session=${at.owner}` })).not.toHaveProperty("authorization");
  expect(await told({ cookie: `signalbox_session=${at.owner}` })).not.toHaveProperty("cookie");
  expect(await told({ authorization: "Bearer their-own", cookie: "x=1" })).toMatchObject({ authorization: "Bearer their-own" });
  await remove(id);
});

test("what comes out stays on its own host name, and only our pages may frame it", async () => {
  const { url, id } = await preview();
  const { headers } = await at.fetch(`${url}cookies`);
  expect(headers["set-cookie"]).toEqual(["a=1; Path=/", "b=2; HttpOnly"]);
  expect(headers["content-security-policy"]).toBe(
    `default-src 'self', frame-ancestors http://127.0.0.1:${at.port} http://localhost:${at.port}`,
  );
  expect(headers).not.toHaveProperty("x-frame-options");
  expect(headers["referrer-policy"]).toBe("same-origin");
  expect((await at.fetch(`${url}redirect`)).headers.location).toBe(`${new URL(url).origin}/landed?x=1`);
  expect((await at.fetch(`${url}away`)).headers.location).toBe("https://example.com/");
  const app = await at.call("GET", "/", {});
  if (app.status === 200) expect(app.headers["content-security-policy"]).toContain(`frame-src http://*.preview.localhost:${at.port}`);
  await remove(id);
});

test("a stream arrives as it is written, a body that breaks off is not a whole one, and no answer is said to be none", async () => {
  const { url, id } = await preview();
  const { host } = new URL(url);
  const first = await new Promise<string>((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: at.port, path: "/events", headers: { host } }, (answer) => {
      answer.once("data", (chunk: Buffer) => {
        resolve(chunk.toString());
        asked.destroy();
      });
    });
    asked.once("error", reject);
    asked.end();
  });
  expect(first).toBe("data: first\n\n");
  await expect(at.fetch(`${url}break`)).rejects.toThrow();
  expect((await at.fetch(`${url}silent`)).status).toBe(502);
  await remove(id);
});

test("an answer that comes before the body was read arrives, and the connection serves the next request", async () => {
  const { url, id } = await preview();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<unknown>();
  for (let i = 0; i < 20; i++) {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request(
        { host: "127.0.0.1", port: at.port, path: "/early", method: "POST", headers: { host: new URL(url).host }, agent },
        resolve,
      );
      asked.once("socket", (socket) => sockets.add(socket)).once("error", reject);
      asked.end("x".repeat(2_000_000));
    });
    expect([answer.statusCode, Buffer.concat(await answer.toArray()).toString()], `request ${i}`).toEqual([200, "enough"]);
  }
  expect(sockets.size).toBe(1);
  agent.destroy();
  await remove(id);
});

const socketTo = (url: string, path: string): WebSocket => {
  const { host, origin } = new URL(url);
  return new WebSocket(`ws://127.0.0.1:${at.port}${path}`, { headers: { host, origin } });
};

test("WebSockets pass both ways, and are cut when the preview is revoked", async () => {
  const { url, id } = await preview();
  const socket = socketTo(url, "/hmr");
  const said: string[] = [];
  let cookies: string[] | undefined;
  socket.on("upgrade", ({ headers }) => (cookies = headers["set-cookie"]));
  socket.on("message", (data: Buffer) => said.push(data.toString()));
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send("there");
  await until("it answers", () => said.length === 2);
  expect(said).toEqual(["hello http://localhost:3000", "heard there"]);
  expect(cookies).toEqual(["ws=1"]);
  const declined = socketTo(url, "/declined");
  expect(await new Promise((resolve) => declined.once("unexpected-response", (_, answer) => resolve(answer.statusCode)))).toBe(403);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  expect((await remove(id)).body.id).toBe(id);
  await closed;
  const gone = await at.fetch(url, { headers: { accept: "text/html" } });
  expect([gone.status, gone.headers["content-type"]]).toEqual([410, "text/html; charset=utf-8"]);
  expect(gone.body).toContain("This preview was closed");
  expect((await remove(id)).status).toBe(200);
});

test("until something listens a page says so and looks again; then it opens", async () => {
  const { url, id } = await preview(3055);
  const waiting = await at.fetch(url, { headers: { accept: "text/html,*/*" } });
  expect([waiting.status, waiting.headers["retry-after"]]).toEqual([503, "1"]);
  expect(waiting.body).toContain("Nothing listens on port 3055");
  expect(waiting.headers["content-security-policy"]).toMatch(/default-src 'none'; style-src 'nonce-[^']+'; script-src 'nonce-/);
  expect((await at.fetch(url)).headers["content-type"]).toBe("text/plain; charset=utf-8");
  expect((await at.fetch(`${url}.well-known/signalbox-preview`)).status).toBe(503);
  await session.sh(
    `setsid node -e 'require("http").createServer((q,r)=>r.end("now")).listen(3055,"::1")' >/dev/null 2>&1 &\nuntil grep -q ":0BEF 0" /proc/net/tcp6; do sleep 0.1; done`,
  );
  await until("it answers", async () => (await at.fetch(`${url}.well-known/signalbox-preview`)).status === 204);
  expect((await at.fetch(url)).body).toBe("now");
  await remove(id);
});

test("a host name that this server did not give out leads nowhere, and a preview's never to the application", async () => {
  const { url, id } = await preview();
  const { host } = new URL(url);
  const label = host.split(".")[0]!;
  const forged = [label.slice(0, -1) + (label.endsWith("0") ? "1" : "0"), "0".repeat(52), "x", `${"0".repeat(26)}${label.slice(26)}`];
  for (const one of forged) expect((await at.fetch(url.replace(label, one))).status, one).toBe(404);
  for (const wrong of ["evil.example", `${label}.evil.example`, `${label}.preview.localhost.evil.example`, `preview.localhost:${at.port}`])
    expect((await at.fetch(`http://${wrong}/v1/me`)).status, wrong).toBe(403);
  // The application's own addresses are the program's on this host name, whatever is presented.
  const asked = await at.fetch(`${url}v1/tokens`, { headers: { authorization: `Bearer ${at.owner}` } });
  expect(JSON.parse(asked.body)).toMatchObject({ url: "/v1/tokens" });
  const socket = socketTo(url, "/v1/sync?token=x");
  await new Promise((resolve) => socket.once("open", resolve));
  socket.terminate();
  await remove(id);
});

test("another organization and an outsider find nothing; a viewer looks and does not open", async () => {
  const { id } = await preview();
  const other = await at.organization();
  const outsider = await at.person("member");
  for (const { token } of [other, outsider]) {
    for (const answer of [
      await create(3000, token),
      await remove(id, token),
      await at.call("GET", `/v1/sessions/${session.id}/previews`, { token }),
      await at.call("GET", `/v1/sessions/${session.id}/ports`, { token }),
    ])
      expect([answer.status, answer.body.error.code]).toEqual([404, "session_not_found"]);
  }
  const viewer = await at.person("member");
  await at.call("POST", `/v1/rooms/${session.roomId}/members`, { token: at.owner, body: { principal_id: viewer.id, role: "viewer" } });
  const seen = (await at.call("GET", `/v1/sessions/${session.id}/previews`, { token: viewer.token })).body.items;
  expect(seen.map((one: { id: string }) => one.id)).toContain(id);
  expect((await create(3000, viewer.token)).status).toBe(403);
  expect((await remove(`prv_${"0".repeat(26)}`)).body.error.code).toBe("preview_not_found");
  await remove(id);
});

test("the eleventh is refused; when the session ends all are revoked, and the log says who had opened them", async () => {
  const own = await at.session();
  const made = await Promise.all(Array.from({ length: 11 }, () => create(4000, at.owner, own.id)));
  expect(made.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array.from({ length: 10 }, () => 201), 409]);
  const { url } = made.find(({ status }) => status === 201)!.body;
  await at.call("POST", `/v1/sessions/${own.id}/stop`, { token: at.owner, body: {} });
  await until("all are revoked", async () => (await at.events(own.roomId, /^preview\.deleted/)).length === 10);
  const ended = await at.fetch(url, { headers: { accept: "text/html" } });
  expect([ended.status, ended.body.includes("The session has ended")]).toEqual([410, true]);
  expect((await at.call("GET", `/v1/sessions/${own.id}/previews`, { token: at.owner })).body.items).toEqual([]);
  expect((await create(4000, at.owner, own.id)).body.error.code).toBe("sandbox_not_running");
  const events = await at.events(own.roomId, /^preview\./);
  expect(events.filter(({ type }) => type === "preview.created")).toHaveLength(10);
  expect(events.find(({ type }) => type === "preview.created")!.data.by).toMatch(/^usr_/);
  const label = new URL(url as string).host.split(".")[0]!;
  expect(JSON.stringify(events)).not.toContain(label.slice(26));
  await sleep(0);
});
