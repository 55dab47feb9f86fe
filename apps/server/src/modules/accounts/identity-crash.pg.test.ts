/*
 * Killed with -9 in the middle of: a first sign-in through a provider (behind each of its steps), an invitation's
 * acceptance, a transfer of ownership, an organization's deletion, a password's reset. All in one process that dies once.
 * An account's deletion: delete-account.pg.test.ts.
 */
import { existsSync, mkdtempSync, chmodSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Answer, type Composed, startComposed } from "../../composed.fixture.ts";
import type { Doomed } from "./identity-crash.script.ts";
import { type NameServer, startNameServer, startProvider, type TestProvider, throughProvider } from "./openid.fixture.ts";

const ORIGIN = "http://localhost";
const OIDC = { id: "signalbox", secret: "kept-where-nobody-looks", redirectUri: `${ORIGIN}/api/auth/sso/callback` };
const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let idp: TestProvider;
let dns: NameServer;
let dataDir: string;
let environment: Record<string, string>;
let c: Composed;

beforeAll(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-identity-"));
  chmodSync(dataDir, 0o711);
  [idp, dns] = await Promise.all([startProvider(OIDC), startNameServer()]);
  environment = {
    SIGNALBOX_SIGN_IN: "accounts",
    SIGNALBOX_SIGN_UP: "open",
    SIGNALBOX_OWNER_EMAIL: "owner@example.com",
    SIGNALBOX_PUBLIC_URL: ORIGIN,
    SIGNALBOX_SSO_ALLOW_PRIVATE: "true",
    SIGNALBOX_NAME_SERVER: dns.address,
  };
  c = await startComposed(database, { environment, dataDir });
}, 300_000);
afterAll(async () => {
  await c.close();
  await idp.close();
  dns.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const post = (url: string, body: object, cookie = "") =>
  c.call("POST", url, { body, headers: { origin: ORIGIN, ...(cookie === "" ? {} : { cookie }) } });
const cookieOf = (answer: Answer, name = "signalbox_session"): string =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).find((each) => each.startsWith(`${name}=`))?.split(";")[0] ?? "";
async function mailed(address: string, which: RegExp): Promise<string> {
  let found: string | undefined;
  await expect
    .poll(
      async () => {
        const rows = await database.rows<{ body: string }>("select body from acc_outbox where recipient = $1", [address]);
        return (found = rows.map(({ body }) => which.exec(body)?.[1]).find((one) => one !== undefined));
      },
      { timeout: 120_000 },
    )
    .toBeDefined();
  return found!;
}
async function signIn(email: string): Promise<string> {
  await database.rows("delete from acc_outbox where recipient = $1", [email]);
  await post("/api/auth/email", { email });
  return cookieOf(await post("/api/auth/verify", { email, code: await mailed(email, /code is (\d{6})/) }));
}
/** Up to the way back, which is then one request. */
async function vouched(organization: string, name: string): Promise<{ url: string; cookie: string }> {
  idp.who = { sub: name, email: `${name}@crash.test`, email_verified: true, name };
  const begun = await post("/api/auth/sso/start", { organization_id: organization });
  const at = await throughProvider(begun.body.url, idp.issuer);
  return { url: at.pathname + at.search, cookie: cookieOf(begun, "signalbox_sso") };
}
/** A file of some bytes, as an engine attaches it. */
async function withContent(token: string): Promise<void> {
  const made = async (url: string, body: object) => (await c.call("POST", url, { token, body })).body;
  const room_id = (await made("/v1/rooms", { title: "Work" })).id;
  const { id } = await made("/v1/runs", { room_id, title: "Work" });
  const { claim_token, epoch } = (await made("/v1/runs/claim", { room_id })).run;
  await made(`/v1/runs/${id}/start`, { claim_token, epoch });
  const step = (await made(`/v1/runs/${id}/steps`, { claim_token, epoch, kind: "agent" })).id;
  const content_base64 = Buffer.from("bytes").toString("base64");
  await made(`/v1/steps/${step}/artifacts`, { claim_token, epoch, kind: "file", name: "file", content_base64 });
}
const eventsOf = async (organization: string, type: string) =>
  (
    await database.rows<{ data: string }>(
      "select p.data from evt_events e join evt_payloads p using (position) where e.organization_id = $1 and e.type = $2 order by e.position",
      [organization, type],
    )
  ).map(({ data }) => JSON.parse(data));

test("nothing is half done, and nothing twice", async () => {
  const sso = await c.organization();
  await c.call("PUT", "/v1/organization/single-sign-on", {
    token: sso.token,
    body: { issuer: idp.issuer, client_id: OIDC.id, client_secret: OIDC.secret, default_role: "member" },
  });
  const claimed = (await c.call("POST", "/v1/organization/domains", { token: sso.token, body: { domain: "crash.test" } })).body;
  dns.records.set(claimed.record_name, [claimed.record_value]);
  await c.call("POST", `/v1/organization/domains/${claimed.id}/check`, { token: sso.token, body: {} });

  const inviting = await c.organization();
  const guest = await signIn("guest@example.com");
  const invitation = (
    await c.call("POST", "/v1/invitations", { token: inviting.token, body: { email: "guest@example.com", role: "member" } })
  ).body.id;

  const handed = await c.organization();
  const heir = await c.person("admin", { organizationId: handed.id });

  // Two that are deleted: of one the rows are gone when it dies, of the other nothing yet.
  const [half, whole] = [await c.organization(), await c.organization()];
  for (const { id, token } of [half, whole]) {
    await withContent(token);
    expect(existsSync(path.join(dataDir, "blobs", id))).toBe(true);
  }
  const deletion = async ({ token }: { token: string }): Promise<Pick<Doomed, "method" | "url" | "token" | "body">> => {
    const { body } = await c.call("GET", "/v1/organization", { token });
    return { method: "POST", url: "/v1/organization/delete", token, body: { name: body.name, exported_seq: body.stream_seq } };
  };

  await post("/api/auth/sign-up/email", { email: "reset@example.com", name: "R", password: "correct horse battery" });
  const confirm = new URL(await mailed("reset@example.com", /(http:\S+verify-email\S+)/));
  await c.call("GET", confirm.pathname + confirm.search);
  const wasIn = cookieOf(await post("/api/auth/sign-in/email", { email: "reset@example.com", password: "correct horse battery" }));
  expect((await c.call("GET", "/v1/logins", { headers: { cookie: wasIn } })).status).toBe(200);
  await post("/api/auth/request-password-reset", { email: "reset@example.com", redirectTo: "/" });
  const reset = await mailed("reset@example.com", /reset-password\/([^?\s]+)/);

  const back = async (name: string): Promise<Pick<Doomed, "method" | "url" | "cookie">> => ({
    method: "GET",
    ...(await vouched(sso.id, name)),
  });
  const doomed: readonly Doomed[] = [
    { ...(await back("account")), after: { query: "acc_sign_on(", value: "account@crash.test" } },
    { ...(await back("member")), after: { unit: sso.id } },
    { ...(await back("opened")), after: { run: "principal:" } },
    { ...(await back("unanswered")), after: { query: "insert into idn_sessions" } },
    { method: "POST", url: `/v1/invites/${invitation}/accept`, cookie: guest, body: {}, after: { unit: inviting.id } },
    { method: "POST", url: "/v1/organization/transfer", token: handed.token, body: { to: heir.id }, after: { unit: handed.id } },
    {
      method: "POST",
      url: "/api/auth/reset-password",
      body: { token: reset, newPassword: "another horse battery" },
      after: { query: 'update "auth_accounts"' },
    },
    { ...(await deletion(half)), after: { query: "idn_erase_organization", value: half.id }, isJob: true },
    { ...(await deletion(whole)), after: { unit: whole.id } },
  ];
  await c.server.stop();
  const roles = ["admin", "sb_owner", "sb_log", "sb_app"] as const;
  const script = startScript(path.join(import.meta.dirname, "identity-crash.script.ts"), {
    args: [Object.fromEntries(roles.map((role) => [role, database.connection(role)])), dataDir, environment, doomed],
  });
  expect([await script.ended, script.stderr().slice(-2000)]).toEqual(["SIGKILL", expect.anything()]);
  expect(script.lines).toHaveLength(doomed.length);
  // Its leases are over sooner than they would be.
  await database.rows("update jobs set leased_until = now() where leased_until is not null");
  c = await startComposed(database, { environment, dataDir });
  const jobsDone = () =>
    expect
      .poll(async () => (await database.rows("select kind from jobs where kind like 'accounts.%' or kind like 'identity.%'")).length, {
        timeout: 120_000,
      })
      .toBe(0);
  await jobsDone();

  // Who begins again ends the same: one account, one membership, one link, and in.
  for (const name of ["account", "member", "opened", "unanswered"]) {
    const { url, cookie } = await vouched(sso.id, name);
    const session = cookieOf(await c.call("GET", url, { headers: { cookie } }));
    const me = (await c.call("GET", "/v1/me", { headers: { cookie: session } })).body;
    expect(me, name).toMatchObject({ organization: { id: sso.id }, role: "member" });
    await jobsDone();
    const of = (events: readonly { principal_id: string }[]) =>
      events.filter(({ principal_id }) => principal_id === me.principal.id).length;
    expect(await database.rows("select 1 from auth_users where email = $1", [`${name}@crash.test`]), name).toHaveLength(1);
    expect(await database.rows("select 1 from auth_accounts where user_id = $1", [me.principal.id]), name).toHaveLength(1);
    expect([of(await eventsOf(sso.id, "member.added")), of(await eventsOf(sso.id, "account.provider_linked"))], name).toEqual([1, 1]);
  }

  // Done before anybody was answered; asked again it is the same answer, and once.
  const again = await post(`/v1/invites/${invitation}/accept`, {}, guest);
  expect([again.status, again.body]).toEqual([200, { organization_id: inviting.id, role: "member" }]);
  expect(await eventsOf(inviting.id, "invitation.accepted")).toHaveLength(1);
  expect((await eventsOf(inviting.id, "member.added")).filter(({ joined_by }) => joined_by === "invitation")).toHaveLength(1);

  expect(await eventsOf(handed.id, "organization.ownership_transferred")).toEqual([
    { organization_id: handed.id, from: handed.ownerId, to: heir.id },
  ]);
  expect((await c.call("GET", "/v1/me", { token: heir.token })).body.role).toBe("owner");
  expect((await c.call("GET", "/v1/me", { token: handed.token })).body.role).toBe("admin");

  expect((await c.call("GET", "/v1/logins", { headers: { cookie: wasIn } })).status).toBe(401);
  for (const [password, status] of [
    ["correct horse battery", 401],
    ["another horse battery", 200],
  ] as const)
    expect((await post("/api/auth/sign-in/email", { email: "reset@example.com", password })).status).toBe(status);
  expect((await eventsOf("ws_dev", "account.password_changed")).map(({ how }) => how)).toEqual(["reset"]);

  for (const { id, token } of [half, whole]) {
    expect(await eventsOf(id, "organization.deleted")).toHaveLength(1);
    expect((await c.call("GET", "/v1/me", { token })).status).toBe(401);
    for (const table of ["idn_token_secrets", "quo_storage"])
      expect(await database.rows(`select 1 from ${table} where organization_id = $1`, [id]), table).toEqual([]);
    expect(existsSync(path.join(dataDir, "blobs", id))).toBe(false);
  }
}, 600_000);
