/* Every route of the contract, tried as everybody whom it does not admit. */
import { newId } from "@signalbox/kernel/id";
import type { InvitationId, OrganizationRole } from "@signalbox/contract/primitives";
import { ROUTES } from "@signalbox/contract/routes";
import type { Route, Scope } from "@signalbox/contract/route";
import { SCOPES } from "@signalbox/contract/identity";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Composed, startComposed } from "../composed.fixture.ts";
import { invitation } from "../modules/accounts/invitation.ts";
import { sampleOf } from "./sample.fixture.ts";

const database = databaseTest();
let c: Composed;
const people = new Map<OrganizationRole, string>();
let expired: string;
let revoked: string;
let scopeless: string;
/** Ids that exist, in another organization. */
let foreign: Record<string, string>;
let otherOrganization: string;

const ROLES: readonly OrganizationRole[] = ["viewer", "member", "approver", "admin", "owner"];
const THEIR_INVITATION = newId("inv") as InvitationId;
const guarded = ROUTES.filter((route) => route.access !== "public");
const title = (route: Route): string => `${route.method} ${route.path}`;

beforeAll(async () => {
  c = await startComposed(database);
  for (const role of ROLES) people.set(role, (await c.person(role)).token);
  expired = (await c.person("owner", { expiresAt: new Date(Date.now() + 300).toISOString() })).token;
  const gone = await c.person("owner");
  await c.call("DELETE", `/v1/tokens/${gone.tokenId}`, { token: gone.token });
  revoked = gone.token;
  scopeless = (await c.person("owner", { scopes: [] as Scope[] })).token;
  const other = await c.organization();
  otherOrganization = other.id;
  const room = (await c.call("POST", "/v1/rooms", { token: other.token, body: { title: "Elsewhere" } })).body.id;
  const thread = (await c.call("POST", `/v1/rooms/${room}/threads`, { token: other.token, body: {} })).body.id;
  const event = (await c.call("GET", "/v1/events?limit=1", { token: other.token })).body.items[0].event_id;
  const token = (await c.call("GET", "/v1/tokens", { token: other.token })).body.items[0].id;
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
  foreign = { inv: THEIR_INVITATION, room, th: thread, event, tok: token, usr: other.ownerId, team };
  await new Promise((resolve) => setTimeout(resolve, 350));
}, 60_000);
afterAll(() => c.close());

function urlOf(route: Route): string {
  const needed = new URLSearchParams(route.query === undefined ? {} : (sampleOf(route.query) as Record<string, string>)).toString();
  return pathOf(route) + (needed === "" ? "" : `?${needed}`);
}

function pathOf(route: Route): string {
  return route.path.replaceAll(/:([a-z_A-Z]+)/g, (_, name: string) => {
    const schema = route.params!.shape[name]!;
    const sample = String(sampleOf(schema as never));
    return foreign[sample.split("_")[0]!] ?? (route.id.startsWith("events.") ? foreign["event"]! : sample);
  });
}

/** What the route cannot do without. */
function queryOf(route: Route): string {
  const needed = route.query === undefined ? {} : (sampleOf(route.query) as Record<string, unknown>);
  const text = new URLSearchParams(Object.entries(needed).map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}

const asked = (route: Route, token: string | undefined, headers: Record<string, string> = {}) =>
  c.call(route.method, urlOf(route) + queryOf(route), {
    ...(token === undefined ? {} : { token }),
    ...(route.body === undefined ? {} : { body: sampleOf(route.body) }),
    headers,
  });

test("every route of the contract is served", () => {
  const missing = ROUTES.filter((route) => !c.server.http.app.hasRoute({ method: route.method, url: route.path })).map(title);
  expect(missing).toEqual([]);
});

describe.each(guarded.map((route) => [title(route), route] as const))("%s", (_name, route) => {
  const { role, scopes } =
    route.access === "person" ? { role: "viewer" as const, scopes: [] } : (route.access as Exclude<Route["access"], string>);

  test("does not admit nobody, nor anybody by a wrong, expired or revoked token, and answers them alike", async () => {
    const none = await asked(route, undefined);
    expect(none.status).toBe(401);
    const answers = await Promise.all(["sbt_wrong", expired, revoked].map((token) => asked(route, token)));
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect({ ...answer.body.error, request_id: "" }).toEqual({ ...none.body.error, request_id: "" });
    }
  });

  test("does not know another organization", async () => {
    expect((await asked(route, people.get("owner"), { "x-workspace-id": otherOrganization })).status).toBe(404);
    expect((await asked(route, people.get("owner"), { "x-workspace-id": newId("ws") })).status).toBe(404);
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
  if (route.params !== undefined && route.method !== "PUT" && route.id !== "invitations.accept") {
    test("does not find another organization's id", async () => {
      const answer = await asked(route, people.get("owner"));
      expect(answer.status, JSON.stringify(answer.body)).toBe(404);
    });
  }
});
