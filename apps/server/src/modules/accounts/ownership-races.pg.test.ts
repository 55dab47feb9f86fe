/* Accounts end while requests that give or take ownerships go through another process. Many times, on one database. */
import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Answer, Composed } from "../../composed.fixture.ts";
import type { DeletionStep } from "./delete-account.ts";
import { ORIGIN, startTwo, type TwoProcesses } from "./two-processes.fixture.ts";

/** Of the deletion; the first is before it is recorded. */
const MOMENTS: readonly ("asked" | DeletionStep)[] = [
  "asked",
  "owned",
  "logins",
  "tokens",
  "capabilities",
  "memberships",
  "invitations",
  "account",
  "names",
];
const ROUNDS_EACH = 2;
let atDeletion: ((step: DeletionStep) => Promise<void>) | undefined;
const database = databaseTest();
vi.spyOn(process.stderr, "write").mockImplementation(() => true);
let two: TwoProcesses;
let c: Composed;
let other: Composed;

beforeAll(async () => {
  two = await startTwo(database, { atDeletion: (step) => atDeletion?.(step) });
  ({ c, other } = two);
}, 120_000);
afterAll(() => two.close());

interface Person {
  readonly id: string;
  readonly email: string;
  readonly cookie: string;
}
/** With an account and a browser, known to one organization. */
async function person(organizationId: string, role: "viewer" | "member" | "admin" | "owner"): Promise<Person> {
  const id = newId("usr");
  const email = `${id.toLowerCase()}@people.test`;
  await database.rows(
    "insert into auth_users (id, name, email, email_verified, created_at, updated_at) values ($1, $1, $2, true, now(), now())",
    [id, email],
  );
  await c.server.identity.registerPrincipal({ organizationId, id, type: "user", displayName: id, role });
  const { code } = await c.server.identity.issueLoginCode(organizationId, id);
  const answer = await c.call("POST", "/v1/auth/login", { body: { code } });
  return { id, email, cookie: String(answer.headers["set-cookie"]).split(";")[0]! };
}
const asOn =
  (at: Composed, { cookie }: Person, organizationId: string) =>
  (method: string, url: string, body?: object): Promise<Answer> =>
    at.call(method, url, {
      ...(body === undefined ? {} : { body }),
      headers: { origin: ORIGIN, cookie, "x-workspace-id": organizationId },
    });
const remove = ({ email, cookie }: Person): Promise<Answer> =>
  c.call("POST", "/v1/account/delete", { body: { confirm: email }, headers: { origin: ORIGIN, cookie } });
/** `meanwhile` begins as the deletion comes to that moment, which goes on a few milliseconds later; where it does not come there, afterwards. */
async function removeWhile(person: Person, moment: (typeof MOMENTS)[number], meanwhile: () => Promise<unknown>): Promise<void> {
  let begun: Promise<unknown> | undefined;
  atDeletion = async (step) => {
    if (step !== moment || begun !== undefined) return;
    begun = meanwhile();
    await Promise.race([begun, sleep(Math.random() * 30)]);
  };
  if (moment === "asked") {
    begun = meanwhile();
    await sleep(Math.random() * 30);
  }
  const answer = await remove(person);
  atDeletion = undefined;
  await (begun ?? meanwhile());
  expect([202, 409]).toContain(answer.status);
}

/** Open, and nobody who has an account and is let in owns it. */
async function ownerless(organizations: readonly string[]): Promise<string[]> {
  const rows = await database.rows<{ id: string }>(
    `select o.organization_id as id from proj_organizations o
      where o.organization_id = any($1) and o.deleted_at is null and not exists (
        select from proj_principals p join auth_users u on u.id = p.id
         where p.organization_id = o.organization_id and p.role = 'owner'
           and not exists (select from proj_suspensions s where s.kind = 'person' and s.id = p.id))`,
    [organizations],
  );
  return rows.map(({ id }) => id);
}
/** The deletions' second look has been, and found nothing that it could not do. */
const looked = () =>
  expect
    .poll(() => database.rows("select kind, last_error from jobs where kind = 'accounts.delete'"), { timeout: 60_000, interval: 200 })
    .toEqual([]);

async function organizationWith(): Promise<{ readonly id: string; readonly owner: Person }> {
  const id = newId("ws");
  const owner = await person("ws_dev", "viewer");
  await c.server.identity.ensureOrganization({ organizationId: id, name: id, owner: { id: owner.id, displayName: owner.id } });
  c.server.identity.changed(owner.id);
  return { id, owner };
}
async function rounds(round: (moment: (typeof MOMENTS)[number]) => Promise<string | undefined>): Promise<void> {
  const organizations: string[] = [];
  for (const moment of MOMENTS.flatMap((each) => Array.from({ length: ROUNDS_EACH }, () => each))) {
    await database.rows("delete from idn_attempts");
    const id = await round(moment);
    if (id !== undefined) organizations.push(id);
  }
  expect(await ownerless(organizations)).toEqual([]);
  await looked();
  expect(await ownerless(organizations)).toEqual([]);
}

test("whoever founds an organization while their account ends either keeps the account or has founded none", async () => {
  await rounds(async (moment) => {
    const founder = await person("ws_dev", "member");
    const found = asOn(other, founder, "ws_dev");
    await found("GET", "/v1/me");
    let id: string | undefined;
    await removeWhile(founder, moment, async () => {
      id = (await found("POST", "/v1/organizations", { name: "Founded" })).body.id;
    });
    return id;
  });
}, 240_000);

test("an organization that is handed to somebody whose account ends keeps an owner", async () => {
  await rounds(async (moment) => {
    const { id, owner } = await organizationWith();
    const heir = await person(id, "member");
    const by = asOn(other, owner, id);
    await by("GET", "/v1/me");
    const handOver = async (): Promise<void> => {
      await by("POST", "/v1/organization/transfer", { to: heir.id });
      await by("POST", "/v1/organization/leave");
    };
    await removeWhile(heir, moment, handOver);
    return id;
  });
}, 240_000);

test("an owner does not leave behind only somebody who was made one while their account ended", async () => {
  await rounds(async (moment) => {
    const { id, owner } = await organizationWith();
    const heir = await person(id, "member");
    const by = asOn(other, owner, id);
    await by("GET", "/v1/me");
    const raise = async (): Promise<void> => {
      await by("PATCH", `/v1/members/${heir.id}`, { role: "owner" });
      await by("POST", "/v1/organization/leave");
    };
    await removeWhile(heir, moment, raise);
    return id;
  });
}, 240_000);

test("an invitation to own that is accepted while the account ends lets the other owner go only if it counts", async () => {
  const answers = new Set<number>();
  await rounds(async (moment) => {
    const { id, owner } = await organizationWith();
    const guest = await person("ws_dev", "viewer");
    const by = asOn(other, owner, id);
    const invited = await by("POST", "/v1/invitations", { email: guest.email, role: "owner" });
    const accepted = asOn(other, guest, "ws_dev");
    await accepted("GET", "/v1/me");
    const accept = async (): Promise<void> => {
      answers.add((await accepted("POST", `/v1/invites/${invited.body.id}/accept`)).status);
      await by("POST", "/v1/organization/leave");
    };
    await removeWhile(guest, moment, accept);
    return id;
  });
  // In time, or too late; else nothing was raced.
  expect([...answers].filter((status) => status !== 200 && status !== 401)).toEqual([]);
}, 240_000);

test("of owners who leave, are lowered by their provider and delete their accounts at once one stays", async () => {
  await rounds(async (moment) => {
    const { id, owner } = await organizationWith();
    const [second, third] = [await person(id, "owner"), await person(id, "owner")];
    const by = asOn(other, owner, id);
    await by("GET", "/v1/me");
    const lowered = async (): Promise<void> => {
      await other.server.log.unit({ organizationId: id, origin: { principal: { id: third.id, type: "user" } } }, (unit) =>
        other.server.identity.signOn(unit, {
          organizationId: id,
          id: third.id,
          displayName: third.id,
          role: "viewer",
          isMapped: true,
          suspended: new Set(),
        }),
      );
    };
    await removeWhile(second, moment, () => Promise.all([lowered(), by("POST", "/v1/organization/leave")]));
    return id;
  });
}, 240_000);

test("whoever is suspended does not count as the owner who stays, and nothing is handed to them", async () => {
  const { id, owner } = await organizationWith();
  const second = await person(id, "owner");
  const by = asOn(other, owner, id);
  const suspend = (how: "suspend" | "restore") =>
    c.call("POST", `/v1/admin/people/${second.id}/${how}`, { token: c.owner, body: how === "suspend" ? { reason: "looked into" } : {} });
  expect((await suspend("suspend")).status).toBe(200);
  const codes = async (): Promise<unknown[]> => [
    (await by("POST", "/v1/organization/leave")).body.error?.code,
    (await by("PATCH", `/v1/members/${owner.id}`, { role: "admin" })).body.error?.code,
    (await by("POST", "/v1/organization/transfer", { to: second.id })).body.error?.code,
    (await remove(owner)).body.error?.code,
  ];
  expect(await codes()).toEqual(["last_owner", "last_owner", "person_suspended", "last_owner"]);
  expect(await ownerless([id])).toEqual([]);
  expect((await suspend("restore")).status).toBe(200);
  expect((await by("POST", "/v1/organization/leave")).status).toBe(200);
  expect(await ownerless([id])).toEqual([]);
}, 60_000);
