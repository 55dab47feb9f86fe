/* Invitations without a mail server: what the operator is shown is what the invited get. */
import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
const clock = testClock(new Date().toISOString());
const console = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let c: Composed;

beforeAll(async () => {
  c = await startComposed(database, {
    clock,
    environment: { SIGNALBOX_SIGN_IN: "accounts", SIGNALBOX_OWNER_EMAIL: "owner@example.com", SIGNALBOX_PUBLIC_URL: "http://localhost" },
  });
}, 60_000);
afterAll(async () => {
  await c.close();
  console.mockRestore();
});

const shown = (): string => console.mock.calls.map(([text]) => String(text)).join("");
const post = (url: string, body: unknown, of: { token?: string; cookie?: string } = {}) =>
  c.call("POST", url, {
    body,
    ...(of.token === undefined ? {} : { token: of.token }),
    headers: { origin: "http://localhost", ...(of.cookie === undefined ? {} : { cookie: of.cookie }) },
  });
const code = (answer: { status: number; body: { error?: { code: string } } }) => [answer.status, answer.body.error?.code];

async function signIn(email: string): Promise<string> {
  console.mockClear();
  expect((await post("/api/auth/email", { email })).status).toBe(200);
  let found: string | undefined;
  await expect
    .poll(() => (found = new RegExp(`Mail to ${email}[^]*?Your code is (\\d{6})`).exec(shown())?.[1]), { timeout: 30_000 })
    .toBeDefined();
  const answer = await post("/api/auth/verify", { email, code: found! });
  expect(answer.status).toBe(200);
  return String([answer.headers["set-cookie"]].flat()[0]).split(";")[0]!;
}
const invite = (email: string, role = "member", token = c.owner) => post("/v1/invitations", { email, role }, { token });

test("who is not invited gets no code, is told nothing, and makes no account", async () => {
  console.mockClear();
  expect((await post("/api/auth/email", { email: "stranger@example.com" })).body.status).toBe("code-sent");
  const signUp = await post("/api/auth/sign-up/email", { email: "stranger@example.com", name: "S", password: "correct horse battery" });
  expect([signUp.status, signUp.body.status]).toEqual([200, "check-your-mail"]);
  await signIn("owner@example.com"); // sent after it, so that what is not there by now does not come
  expect(shown()).not.toContain("stranger");
  expect(await database.rows("select 1 from auth_users where email = 'stranger@example.com'")).toEqual([]);
});

test("an invitation into an organization that is deleted while it is accepted lets nobody in, and nothing is written behind the end", async () => {
  const { id, token } = await c.organization();
  const email = "late@example.com";
  const made = await invite(email, "member", token);
  const cookie = await signIn(email);
  const [guest] = await database.rows<{ id: string }>("select id from auth_users where email = $1", [email]);
  const { name, stream_seq } = (await c.call("GET", "/v1/organization", { token })).body;
  // Who accepts has found the invitation, and waits for the lock of their person.
  const holder = await database.pool("admin").connect();
  const lock = "(hashtextextended('person ' || $1, 0))";
  await holder.query(`select pg_advisory_lock${lock}`, [guest!.id]);
  const accepting = post(`/v1/invites/${made.body.id}/accept`, {}, { cookie });
  const waiting = "select 1 from pg_stat_activity where wait_event = 'advisory' and datname = current_database()";
  await expect.poll(async () => (await holder.query(waiting)).rowCount).toBe(1);
  expect((await post("/v1/organization/delete", { name, exported_seq: stream_seq }, { token })).status).toBe(202);
  await holder.query(`select pg_advisory_unlock${lock}`, [guest!.id]);
  holder.release();
  expect(code(await accepting)).toEqual([404, "not_found"]);
  const last = "select type from evt_events where organization_id = $1 order by position desc limit 1";
  expect(await database.rows(last, [id])).toEqual([{ type: "organization.deleted" }]);
});

test("an invitation lets its address in, with its role, once, also when it is accepted twice at the same time", async () => {
  console.mockClear();
  const made = await invite("Anna@Example.com", "approver");
  expect([made.status, made.body]).toEqual([201, expect.objectContaining({ email: "anna@example.com", role: "approver", status: "open" })]);
  expect(shown()).toContain(made.body.url);
  expect(code(await invite("anna@example.com"))).toEqual([409, "already_invited"]);
  const seen = await c.call("GET", `/v1/invites/${made.body.id}`);
  expect(seen.body).toMatchObject({ organization_name: "Local", email_hint: "a…@example.com", status: "open" });
  const cookie = await signIn("anna@example.com");
  const mine = await c.call("GET", "/v1/me/invitations", { headers: { cookie } });
  expect(mine.body.items.map((one: { id: string }) => one.id)).toEqual([made.body.id]);
  const answers = await Promise.all([1, 2].map(() => post(`/v1/invites/${made.body.id}/accept`, {}, { cookie })));
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect((await c.call("GET", "/v1/me", { headers: { cookie } })).body).toMatchObject({ organization: { id: "ws_dev" }, role: "approver" });
  const events = await database.rows<{ type: string }>(
    "select type from evt_events where type in ('invitation.accepted', 'member.added') and organization_id = 'ws_dev'",
  );
  // The owner was added at boot.
  expect(events.map(({ type }) => type).toSorted((a, b) => a.localeCompare(b))).toEqual([
    "invitation.accepted",
    "member.added",
    "member.added",
  ]);
  expect(code(await invite("anna@example.com"))).toEqual([409, "already_member"]);
});

test("an invitation is worth nothing to whoever has proven another address", async () => {
  const made = await invite("bo@example.com");
  const other = await invite("cy@example.com");
  const cy = await signIn("cy@example.com");
  expect(code(await post(`/v1/invites/${made.body.id}/accept`, {}, { cookie: cy }))).toEqual([403, "invitation_for_another"]);
  expect((await post(`/v1/invites/${other.body.id}/accept`, {}, { cookie: cy })).status).toBe(200);
});

test("what was taken back, or is a week old, lets nobody in; sent again it does", async () => {
  clock.advance(61_000);
  const gone = await invite("di@example.com");
  const bo = (await c.call("GET", "/v1/invitations", { token: c.owner })).body.items.find(
    (one: { email: string }) => one.email === "bo@example.com",
  );
  const cookie = await signIn("di@example.com");
  expect((await c.call("DELETE", `/v1/invitations/${gone.body.id}`, { token: c.owner })).status).toBe(200);
  expect(code(await post(`/v1/invites/${gone.body.id}/accept`, {}, { cookie }))).toEqual([409, "invitation_closed"]);
  const bosCookie = await signIn("bo@example.com");
  clock.advance(8 * 24 * 3_600_000);
  expect((await c.call("GET", `/v1/invites/${bo.id}`)).body.status).toBe("expired");
  expect(code(await post(`/v1/invites/${bo.id}/accept`, {}, { cookie: bosCookie }))).toEqual([410, "invitation_expired"]);
  expect((await post(`/v1/invitations/${bo.id}/resend`, {}, { token: c.owner })).status).toBe(200);
  expect((await post(`/v1/invites/${bo.id}/accept`, {}, { cookie: bosCookie })).status).toBe(200);
});

test("nobody invites above their own role, or to an address that only looks like one", async () => {
  const admin = await c.person("admin");
  expect(code(await invite("ed@example.com", "owner", admin.token))).toEqual([403, "role_too_low"]);
  expect(code(await invite("еd@example.com"))).toEqual([422, "email_invalid"]);
});
