/* Signing in with GitHub: our real client against a stand-in that speaks its wire format, errors included. */
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { type GitHub, type GitHubPerson, startGitHub } from "./github.fixture.ts";

const ORIGIN = "http://localhost";
const CLIENT = { id: "Iv1.0123456789", secret: "a-secret-of-an-oauth-app", redirectUri: `${ORIGIN}/api/auth/callback/github` };
const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let c: Composed;
let github: GitHub;

beforeAll(async () => {
  github = await startGitHub(CLIENT);
  c = await startComposed(database, {
    environment: {
      SIGNALBOX_SIGN_IN: "accounts",
      SIGNALBOX_OWNER_EMAIL: "owner@example.com",
      SIGNALBOX_PUBLIC_URL: ORIGIN,
      GITHUB_CLIENT_ID: CLIENT.id,
      GITHUB_CLIENT_SECRET: CLIENT.secret,
      SIGNALBOX_GITHUB_URL: github.url,
      SIGNALBOX_GITHUB_API_URL: github.url,
    },
  });
  for (const email of ["anna@example.com", "bo@example.com", "cleo@example.com"])
    await c.call("POST", "/v1/invitations", { token: c.owner, body: { email, role: "member" } });
}, 60_000);
afterAll(async () => {
  await c.close();
  await github.close();
});
beforeEach(async () => {
  github.trouble = null;
  await database.rows("delete from idn_attempts");
});

const person = (id: number, login: string, email: string, more: Partial<GitHubPerson> = {}): GitHubPerson => ({
  id,
  login,
  name: null,
  email: null,
  emails: [
    { email: "throwaway@example.com", primary: false, verified: true, visibility: null },
    { email, primary: true, verified: true, visibility: "private" },
  ],
  ...more,
});
const cookiesOf = (answer: { headers: Record<string, unknown> }): string[] =>
  ([answer.headers["set-cookie"] ?? []].flat() as string[]).map((each) => each.split(";")[0]!);

async function begin() {
  const begun = await c.call("POST", "/api/auth/sign-in/social", {
    body: { provider: "github", callbackURL: "/sessions", errorCallbackURL: "/login" },
    headers: { origin: ORIGIN },
  });
  expect(begun.status).toBe(200);
  const answer = await fetch(begun.body.url as string, { redirect: "manual" });
  return { at: new URL(answer.headers.get("location")!), cookie: cookiesOf(begun).join("; ") };
}
async function signIn(of?: { at: URL; cookie: string }) {
  const { at, cookie } = of ?? (await begin());
  const answer = await c.call("GET", at.pathname + at.search, { headers: { cookie } });
  const session = cookiesOf(answer).find((each) => each.startsWith("signalbox_session=")) ?? "";
  return { status: answer.status, to: String(answer.headers["location"]), session };
}
const users = async (like: string) => (await database.rows("select 1 from auth_users where email like $1", [like])).length;

test("an invited person comes in by the primary address that GitHub vouches for, whatever the profile says", async () => {
  github.who = person(1, "anna", "Anna@Example.com", { email: "somebody-else@example.com", name: "Anna A" });
  const { to, session } = await signIn();
  expect([to, session !== ""]).toEqual(["/sessions", true]);
  expect(await database.rows("select name, email, email_verified from auth_users where email = 'anna@example.com'")).toEqual([
    { name: "Anna A", email: "anna@example.com", email_verified: true },
  ]);
  expect((await c.call("GET", "/v1/logins", { headers: { cookie: session } })).body.items[0].method).toBe("provider");
  // Again, with another address: the same account, by GitHub's id.
  github.who = person(1, "anna-renamed", "anna.new@example.com");
  expect((await signIn()).session).not.toBe("");
  expect(await users("anna%")).toBe(1);
  const [kept] = await database.rows<{ access_token: string }>("select access_token from auth_accounts where provider_id = 'github'");
  expect(kept!.access_token).not.toContain("gho_");
});

test.each([
  ["answers a used code with 200 and an error", "bad_verification_code"],
  ["does not know our secret, with 200 too", "incorrect_client_credentials"],
  ["does not take its own token", "bad_credentials"],
  ["keeps the addresses to itself", "emails_forbidden"],
  ["has heard too much of us", "rate_limited"],
  ["answers with a page", "unicorn"],
] as const)("GitHub %s (%s): nobody is signed in or made", async (_what, trouble) => {
  github.who = person(2, "bo", "bo@example.com");
  github.trouble = trouble;
  const { status, to, session } = await signIn();
  expect([status, session]).toEqual([302, ""]);
  expect(new URL(to, ORIGIN).pathname).toBe("/login");
  expect(to).toMatch(/error=/);
  expect(to).not.toContain("gho_");
  expect(await users("bo@%")).toBe(0);
});

test.each([
  ["has no verified primary address", [{ email: "cleo@example.com", primary: true, verified: false, visibility: null }]],
  [
    "has another address verified only",
    [
      { email: "cleo@example.com", primary: true, verified: false, visibility: null },
      { email: "other@example.com", primary: false, verified: true, visibility: null },
    ],
  ],
  ["has none", []],
])("who %s is nobody here", async (_what, emails) => {
  github.who = person(3, "cleo", "", { emails, email: "cleo@example.com" });
  expect((await signIn()).session).toBe("");
  expect(await users("cleo@%")).toBe(0);
});

test("who is not invited stays out, and an account that has not proven its address is nobody's to take", async () => {
  github.who = person(4, "stranger", "stranger@example.com");
  expect((await signIn()).session).toBe("");
  expect(await users("stranger%")).toBe(0);
  // The local owner's account waits, unproven: proving the address by a code comes first.
  github.who = person(5, "squatter", "owner@example.com");
  expect((await signIn()).session).toBe("");
  expect(await database.rows("select 1 from auth_accounts where user_id = 'usr_owner'")).toEqual([]);
});

test("a way back is good once, and only for the browser that began it", async () => {
  github.who = person(1, "anna", "anna@example.com");
  const mine = await begin();
  const theirs = await begin();
  expect((await signIn({ at: mine.at, cookie: theirs.cookie })).session).toBe("");
  expect((await signIn({ at: mine.at, cookie: "" })).session).toBe("");
  const again = await begin();
  expect((await signIn(again)).session).not.toBe("");
  expect((await signIn(again)).session).toBe("");
});
