import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startComposed, type Composed } from "../../composed.fixture.ts";
import { LOCAL } from "../../local.ts";

const db = databaseTest();
let app: Composed;
let roomId: string;
beforeAll(async () => {
  app = await startComposed(db, { flags: ["--no-open"] });
  roomId = (await app.call("POST", "/v1/rooms", { token: app.owner, body: { title: "Here" } })).body.id;
}, 60_000);
afterAll(() => app.close());

/** Five comparisons of everything, at low priority: on a busy machine they take their time. */
const PATIENT = { timeout: 300_000 };

/** Runs the check as the schedule does: a job, by whichever process takes it. */
async function nightly(): Promise<void> {
  await app.server.jobs.enqueue([{ kind: "schedule.audit.drift", organizationId: LOCAL.organizationId, payload: {}, key: "audit.drift" }]);
  await expect
    .poll(() => db.rows("select state, last_error from jobs where kind = 'schedule.audit.drift'"), { timeout: 120_000, interval: 50 })
    .toEqual([]);
}
const said = async () =>
  (
    await db.rows<{ type: string; data: string }>(
      `select e.type, p.data from evt_events e join evt_payloads p using (position) where e.type like 'projection.%' order by position`,
    )
  ).map(({ type, data }) => ({ type, ...(JSON.parse(data) as object) }));
const needs = async (token: string) =>
  (await app.call("GET", "/v1/attention?kind=projection_drifted", { token })).body.items as { title: string; detail: string }[];
const health = async () =>
  ((await app.call("GET", "/v1/health")).body.parts as { name: string; ok: boolean; detail: string | null }[]).find(
    ({ name }) => name === "audit",
  );

test(
  "a row that was changed past the log is found, said once, shown to who can mend it, and no longer once it is mended",
  PATIENT,
  async () => {
    await nightly();
    expect(await said(), "nothing differs, nothing is said").toEqual([]);

    await db.rows("update proj_rooms set title = 'Somebody was here, Jane Doe' where id = $1", [roomId]);
    await nightly();
    const drifted = {
      type: "projection.drifted",
      projection: "rooms",
      table: "proj_rooms",
      only_live: 1,
      only_rebuilt: 1,
      keys: [roomId],
    };
    expect(await said()).toEqual([drifted]);
    expect(JSON.stringify(await said())).not.toContain("Jane");

    const [need] = await needs(app.owner);
    expect(need).toMatchObject({
      title: "What is shown differs from the log",
      detail: expect.stringContaining("signalbox log rebuild --projection rooms"),
    });
    const viewer = await app.person("viewer");
    expect(await needs(viewer.token)).toEqual([]);
    expect(await health()).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/^proj_rooms differs from the log since 20.*log rebuild$/),
    });

    await nightly();
    expect(await said(), "the second night says nothing new").toEqual([drifted]);

    const { body } = await app.call("POST", "/v1/audit/rebuild", { token: app.owner, body: { projection: "rooms" } });
    expect(body).toMatchObject({ drifted: true, projections: [{ projection: "rooms", swapped: true }] });
    expect(await said()).toEqual([drifted, { type: "projection.repaired", projection: "rooms", table: "proj_rooms" }]);
    expect(await needs(app.owner)).toEqual([]);
    expect(await health()).toMatchObject({ ok: true, detail: null });
    expect((await app.call("GET", `/v1/rooms/${roomId}`, { token: app.owner })).body.title).toBe("Here");

    await db.rows("delete from proj_rooms where id = $1", [roomId]);
    await nightly();
    expect((await said()).length, "the next time it is said again").toBe(3);
    await app.call("POST", "/v1/audit/rebuild", { token: app.owner, body: {} });
    expect((await said()).at(-1)).toMatchObject({ type: "projection.repaired" });
  },
);

test("drift in one organization is said to that one only", PATIENT, async () => {
  const other = await app.organization();
  await db.rows("update proj_principals set display_name = 'Changed' where organization_id = $1", [other.id]);
  await nightly();
  const rows = await db.rows<{ organization_id: string }>(
    "select organization_id from evt_events where type = 'projection.drifted' order by position desc limit 1",
  );
  expect(rows).toEqual([{ organization_id: other.id }]);
  await app.call("POST", "/v1/audit/rebuild", { token: app.owner, body: {} });
});
