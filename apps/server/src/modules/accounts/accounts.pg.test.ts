/* Signing in for real: the composed server on a port, a real SMTP server, real browsers' headers. */
import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { newSecurityKey, type SecurityKey } from "./passkey.fixture.ts";

const OWNER = "owner@example.com";
const database = databaseTest();
const clock = testClock(new Date().toISOString());
let c: Composed;
let smtp: SMTPServer;
const mails: { to: string; text: string }[] = [];

beforeAll(async () => {
  smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        // Quoted-printable: soft breaks and = are undone, which is all that codes and links need.
        const text = Buffer.concat(chunks).toString().replaceAll("=\r\n", "").replaceAll("=3D", "=");
        mails.push({ to: session.envelope.rcptTo[0]!.address, text });
        done();
      });
    },
  });
  smtp.listen(0, "127.0.0.1");
  await once(smtp.server, "listening");
  const { port } = smtp.server.address() as AddressInfo;
  c = await startComposed(database, {
    clock,
    environment: {
      SIGNALBOX_SIGN_IN: "accounts",
      SIGNALBOX_SIGN_UP: "open",
      SIGNALBOX_OWNER_EMAIL: OWNER,
      SMTP_URL: `smtp://127.0.0.1:${port}`,
      SIGNALBOX_PUBLIC_URL: "http://localhost",
      SIGNALBOX_TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8",
    },
  });
}, 60_000);
afterAll(async () => {
  await c.close();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
});

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  c.call("POST", url, { body, headers: { origin: "http://localhost", ...headers } });
const cookieOf = (answer: { headers: Record<string, unknown> }, name = "signalbox_session"): string => {
  const all = [answer.headers["set-cookie"] ?? []].flat() as string[];
  return all.find((each) => each.startsWith(`${name}=`))?.split(";")[0] ?? "";
};
async function mailTo(address: string, which: RegExp): Promise<string> {
  let found: string | undefined;
  await expect
    .poll(() => (found = mails.findLast(({ to, text }) => to === address && which.test(text))?.text), { timeout: 30_000 })
    .toBeDefined();
  return which.exec(found!)![1]!;
}
const CODE = /Your code is (\d{6})/;
async function freshCode(address: string): Promise<string> {
  mails.length = 0;
  expect((await post("/api/auth/email", { email: address })).status).toBe(200);
  return mailTo(address, CODE);
}
const signIn = async (address: string): Promise<string> =>
  cookieOf(await post("/api/auth/verify", { email: address, code: await freshCode(address) }));
const me = (cookie: string) => c.call("GET", "/v1/me", { headers: { cookie } });

test("whoever proves the configured address is the owner that was there before accounts, with everything", async () => {
  await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "From before" } });
  const cookie = await signIn(OWNER);
  expect((await me(cookie)).body).toMatchObject({ principal: { id: "usr_owner" }, organization: { id: "ws_dev" }, role: "owner" });
  const rooms = await c.call("GET", "/v1/rooms", { headers: { cookie } });
  expect(rooms.body.items.map((room: { title: string }) => room.title)).toContain("From before");
  // The link goes on working, as the same person.
  const { body } = await c.call("POST", "/v1/auth/login-codes", { token: c.owner, body: {} });
  const link = await c.call("POST", "/v1/auth/login", { body: { code: body.code } });
  expect(link.body.principal.id).toBe("usr_owner");
});

test("a code signs in once, in the seed's shape, also when it is sent twice at once", async () => {
  const code = await freshCode("anna@example.com");
  const answers = await Promise.all([1, 2, 3].map(() => post("/api/auth/verify", { email: "anna@example.com", code })));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 422, 422]);
  const won = answers.find(({ status }) => status === 200)!;
  expect(won.body).toMatchObject({ ok: true, status: "authenticated", redirect: "/", user: { email: "anna@example.com" } });
  expect(String(won.headers["set-cookie"])).toMatch(/HttpOnly/);
  expect(String(won.headers["set-cookie"])).toMatch(/SameSite=Strict/i);
  // In no organization yet: told so, and able to found one.
  const cookie = cookieOf(won);
  expect([(await me(cookie)).status, (await me(cookie)).body.error.code]).toEqual([403, "organization_required"]);
  const made = await post("/v1/organizations", { name: "Anna's" }, { cookie });
  expect(made.status).toBe(201);
  expect((await me(cookie)).body).toMatchObject({ organization: { name: "Anna's" }, role: "owner", principal: { id: won.body.userId } });
});

test("a code asked for in a browser needs no address to be typed again, and lives 10 minutes", async () => {
  mails.length = 0;
  const asked = await post("/api/auth/email", { email: " Anna@Example.com " });
  expect(asked.body).toEqual({ ok: true, status: "code-sent", email: "anna@example.com" });
  const code = await mailTo("anna@example.com", CODE);
  const cookie = cookieOf(asked, "signalbox_code_for");
  expect((await post("/api/auth/verify", { code }, { cookie })).status).toBe(200);
});

test("five wrong codes void the right one, and all of it is answered alike", async () => {
  const code = await freshCode("eve@example.com");
  const wrong = code === "000000" ? "111111" : "000000";
  for (let i = 0; i < 5; i++) expect((await post("/api/auth/verify", { email: "eve@example.com", code: wrong })).status).toBe(422);
  const late = await post("/api/auth/verify", { email: "eve@example.com", code });
  const unknown = await post("/api/auth/verify", { email: "nobody@example.com", code });
  expect(late.status).toBe(422);
  expect({ ...late.body.error, request_id: "" }).toEqual({ ...unknown.body.error, request_id: "" });
});

test("six sends and ten tries a minute, whichever process counts", async () => {
  clock.advance(61_000);
  const sends = [];
  for (let i = 0; i < 7; i++) sends.push((await post("/api/auth/email", { email: "flood@example.com" })).status);
  expect(sends).toEqual([200, 200, 200, 200, 200, 200, 429]);
  const tries = await Promise.all(
    Array.from({ length: 12 }, () => post("/api/auth/verify", { email: "flood@example.com", code: "123456" })),
  );
  expect(tries.filter(({ status }) => status === 429).length).toBe(2);
  clock.advance(61_000);
  expect((await post("/api/auth/email", { email: "flood@example.com" })).status).toBe(200);
});

test("behind trusted proxies it is whoever came to them that is counted and shown; what anybody else says of themselves is not believed", async () => {
  clock.advance(61_000);
  const try_ = (forwarded: string) =>
    post("/api/auth/verify", { email: "counted@example.com", code: "123456" }, { "x-forwarded-for": forwarded });
  // What comes first in the list is what a stranger wrote into it: the last that is no proxy of ours counts.
  await database.rows("delete from idn_attempts");
  for (const forwarded of ["198.51.100.7", "203.0.113.99, 198.51.100.7, 10.1.2.3", "198.51.100.8"]) await try_(forwarded);
  const counted = await database.rows<{ count: number }>("select count from idn_attempts where key like 'address:%' order by count");
  expect(counted.map(({ count }) => count)).toEqual([1, 2]);
  const code = await freshCode("anna@example.com");
  const cookie = cookieOf(
    await post("/api/auth/verify", { email: "anna@example.com", code }, { "x-forwarded-for": "203.0.113.99, 198.51.100.7" }),
  );
  const logins = (await c.call("GET", "/v1/logins", { headers: { cookie } })).body.items;
  expect(logins.find((one: { is_this: boolean }) => one.is_this).ip_address).toBe("198.51.100.7");
});

test("addresses that look like another's are refused", async () => {
  // Cyrillic а; dotless ı; a hidden joiner. Full-width letters are the same letters.
  for (const email of ["ownеr@example.com", "anna@exаmple.com", "ann\u200da@example.com", "a@b", "x@example.com\r\nBcc: y@example.com"])
    expect((await post("/api/auth/email", { email })).status, email).toBe(422);
  expect((await post("/api/auth/email", { email: "ＡＮＮＡ@example.com" })).body.email).toBe("anna@example.com");
});

test("a password needs a proven address; an address that is taken is answered like one that is free; nothing is written past our log", async () => {
  clock.advance(61_000);
  const beside = (["log", "warn", "error"] as const).map((method) => vi.spyOn(console, method));
  const signUp = (email: string) => post("/api/auth/sign-up/email", { email, name: "Bo", password: "correct horse battery" });
  mails.length = 0;
  const free = await signUp("bo@example.com");
  const taken = await signUp("anna@example.com");
  expect([free.status, free.body]).toEqual([taken.status, taken.body]);
  const early = await post("/api/auth/sign-in/email", { email: "bo@example.com", password: "correct horse battery" });
  expect(early.status).toBe(403);
  const link = await mailTo("bo@example.com", /(http:\/\/localhost\/api\/auth\/verify-email\S+)/);
  const { pathname, search } = new URL(link);
  const confirmed = await c.call("GET", pathname + search);
  expect([200, 302]).toContain(confirmed.status);
  const right = await post("/api/auth/sign-in/email", { email: "bo@example.com", password: "correct horse battery" });
  expect([right.status, cookieOf(right)]).toEqual([200, expect.stringMatching(/^signalbox_session=.{20,}/)]);
  expect((await me(cookieOf(right))).body.error.code).toBe("organization_required");
  const [wrong, unknown] = [
    await post("/api/auth/sign-in/email", { email: "bo@example.com", password: "incorrect horse battery" }),
    await post("/api/auth/sign-in/email", { email: "nobody@example.com", password: "incorrect horse battery" }),
  ];
  expect([wrong.status, wrong.body]).toEqual([unknown.status, unknown.body]);
  expect(beside.flatMap((one) => one.mock.calls)).toEqual([]);
  for (const one of beside) one.mockRestore();
});

test("a password that somebody chose beforehand for another's address opens nothing once its owner has come by a code", async () => {
  const of = { email: "victim@example.com", password: "chosen by somebody else" };
  expect((await post("/api/auth/sign-up/email", { ...of, name: "V" })).status).toBe(200);
  const owner = await signIn(of.email);
  expect((await me(owner)).body.error.code).toBe("organization_required");
  const tried = await post("/api/auth/sign-in/email", of);
  expect(tried.status).toBe(401);
  expect(cookieOf(tried)).toBe("");
});

test("what better-auth offers beyond the open paths does not exist here", async () => {
  for (const [method, path] of [
    ["GET", "get-session"],
    ["POST", "sign-in/email-otp"],
    ["POST", "email-otp/send-verification-otp"],
    ["GET", "list-sessions"],
    ["POST", "delete-user"],
    ["POST", "update-user"],
    ["GET", "ok"],
  ] as const)
    expect((await c.call(method, `/api/auth/${path}`, method === "POST" ? { body: {} } : {})).status, path).toBe(404);
});

test("nobody is led away after signing in, and another site's page signs nobody in", async () => {
  clock.advance(61_000);
  const away = await post("/api/auth/sign-in/email", {
    email: "bo@example.com",
    password: "correct horse battery",
    callbackURL: "https://evil.example",
  });
  expect(away.status).toBe(403);
  const crossSite = await c.call("POST", "/api/auth/verify", {
    body: { email: "bo@example.com", code: "123456" },
    headers: { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
  });
  expect(crossSite.status).toBe(403);
});

/** What a browser might read as another site's. */
const ELSEWHERE = [
  "https://evil.example",
  "//evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "/\t/evil.example",
  "http://localhost.evil.example/",
  "http://localhost@evil.example/",
  "javascript:alert(1)",
];
test.each([
  ["POST", "sign-in/social", "callbackURL", { provider: "github" }],
  ["POST", "sign-in/social", "errorCallbackURL", { provider: "github" }],
  ["POST", "sign-in/social", "newUserCallbackURL", { provider: "github" }],
  ["POST", "request-password-reset", "redirectTo", { email: "anna@example.com" }],
  ["POST", "send-verification-email", "callbackURL", { email: "anna@example.com" }],
  ["GET", "verify-email", "callbackURL", { token: "x" }],
  ["GET", "reset-password/x", "callbackURL", {}],
] as const)("%s %s leads nowhere else by its %s", async (method, path, name, rest) => {
  for (const url of ELSEWHERE) {
    clock.advance(61_000);
    await database.rows("delete from idn_attempts");
    const answer =
      method === "POST"
        ? await post(`/api/auth/${path}`, { ...rest, [name]: url })
        : await c.call("GET", `/api/auth/${path}?${new URLSearchParams({ ...rest, [name]: url })}`);
    const to = answer.headers["location"] as string | undefined;
    if (to === undefined) expect(answer.status, url).toBeGreaterThanOrEqual(400);
    else expect(new URL(to, "http://localhost").origin, `${url} leads to ${to}`).toBe("http://localhost");
  }
});

test("a mailed link sets a password once, also when it is opened twice at once, and whoever was in is out", async () => {
  clock.advance(61_000);
  mails.length = 0;
  await post("/api/auth/sign-up/email", { email: "rosa@example.com", name: "Rosa", password: "the first password" });
  const confirm = new URL(await mailTo("rosa@example.com", /(http:\/\/localhost\/api\/auth\/verify-email\S+)/));
  await c.call("GET", confirm.pathname + confirm.search);
  const wasIn = cookieOf(await post("/api/auth/sign-in/email", { email: "rosa@example.com", password: "the first password" }));
  expect((await c.call("GET", "/v1/logins", { headers: { cookie: wasIn } })).status).toBe(200);
  await post("/api/auth/request-password-reset", { email: "rosa@example.com", redirectTo: "/" });
  const token = await mailTo("rosa@example.com", /reset-password\/([^?\s]+)/);
  const tried = ["the second password", "the third password", "the fourth password"];
  const answers = await Promise.all(tried.map((newPassword) => post("/api/auth/reset-password", { token, newPassword })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect((await post("/api/auth/reset-password", { token, newPassword: "the fifth password" })).status).toBe(400);
  expect((await c.call("GET", "/v1/logins", { headers: { cookie: wasIn } })).status).toBe(401);
  const won = tried[answers.findIndex(({ status }) => status === 200)]!;
  for (const password of ["the first password", ...tried, "the fifth password"]) {
    const { status } = await post("/api/auth/sign-in/email", { email: "rosa@example.com", password });
    expect([password, status]).toEqual([password, password === won ? 200 : 401]);
  }
  // Confirming the address again proves nothing new and signs nobody in.
  const again = await c.call("GET", confirm.pathname + confirm.search);
  expect(cookieOf(again)).toBe("");
});

test("what a security key says is good once, for the question that it answers, and for our own pages", async () => {
  clock.advance(61_000);
  const cookie = await signIn("anna@example.com");
  const all = (answer: { headers: Record<string, unknown> }): string =>
    ([answer.headers["set-cookie"] ?? []].flat() as string[]).map((each) => each.split(";")[0]!).join("; ");
  const register = async (key: SecurityKey) => {
    const asked = await c.call("GET", "/api/auth/passkey/generate-register-options", { headers: { cookie } });
    const sent = { response: key.register(asked.body.challenge) };
    const send = () => post("/api/auth/passkey/verify-registration", sent, { cookie: `${cookie}; ${all(asked)}` });
    return [(await send()).status, (await send()).status];
  };
  const key = newSecurityKey("http://localhost");
  expect((await register(newSecurityKey("http://evil.example")))[0]).toBeGreaterThanOrEqual(400);
  const [first, again] = await register(key);
  expect(first).toBe(200);
  expect(again).toBeGreaterThanOrEqual(400);
  const ask = () => c.call("GET", "/api/auth/passkey/generate-authenticate-options");
  const [asked, other] = [await ask(), await ask()];
  const sent = { response: key.sign(asked.body.challenge) };
  const send = (cookies: string) => post("/api/auth/passkey/verify-authentication", sent, { cookie: cookies });
  expect((await send(all(other))).status).toBeGreaterThanOrEqual(400);
  const signedIn = await send(all(asked));
  expect([signedIn.status, cookieOf(signedIn) !== ""]).toEqual([200, true]);
  expect(cookieOf(await send(all(asked)))).toBe("");
});

test("a cookie that was planted before signing in is worth nothing afterwards", async () => {
  const planted = "signalbox_session=planted0planted0planted0planted00";
  const code = await freshCode("anna@example.com");
  const signedIn = await post("/api/auth/verify", { email: "anna@example.com", code }, { cookie: planted });
  expect(cookieOf(signedIn)).not.toBe(planted);
  expect((await me(planted)).status).toBe(401);
});

test("one's sign-ins are listed and ended, at once, and nobody else's", async () => {
  clock.advance(61_000);
  const [first, second, other] = [await signIn("anna@example.com"), await signIn("anna@example.com"), await signIn(OWNER)];
  const list = async (cookie: string) =>
    (await c.call("GET", "/v1/logins", { headers: { cookie } })).body.items as { id: string; is_this: boolean; method: string }[];
  const own = (await list(second)).find(({ is_this }) => is_this)!;
  expect(own.method).toBe("code");
  const remove = (id: string, cookie: string) => c.call("DELETE", `/v1/logins/${id}`, { headers: { cookie, origin: "http://localhost" } });
  expect((await remove(own.id, other)).status).toBe(404);
  expect((await remove(own.id, first)).status).toBe(200);
  expect([(await me(second)).status, (await me(first)).status]).toEqual([401, 200]);
  const third = await signIn("anna@example.com");
  const ended = await post("/v1/logins/end-others", {}, { cookie: third });
  expect(ended.body.ended).toBeGreaterThan(0);
  expect([(await me(first)).status, (await me(third)).status]).toEqual([401, 200]);
  const types = (await database.rows<{ type: string }>("select type from evt_events where type like 'login.%'")).map(({ type }) => type);
  expect(types).toEqual(expect.arrayContaining(["login.opened", "login.ended"]));
});

test("codes, passwords and session tokens are nowhere in the database", async () => {
  clock.advance(61_000);
  const code = await freshCode("bo@example.com");
  const cookie = cookieOf(await post("/api/auth/verify", { email: "bo@example.com", code }));
  const token = decodeURIComponent(cookie.split("=")[1]!).split(".")[0]!;
  const again = await freshCode("bo@example.com");
  const tables = await database.rows<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables) {
    const [row] = await database.rows<{ all: string | null }>(`select string_agg(t::text, ' ') as all from ${name} t`);
    for (const secret of [token, "correct horse battery"]) expect(row?.all ?? "", name).not.toContain(secret);
    if (name === "auth_verifications") expect(row?.all ?? "").not.toContain(`${again}:`);
  }
});

test("a program signs in: it polls, a person answers, and the token comes once", async () => {
  const started = await c.call("POST", "/v1/auth/device", { body: { client_name: "CLI on a laptop", scopes: ["read"] } });
  expect(started.body).toMatchObject({ user_code: expect.stringMatching(/^[A-Z]{4}-\d{4}$/), expires_in: 900, interval: 5 });
  const { device_code, user_code } = started.body;
  const poll = async () => {
    const answer = await c.call("POST", "/v1/auth/device/token", { body: { device_code } });
    return answer.status === 200 ? answer.body : answer.body.error.code;
  };
  expect(await poll()).toBe("authorization_pending");
  expect(await poll()).toBe("slow_down");
  const seen = await c.call("GET", `/v1/auth/devices/${user_code.toLowerCase()}`, { token: c.owner });
  expect(seen.body).toMatchObject({ client_name: "CLI on a laptop", scopes: ["read"] });
  const narrow = await c.person("member", { scopes: ["admin"] });
  const answerAs = (token: string, decision: string) => c.call("POST", `/v1/auth/devices/${user_code}`, { token, body: { decision } });
  expect((await answerAs(narrow.token, "approve")).body.error.code).toBe("scope_not_held");
  expect((await answerAs(c.owner, "approve")).status).toBe(200);
  expect((await answerAs(c.owner, "deny")).status).toBe(404);
  clock.advance(5000);
  const [one, two] = await Promise.all([poll(), poll()]);
  const token = [one, two].find((answer) => typeof answer === "object")!;
  expect([one, two]).toContain("expired_token");
  expect((await c.call("GET", "/v1/me", { token: token.access_token })).body).toMatchObject({
    principal: { id: "usr_owner" },
    scopes: ["read"],
  });
  expect(await poll()).toBe("expired_token");
});

test("a denied sign-in of a program ends, and so does one that nobody answers in 15 minutes", async () => {
  const start = async () => (await c.call("POST", "/v1/auth/device", { body: { client_name: "x" } })).body;
  const poll = async (device_code: string) => (await c.call("POST", "/v1/auth/device/token", { body: { device_code } })).body.error.code;
  const [denied, late] = [await start(), await start()];
  await c.call("POST", `/v1/auth/devices/${denied.user_code}`, { token: c.owner, body: { decision: "deny" } });
  expect(await poll(denied.device_code)).toBe("access_denied");
  clock.advance(901_000);
  expect(await poll(late.device_code)).toBe("expired_token");
  expect((await c.call("GET", `/v1/auth/devices/${late.user_code}`, { token: c.owner })).status).toBe(404);
});
