/* Every route of the contract, tried as everybody whom it does not admit. The other ways in: access-doors.pg.test.ts. */
import { newId } from "@signalbox/kernel/id";
import type { InvitationId, OrganizationRole } from "@signalbox/contract/primitives";
import { DOORS } from "@signalbox/contract/doors";
import { ROUTES } from "@signalbox/contract/routes";
import type { Route, Scope } from "@signalbox/contract/route";
import { SCOPES } from "@signalbox/contract/identity";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Composed, startComposed } from "../composed.fixture.ts";
import { invitation } from "../modules/accounts/invitation.ts";
import { scriptedAgent } from "../modules/sessions/scripted-harness.fixture.ts";
import { furnish, type Ids, NOBODYS, question, said } from "./furnished.fixture.ts";

const database = databaseTest();
let c: Composed;
const people = new Map<OrganizationRole, string>();
let expired: string;
let revoked: string;
let scopeless: string;
/** Ids that exist, in another organization. */
let foreign: Ids;
/** Ids that exist here, in a room that the stranger is not in. */
let hidden: Ids;
/** In the organization with every scope, and in no room. */
let stranger: string;
let otherOrganization: string;
/** An owner's capability for another room: it has their role and every scope. */
let confined: string;
/** Everything that proves something somewhere else, by what it is. */
let substitutes: Readonly<Record<string, string>>;

const ROLES: readonly OrganizationRole[] = ["viewer", "member", "approver", "admin", "owner"];
const THEIR_INVITATION = newId("inv") as InvitationId;
/** Whether a question names anything at all is known before there is anything. */
const ANYTHING = Object.fromEntries(
  [
    "room",
    "th",
    "ses",
    "shr",
    "run",
    "step",
    "tc",
    "art",
    "appr",
    "trm",
    "prv",
    "qst",
    "act",
    "tok",
    "inv",
    "usr",
    "team",
    "event",
    "correlation",
  ].map((prefix) => [prefix, "x"]),
);
const guarded = ROUTES.filter((route) => route.access !== "public" && route.access !== "operator");
const title = (route: Route): string => `${route.method} ${route.path}`;

beforeAll(async () => {
  c = await startComposed(database, { harnesses: { opencode: { harness: scriptedAgent().harness, tools: [] } } });
  for (const role of ROLES) people.set(role, (await c.person(role)).token);
  // Made while it is good, also on a busy machine; tried once it is not.
  const endMs = Date.now() + 5000;
  expired = (await c.person("owner", { expiresAt: new Date(endMs).toISOString() })).token;
  const gone = await c.person("owner");
  await c.call("DELETE", `/v1/tokens/${gone.tokenId}`, { token: gone.token });
  revoked = gone.token;
  scopeless = (await c.person("owner", { scopes: [] as Scope[] })).token;
  stranger = (await c.person("approver")).token;
  const keeper = await c.person("member");
  hidden = await furnish(c, { organizationId: "ws_dev", ...keeper });
  const other = await c.organization();
  otherOrganization = other.id;
  const team = (await c.call("POST", "/v1/teams", { token: other.token, body: { name: "Theirs" } })).body.id;
  await c.server.log.run(
    invitation,
    {
      organizationId: other.id,
      stream: { type: "organization", id: other.id },
      subject: `invitation:${THEIR_INVITATION}`,
      origin: { principal: { id: other.ownerId, type: "user" } },
    },
    { type: "create", id: THEIR_INVITATION, email: "theirs@example.com", role: "member", expiresAt: "2099-01-01T00:00:00.000Z" },
  );
  foreign = {
    ...(await furnish(c, { organizationId: other.id, id: other.ownerId, token: other.token })),
    inv: THEIR_INVITATION,
    usr: other.ownerId,
    team,
  };
  const { token: share } = (await c.call("POST", `/v1/sessions/${hidden["ses"]}/shares`, { token: keeper.token, body: {} })).body;
  const { key } = (await c.call("POST", `/v1/sessions/${hidden["ses"]}/model-keys`, { token: keeper.token, body: {} })).body;
  const { token: sync } = (await c.call("POST", "/v1/sync/token", { token: keeper.token, body: {} })).body;
  const { code } = (await c.call("POST", "/v1/auth/login-codes", { token: keeper.token, body: {} })).body;
  const issue = async (grant: object) =>
    (await c.call("POST", "/v1/capabilities", { token: c.owner, body: { name: "matrix", grant } })).body as { id: string; token: string };
  const elsewhere = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Elsewhere" } })).body.id;
  confined = (await issue({ scopes: SCOPES, rooms: [elsewhere] })).token;
  const ended = await issue({ scopes: SCOPES });
  await c.call("DELETE", `/v1/capabilities/${ended.id}`, { token: c.owner });
  const capability = {
    "a revoked capability": ended.token,
    "a capability that was cut short": confined.slice(0, confined.lastIndexOf("~")),
  };
  substitutes = { ...capability, "a share's token": share, "a sandbox's key": key, "a sync token": sync, "a login code": code };
  for (const [name, secret] of Object.entries(substitutes)) expect(typeof secret, name).toBe("string");
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, endMs + 50 - Date.now())));
}, 120_000);
afterAll(() => c.close());

const asked = (route: Route, token: string | undefined, ids: Ids = {}, headers: Record<string, string> = {}) => {
  const { url, body } = question(route, ids);
  return c.call(route.method, url, {
    ...(token === undefined ? {} : { token }),
    ...(body === undefined ? {} : { body }),
    headers,
  });
};

test("every route of the contract is served, and nothing is served that neither a route nor a door declares", () => {
  const missing = ROUTES.filter((route) => !c.server.http.app.hasRoute({ method: route.method, url: route.path })).map(title);
  expect(missing).toEqual([]);
  const declared = (method: string, url: string): boolean =>
    ROUTES.some((route) => route.path === url && (route.method === method || (route.raw === true && method === "HEAD"))) ||
    DOORS.some(
      ({ path, kind }) =>
        (kind === "socket") === (method === "SOCKET") &&
        (path === url || (path.endsWith("/*") && url.startsWith(path.slice(0, -1)) && path !== "/*")),
    );
  const undeclared = c.server.http.served.filter(({ method, url }) => !declared(method, url));
  // The web app's files are the one thing that is declared as a whole; nothing below /v1 or /api may hide in it.
  expect(undeclared.filter(({ method, url }) => method === "SOCKET" || /^\/(v1|api|internal|llm)\b/.test(url))).toEqual([]);
});

describe.each(ROUTES.filter((route) => route.access === "operator").map((route) => [title(route), route] as const))(
  "%s",
  (_name, route) => {
    test("is there for whoever operates the installation, and for nobody else", async () => {
      const none = await asked(route, undefined);
      expect(none.status).toBe(401);
      for (const token of ["sbt_wrong", expired, revoked, ...Object.values(substitutes)])
        expect(said(await asked(route, token))).toBe(said(none));
      for (const [role, token] of people) expect((await asked(route, token)).status, role).toBe(404);
      for (const token of [scopeless, confined]) expect((await asked(route, token)).status).toBe(404);
    });
  },
);

describe.each(guarded.map((route) => [title(route), route] as const))("%s", (_name, route) => {
  const { role, scopes } =
    route.access === "person" ? { role: "viewer" as const, scopes: [] } : (route.access as Exclude<Route["access"], string>);

  test("does not admit nobody, nor anybody by a wrong, expired or revoked token or by one for something else, and answers them alike", async () => {
    const none = await asked(route, undefined);
    expect(none.status).toBe(401);
    for (const token of ["sbt_wrong", expired, revoked, ...Object.values(substitutes)])
      expect(said(await asked(route, token, hidden))).toBe(said(none));
  });

  test("does not know another organization", async () => {
    const [theirs, nobodys] = [otherOrganization, newId("ws")].map((id) => asked(route, people.get("owner"), {}, { "x-workspace-id": id }));
    expect((await theirs)!.status).toBe(404);
    expect(said((await theirs)!)).toBe(said((await nobodys)!));
  });

  test("does not admit lower roles or narrower tokens", async () => {
    for (const lower of ROLES.slice(0, ROLES.indexOf(role))) expect((await asked(route, people.get(lower))).status, lower).toBe(403);
    for (const scope of scopes) {
      const narrow = await c.person("owner", { scopes: SCOPES.filter((held) => held !== scope) });
      expect((await asked(route, narrow.token)).status, `without ${scope}`).toBe(403);
    }
    if (scopes.length > 0) expect((await asked(route, scopeless)).status).toBe(403);
  });

  // What a PUT names, it makes: no name of another organization's is in its way.
  // An invitation is another organization's by its nature: who it is for decides.
  if (route.method !== "PUT" && route.id !== "invitations.accept" && question(route, { ...ANYTHING }).names > 0) {
    test("answers about another organization's as about what is not there", async () => {
      const nothing = await asked(route, people.get("owner"));
      const answer = await asked(route, people.get("owner"), foreign);
      expect(said(answer)).toBe(said(nothing));
      if (route.params !== undefined) expect(answer.status, JSON.stringify(answer.body)).toBe(404);
    });
    test("is not reached with a capability for another room", async () => {
      const answer = await asked(route, confined, hidden);
      if (answer.status !== 403) expect(said(answer)).toBe(said(await asked(route, confined)));
    });
    if (ROLES.indexOf(role) <= ROLES.indexOf("approver"))
      test("answers about a room that one is not in as about what is not there", async () => {
        expect(said(await asked(route, stranger, hidden))).toBe(said(await asked(route, stranger)));
      });
  }
});

test("the gate, asked as oneself, tells of a session in a room that one is not in as of one that is not there, whether it runs or has ended", async () => {
  const [nobody, member] = [await c.person("member"), await c.person("member")];
  const room = (await c.call("POST", "/v1/rooms", { token: member.token, body: { title: "Theirs" } })).body.id;
  const session = async () =>
    (
      await c.call("POST", "/v1/sessions", {
        token: member.token,
        body: { source: { type: "scratch" }, sandbox: "deferred", room_id: room },
      })
    ).body.id;
  const [runs, ended] = [await session(), await session()];
  await c.call("POST", `/v1/sessions/${ended}/stop`, { token: member.token, body: {} });
  const asks = async (as: { id: string; token: string }, session_id: string) =>
    (
      await c.call("POST", "/v1/policy/evaluate", {
        token: as.token,
        body: { principal: { id: as.id, type: "user" }, action: "git.push", resource: { type: "remote", id: "x" }, session_id },
      })
    ).body.reason_code;
  for (const id of [runs, ended, NOBODYS["ses"]!]) expect(await asks(nobody, id)).toBe("identity_mismatch");
  expect([await asks(member, runs), await asks(member, ended)]).toEqual(["external_write_requires_approval", "session_ended"]);
  const { id: capability } = (
    await c.call("POST", "/v1/capabilities", { token: member.token, body: { name: "c", grant: { scopes: ["read"] } } })
  ).body;
  await c.call("DELETE", `/v1/capabilities/${capability}`, { token: member.token });
  const of = async (token: string) =>
    (
      await c.call("POST", "/v1/policy/evaluate", {
        token,
        body: {
          principal: { id: member.id, type: "user" },
          action: "git.push",
          resource: { type: "remote", id: "x" },
          capability_id: capability,
        },
      })
    ).body.reason_code;
  expect([await of(nobody.token), await of(member.token)]).toEqual(["capability_unknown", "capability_revoked"]);
});
