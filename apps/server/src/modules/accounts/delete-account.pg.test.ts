/* A person asks what is held about them, and deletes their account; real processes that die in between. */
import path from "node:path";
import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type Answer, type Composed, startComposed } from "../../composed.fixture.ts";
import type { DeletionStep } from "./delete-account.ts";
import { newSecurityKey } from "./passkey.fixture.ts";
import { ORIGIN, startTwo, type TwoProcesses } from "./two-processes.fixture.ts";

const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let two: TwoProcesses;
let c: Composed;
/** Another process on the same database. */
let other: Composed;

beforeAll(async () => {
  two = await startTwo(database);
  ({ c, other } = two);
}, 120_000);
afterAll(() => two.close());
beforeEach(() => database.rows("delete from idn_attempts"));

const post = (url: string, body: object, cookie = "", at = c): Promise<Answer> =>
  at.call("POST", url, { body, headers: { origin: ORIGIN, ...(cookie === "" ? {} : { cookie }) } });
const get = (url: string, cookie: string, at = c): Promise<Answer> => at.call("GET", url, { headers: { cookie } });
const cookieOf = (answer: Answer): string =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).find((each) => each.startsWith("signalbox_session="))?.split(";")[0] ?? "";
const allCookies = (answer: Answer): string =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).map((each) => each.split(";")[0]!).join("; ");
async function signIn(email: string): Promise<string> {
  await database.rows("delete from acc_outbox where recipient = $1 and subject like '%is your code%'", [email]);
  await post("/api/auth/email", { email });
  let code: string | undefined;
  await expect
    .poll(
      async () => {
        const rows = await database.rows<{ body: string }>("select body from acc_outbox where recipient = $1", [email]);
        return (code = rows.map(({ body }) => /code is (\d{6})/.exec(body)?.[1]).find((one) => one !== undefined));
      },
      { timeout: 60_000 },
    )
    .toBeDefined();
  return cookieOf(await post("/api/auth/verify", { email, code: code! }));
}

interface Somebody {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly cookie: string;
  readonly token: string;
  readonly tokenId: string;
  readonly room: string;
  readonly invitation: string;
  readonly second: string;
}
/** Somebody with one of everything: two organizations, a token named after them, a passkey, notes, a link, an invitation that waits for them and one that is theirs. */
async function somebody(name: string): Promise<Somebody> {
  const email = `${name.toLowerCase()}@people.test`;
  await post("/api/auth/sign-up/email", { email, name: `${name} Example`, password: "correct horse battery" });
  let link: string | undefined;
  await expect
    .poll(
      async () => {
        const rows = await database.rows<{ body: string }>("select body from acc_outbox where recipient = $1", [email]);
        return (link = rows.map(({ body }) => /(http:\S+verify-email\S+)/.exec(body)?.[1]).find((one) => one !== undefined));
      },
      { timeout: 120_000 },
    )
    .toBeDefined();
  await get(link!.replace(ORIGIN, ""), "none=1");
  const cookie = await signIn(email);
  const [{ id }] = (await database.rows<{ id: string }>("select id from auth_users where email = $1", [email])) as [{ id: string }];
  await c.server.identity.registerPrincipal({ organizationId: "ws_dev", id, type: "user", displayName: `${name} Example`, role: "admin" });
  const second = await c.organization();
  await c.server.identity.registerPrincipal({
    organizationId: second.id,
    id,
    type: "user",
    displayName: `${name} of Second`,
    role: "member",
  });
  await post("/v1/organizations/switch", { organization_id: "ws_dev" }, cookie);
  const room = (await post("/v1/rooms", { title: "Theirs" }, cookie)).body.id;
  const thread = (await post(`/v1/rooms/${room}/threads`, {}, cookie)).body.id;
  await post(`/v1/threads/${thread}/messages`, { content_md: "what I wrote" }, cookie);
  const { id: tokenId, secret } = (await post("/v1/tokens", { name: `${name} Example's laptop`, scopes: ["read", "admin"] }, cookie)).body;
  await post("/v1/capabilities", { name: "c", grant: { scopes: ["read"] } }, cookie);
  const team = (await c.call("POST", "/v1/teams", { token: c.owner, body: { name: "Team" } })).body.id;
  await c.call("POST", `/v1/teams/${team}/members`, { token: c.owner, body: { principal_id: id } });
  const options = await get("/api/auth/passkey/generate-register-options?name=mine", cookie);
  const response = newSecurityKey(ORIGIN).register(options.body.challenge);
  await post("/api/auth/passkey/verify-registration", { response, name: "mine" }, `${cookie}; ${allCookies(options)}`);
  await database.rows(
    "insert into auth_accounts (id, account_id, provider_id, user_id, created_at, updated_at) values ($1, $2, 'github', $3, now(), now())",
    [`auth_${id}`, `gh-${name}`, id],
  );
  await database.rows(
    "insert into push_subscriptions (organization_id, id, principal_id, endpoint, p256dh, auth, label) values ('ws_dev', $1, $2, $1, '', '', $3)",
    [`psh_${id}`, id, `${name}'s phone`],
  );
  await database.rows("update auth_users set image = $2 where id = $1", [id, `https://pictures.test/${name}.png`]);
  const { token: theirs } = await c.organization();
  const invitation = (await c.call("POST", "/v1/invitations", { token: theirs, body: { email, role: "member" } })).body.id;
  await post("/v1/invitations", { email: `guest-of-${id}@example.com`, role: "viewer" }, cookie);
  return { id, name, email, cookie, token: secret, tokenId, room, invitation, second: second.id };
}
const remove = ({ email, cookie }: { email: string; cookie: string }) => post("/v1/account/delete", { confirm: email }, cookie);
const events = async (type: string, about: string) =>
  database.rows<{ organization_id: string; data: string; header: string }>(
    "select e.organization_id, p.data, e.header from evt_events e join evt_payloads p using (position) where e.type = $1 and p.data like $2 order by e.position",
    [type, `%${about}%`],
  );
/** Everything in the database as text, by table. */
async function everything(): Promise<[string, string][]> {
  const tables = await database.rows<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace order by 1",
  );
  const all: [string, string][] = [];
  for (const { name } of tables)
    all.push([name, (await database.rows<{ row: string }>(`select t::text as row from ${name} t`)).map(({ row }) => row).join("\n")]);
  return all;
}
/** Every table that has one of `words` in it, with the word. The database is read once for all of them. */
async function placesOf(...words: readonly string[]): Promise<[word: string, table: string][]> {
  const tables = (await everything()).map(([name, text]) => [name, text.toLowerCase()] as const);
  return words.flatMap((word) =>
    tables.filter(([, text]) => text.includes(word.toLowerCase())).map(([name]): [string, string] => [word, name]),
  );
}
const settled = () =>
  expect
    .poll(
      async () =>
        (
          await database.rows<{ kind: string }>("select kind from jobs where kind in ('accounts.tell', 'accounts.delete', 'audit.erase')")
        ).map(({ kind }) => kind),
      { timeout: 120_000, interval: 200 },
    )
    .toEqual([]);

/** `others`: further organizations that they left; `deleted`: that were theirs, and are no more. */
async function isGone(person: Somebody, others: readonly string[] = [], deleted: readonly string[] = []): Promise<void> {
  const { id, name, email } = person;
  const left = ["ws_dev", person.second, ...others];
  const organizations = [...left, ...deleted];
  await settled();
  expect(await placesOf(email, `${name} Example`, `${name} of Second`, `pictures.test/${name}`, `gh-${name}`, `${name}'s phone`)).toEqual(
    [],
  );
  expect((await events("account.deletion_requested", id)).length).toBe(1);
  expect((await events("principal.deleted", id)).map((event) => event.organization_id).toSorted()).toEqual(organizations.toSorted());
  for (const { header } of await events("principal.deleted", id)) expect(JSON.parse(header).principal.id).toBe(id);
  expect((await events("member.left", id)).length).toBe(left.length);
  expect((await events("token.revoked", person.tokenId)).length).toBe(1);
  expect((await events("invitation.revoked", person.invitation)).length).toBe(1);
  expect((await events("account.deleted", id)).map((event) => event.organization_id)).toEqual(["ws_dev"]);
  const names = await database.rows<{ display_name: string; role: string | null }>(
    "select display_name, role from proj_principals where id = $1",
    [id],
  );
  expect(names).toEqual(organizations.map(() => ({ display_name: "Deleted person", role: null })));
}

test("the export says everything that is held about a person, and nothing of anybody else, nor any secret", async () => {
  const [anna, beth] = [await somebody("Anna"), await somebody("Beth")];
  await settled();
  const answer = await get("/v1/account/export", anna.cookie);
  expect(answer.status).toBe(200);
  expect(answer.headers["content-disposition"]).toBe('attachment; filename="signalbox-account.json"');
  expect(answer.body.person).toMatchObject({
    id: anna.id,
    name: "Anna Example",
    email: "anna@people.test",
    is_email_proven: true,
    picture_url: "https://pictures.test/Anna.png",
    has_password: true,
  });
  expect(answer.body.sign_ins.map(({ method }: { method: string }) => method).toSorted()).toEqual(["code", "confirmed_address"]);
  expect(answer.body.passkeys).toMatchObject([{ name: "mine" }]);
  expect(answer.body.providers).toMatchObject([{ provider: "github", subject: "gh-Anna" }]);
  expect(answer.body.invitations).toMatchObject([{ id: anna.invitation, email: anna.email, status: "open" }]);
  expect(answer.body.organizations).toMatchObject([
    {
      id: "ws_dev",
      display_name: "Anna Example",
      role: "admin",
      team_ids: [expect.any(String)],
      tokens: [{ id: anna.tokenId, name: "Anna Example's laptop" }],
      capabilities: [{ name: "c" }],
      browsers: [{ label: "Anna's phone" }],
    },
    { id: anna.second, display_name: "Anna of Second", role: "member" },
  ]);
  expect(answer.body.organizations[0].changes.map(({ type }: { type: string }) => type)).toEqual(
    expect.arrayContaining(["member.added", "account.passkey_added"]),
  );
  const text = JSON.stringify(answer.body);
  for (const secret of [anna.token, anna.cookie.split("=")[1]!.split(".")[0]!, beth.id, beth.email, "Beth"])
    expect(text).not.toContain(secret);
  const kept = await database.rows<{ secret: string }>(
    "select password as secret from auth_accounts where password is not null union all select public_key from auth_passkeys union all select encode(secret_hash, 'hex') from idn_sessions",
  );
  for (const { secret } of kept) expect(text).not.toContain(secret);
}, 120_000);

test("only a person in a browser of theirs, lately signed in, who types who they are, deletes their account", async () => {
  const carl = await somebody("Carl");
  const codeOf = ({ status, body }: Answer) => [status, body.error?.code];
  for (const url of ["/v1/account/delete", "/v1/account/export"] as const)
    expect(
      codeOf(
        await c.call(url.endsWith("export") ? "GET" : "POST", url, {
          token: carl.token,
          ...(url.endsWith("export") ? {} : { body: { confirm: carl.email } }),
        }),
      ),
    ).toEqual([409, "not_a_browser"]);
  expect(codeOf(await post("/v1/account/delete", { confirm: "anna@people.test" }, carl.cookie))).toEqual([409, "confirmation_mismatch"]);
  expect(codeOf(await c.call("POST", "/v1/account/delete", { body: { confirm: carl.email }, headers: { cookie: carl.cookie } }))).toEqual([
    403,
    "forbidden",
  ]);

  await database.rows("update idn_sessions set created_at = now() - interval '25 hours' where principal_id = $1", [carl.id]);
  expect(codeOf(await remove(carl))).toEqual([403, "sign_in_too_old"]);
  await database.rows("update idn_sessions set created_at = now() where principal_id = $1", [carl.id]);

  await database.rows("update idn_sessions set only_in = $2 where principal_id = $1", [carl.id, carl.second]);
  c.server.identity.changed(carl.id);
  expect(codeOf(await remove(carl))).toEqual([409, "sign_in_confined"]);
  expect(codeOf(await get("/v1/account/export", carl.cookie))).toEqual([409, "sign_in_confined"]);
  await database.rows("update idn_sessions set only_in = null where principal_id = $1", [carl.id]);
  c.server.identity.changed(carl.id);

  const owned = (await post("/v1/organizations", { name: "Carl's own" }, carl.cookie)).body.id;
  const last = await remove(carl);
  expect(codeOf(last)).toEqual([409, "last_owner"]);
  expect(last.body.error.message).toContain("“Carl's own”");
  expect(last.body.error.details.organizations).toEqual([{ id: owned, name: "Carl's own" }]);
  expect((await get("/v1/me", carl.cookie)).status).toBe(200);
  expect(await events("account.deletion_requested", carl.id)).toEqual([]);

  // Whoever acts as somebody neither deletes them nor takes all of theirs along.
  const link = (await c.call("POST", "/v1/auth/login-codes", { token: c.owner, body: {} })).body.code;
  const operator = cookieOf(await post("/v1/auth/login", { code: link }));
  await post("/v1/admin/impersonations", { organization_id: "ws_dev", principal_id: carl.id, reason: "they asked for help" }, operator);
  expect((await get("/v1/me", operator)).body.principal.id).toBe(carl.id);
  expect(codeOf(await post("/v1/account/delete", { confirm: carl.email }, operator))).toEqual([403, "forbidden"]);
  expect(codeOf(await get("/v1/account/export", operator))).toEqual([403, "forbidden"]);
  // The operator by the link owns the installation's organization, and has proven no address.
  await post("/v1/auth/impersonation/stop", {}, operator);
  expect(codeOf(await post("/v1/account/delete", { confirm: "owner@example.com" }, operator))).toEqual([409, "last_owner"]);
}, 120_000);

test("whoever came in by a link has no account to delete, and where nobody has one it says so", async () => {
  const byLink = async (at: Composed, token: string): Promise<string> => {
    const { code } = (await at.call("POST", "/v1/auth/login-codes", { token, body: {} })).body;
    return cookieOf(await post("/v1/auth/login", { code }, "", at));
  };
  const guest = await c.person("admin");
  const refusedHere = await post("/v1/account/delete", { confirm: "A admin" }, await byLink(c, guest.token));
  expect([refusedHere.status, refusedHere.body.error.code]).toEqual([404, "account_not_found"]);

  const local = await startComposed(database, { environment: {}, dataDir: two.dataDir });
  try {
    const cookie = await byLink(local, local.owner);
    const refusedThere = await post("/v1/account/delete", { confirm: "owner@example.com" }, cookie, local);
    expect([refusedThere.status, refusedThere.body.error.code]).toEqual([409, "accounts_not_configured"]);
    // What is held about them they may have all the same.
    expect((await get("/v1/account/export", cookie, local)).status).toBe(200);
    expect(await events("account.deletion_requested", "usr_owner")).toEqual([]);
  } finally {
    await local.close();
  }
}, 120_000);

test("whoever deletes their account is out everywhere within a second, leaves nothing of who they were, and may come back as somebody new", async () => {
  const dora = await somebody("Dora");
  const second = await signIn(dora.email);
  const begun = (await post("/v1/auth/device", { client_name: "CLI", scopes: ["read"] })).body;
  await post(`/v1/auth/devices/${begun.user_code}`, { decision: "approve" }, dora.cookie);
  const founded = (await post("/v1/organizations", { name: "Founded" }, dora.cookie)).body.id;
  const at = { "x-workspace-id": founded, origin: ORIGIN, cookie: dora.cookie };
  const { stream_seq } = (await c.call("GET", "/v1/organization", { headers: at })).body;
  const body = { name: "Founded", exported_seq: stream_seq };
  expect((await c.call("POST", "/v1/organization/delete", { headers: at, body })).status).toBe(202);
  const { items } = (await get("/v1/logins", dora.cookie)).body as { items: { id: string; is_this: boolean }[] };
  const login = items.find(({ is_this }) => is_this)!.id;
  const ended: string[] = [];
  const hold = (credentialId: string) =>
    other.server.identity.hold({ organizationId: "ws_dev", principalId: dora.id, role: "admin", credentialId }, () =>
      ended.push(credentialId),
    );
  hold(login);
  hold(dora.tokenId);
  // The other process knows them and remembers it.
  expect((await get("/v1/me", dora.cookie, other)).status).toBe(200);
  expect((await get("/v1/me", second, other)).status).toBe(200);
  expect((await other.call("GET", "/v1/me", { token: dora.token })).status).toBe(200);

  const gone = await remove(dora);
  expect([gone.status, gone.body]).toEqual([202, { ok: true }]);
  expect(gone.headers["set-cookie"]).toContain("Max-Age=0");
  for (const answer of [
    await get("/v1/me", dora.cookie),
    await get("/v1/me", second),
    await c.call("GET", "/v1/me", { token: dora.token }),
  ])
    expect(answer.status).toBe(401);
  const since = performance.now();
  await expect
    .poll(
      async () =>
        (
          await Promise.all([
            get("/v1/me", dora.cookie, other),
            get("/v1/me", second, other),
            other.call("GET", "/v1/me", { token: dora.token }),
          ])
        ).map(({ status }) => status),
      { timeout: 60_000, interval: 50 },
    )
    .toEqual([401, 401, 401]);
  // A slow machine answers late; what is remembered is remembered for a second.
  expect(performance.now() - since).toBeLessThan(10_000);
  await expect.poll(() => ended, { timeout: 60_000 }).toEqual(expect.arrayContaining([login, dora.tokenId]));
  expect((await post("/v1/auth/device/token", { device_code: begun.device_code })).body.error.code).toBe("expired_token");
  expect((await post("/api/auth/sign-in/email", { email: dora.email, password: "correct horse battery" })).status).toBe(401);
  await isGone(dora, [], [founded]);

  // What they wrote is there, by somebody without a name; and an admin sees what happened, by whom.
  const messages = await database.rows<{ author_id: string }>("select author_id from proj_messages where room_id = $1", [dora.room]);
  expect(messages.map(({ author_id }) => author_id)).toEqual([dora.id]);
  const changes = (await c.call("GET", "/v1/security", { token: c.owner })).body.organization.changes;
  expect(changes.find(({ type }: { type: string }) => type === "principal.deleted")).toMatchObject({
    by: { id: dora.id, name: "Deleted person" },
    about: { id: dora.id, name: "Deleted person" },
  });
  const rebuilt = await c.call("POST", "/v1/audit/rebuild", { token: c.owner, body: { dry_run: true } });
  expect(rebuilt.body.projections.filter((one: { drift: unknown[] }) => one.drift.length > 0)).toEqual([]);

  const again = await signIn(dora.email);
  const list = (await get("/v1/organizations", again)).body;
  expect(list.items).toEqual([]);
  expect((await database.rows<{ id: string }>("select id from auth_users where email = $1", [dora.email]))[0]!.id).not.toBe(dora.id);
}, 240_000);

test("of two owners who delete their accounts at once one stays, with the organization", async () => {
  const [eve, finn] = [await somebody("Eve"), await somebody("Finn")];
  const shared = (await post("/v1/organizations", { name: "Shared" }, eve.cookie)).body.id;
  await c.server.identity.registerPrincipal({
    organizationId: shared,
    id: finn.id,
    type: "user",
    displayName: "Finn Example",
    role: "owner",
  });
  const answers = await Promise.all([remove(eve), remove(finn)]);
  const codes = answers.map(({ status, body }) => String(body.error?.code ?? status));
  expect(codes.toSorted()).toEqual(["202", "last_owner"]);
  const [left, stays] = codes[0] === "202" ? [eve, finn] : [finn, eve];
  await isGone(left, [shared]);
  expect((await get("/v1/me", stays.cookie)).status).toBe(200);
  expect(await database.rows("select id from proj_principals where organization_id = $1 and role = 'owner'", [shared])).toEqual([
    { id: stays.id },
  ]);
  // Nobody is stuck in between: once it is handed on, they go.
  const heir = await c.person("admin", { organizationId: shared });
  expect(
    (
      await c.call("POST", "/v1/organization/transfer", {
        body: { to: heir.id },
        headers: { cookie: stays.cookie, origin: ORIGIN, "x-workspace-id": shared },
      })
    ).status,
  ).toBe(200);
  expect((await remove(stays)).status).toBe(202);
  await settled();
  expect(await placesOf(stays.email)).toEqual([]);
}, 240_000);

const STEPS: readonly DeletionStep[] = [
  "owned",
  "logins",
  "tokens",
  "capabilities",
  "memberships",
  "invitations",
  "account",
  "principal",
  "names",
];
test("killed behind any step, a deletion goes on where it was, and does nothing twice", async () => {
  const people: Somebody[] = [];
  for (const step of STEPS) people.push(await somebody(`K${step}`));
  await settled();
  const roles = ["admin", "sb_owner", "sb_log", "sb_app"] as const;
  const script = startScript(path.join(import.meta.dirname, "delete-account-crash.script.ts"), {
    args: [
      Object.fromEntries(roles.map((role) => [role, database.connection(role)])),
      two.dataDir,
      two.environment,
      STEPS.map((step, i) => ({ step, email: people[i]!.email, cookie: people[i]!.cookie })),
    ],
  });
  expect([await script.ended, script.stderr().slice(-2000)]).toEqual(["SIGKILL", expect.anything()]);
  expect(script.lines.map((line) => JSON.parse(line))).toEqual(STEPS);
  for (const person of people) await isGone(person);
}, 600_000);
