import { MIGRATIONS, startTestCluster, type TestCluster } from "@signalbox/testkit/cluster";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { add, counter, counterSchema, COUNTER_PROJECTIONS, ORG, target } from "./fixtures.ts";
import { migrate } from "./migrate.ts";
import { inOrganization } from "./organization.ts";
import { createLog } from "./postgres-log.ts";
import { applyProjectionSchemas } from "./projection-schema.ts";
import { connectionsOf } from "./roles.ts";

/* Roles belong to a cluster, so this file has one of its own: a Postgres as somebody else runs it. */
let cluster: TestCluster;
const urlOf = (user: string) => `postgresql://${user}@localhost:5432/theirs?host=${encodeURIComponent(cluster.socketDir)}`;

beforeAll(async () => {
  cluster = await startTestCluster({ template: false });
  const admin = new Client(cluster.connection("admin", "postgres"));
  await admin.connect();
  await admin.query("create role app login createrole bypassrls");
  await admin.query("create role poor login");
  await admin.query("create database theirs owner app");
  await admin.end();
}, 60_000);
afterAll(() => cluster.stop());

test("a user that may not create roles is told which statements somebody else has to run", async () => {
  await expect(migrate(connectionsOf(urlOf("poor")), MIGRATIONS)).rejects.toThrow(/create role sb_log login nosuperuser bypassrls/);
});

test("a user of DATABASE_URL that is no superuser is enough: migrate, append, project, read as a request", async () => {
  const connection = connectionsOf(urlOf("app"));
  expect((await migrate(connection, MIGRATIONS)).applied.length).toBeGreaterThan(1);
  expect((await migrate(connection, MIGRATIONS)).applied).toEqual([]);
  await applyProjectionSchemas(connection, [counterSchema]);
  const log = await createLog({ connection: connection("sb_log"), projections: COUNTER_PROJECTIONS });
  const requests = new Pool(connection("sb_app"));
  try {
    await log.run(counter, target("a"), add(3));
    const { rows } = await inOrganization(requests, ORG, (tx) => tx.query("select total from proj_counters"));
    expect(rows).toEqual([{ total: "3" }]);
    expect((await requests.query("select * from evt_events")).rows).toEqual([]);
    await expect(requests.query("delete from evt_events")).rejects.toThrow("permission denied");
  } finally {
    await requests.end();
    await log.close();
  }
});
