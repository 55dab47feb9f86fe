import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { createLog, type LogOptions, type PostgresLog } from "@signalbox/eventlog/postgres-log";
import type { Tx } from "@signalbox/eventlog/log";
import { inOrganization, txOf } from "@signalbox/eventlog/organization";
import type { ConnectionFor, DatabaseRole } from "@signalbox/eventlog/roles";
import type pg from "pg";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, expect, inject } from "vitest";
// Only for what it adds to the types of vitest.
// oxlint-disable-next-line import/no-empty-named-blocks, unicorn/require-module-specifiers
import type {} from "./global-setup.ts";
import { dumpDatabase } from "./dump.ts";
import { startTestCluster, TEMPLATE, type TestCluster } from "./cluster.ts";

export interface TestDatabase {
  readonly connection: ConnectionFor;
  /** Connected as `role`; closed with the file. */
  pool(role: DatabaseRole): pg.Pool;
  /** As `sb_owner`, which row-level security does not bind. */
  rows<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** As `sb_log`, the role that projections and workers run as. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** As `sb_app`, inside one organization, as requests run. */
  inOrganization<T>(organizationId: string, work: (tx: Tx, client: pg.PoolClient) => Promise<T>): Promise<T>;
  /** A log on this database; closed with the file. */
  log(options?: Omit<LogOptions, "connection">): Promise<PostgresLog>;
}

/** A database of the test file's own, cloned from the migrated template. Call it at the top of the file. */
export function databaseTest(): TestDatabase {
  const name = `t_${randomBytes(6).toString("hex")}`;
  const pools = new Map<DatabaseRole, pg.Pool>();
  const logs: PostgresLog[] = [];
  let own: TestCluster | undefined;
  let socketDir = inject("signalboxSocketDir") as string | undefined;

  const connection: ConnectionFor = (role, database = name) => {
    if (socketDir === undefined) throw new Error("the test database is ready from beforeAll on");
    return { host: socketDir, port: 5432, user: role === "admin" ? "postgres" : role, database };
  };
  const pool = (role: DatabaseRole): pg.Pool => {
    let found = pools.get(role);
    if (found === undefined) {
      found = new Pool({ ...connection(role), max: 10 });
      // A test that stops Postgres breaks idle connections; the pool replaces them.
      found.on("error", () => undefined);
      pools.set(role, found);
    }
    return found;
  };

  beforeAll(async () => {
    if (socketDir === undefined) {
      // Run without the global set-up: a cluster for this file alone.
      own = await startTestCluster();
      socketDir = own.socketDir;
    }
    // Copied as files: written through the log, as Postgres does unless told, costs ten times as much (540 ms of processor, not 60).
    await asAdmin(connection("admin", "postgres"), `create database ${name} template ${TEMPLATE} strategy file_copy owner sb_owner`);
  }, 60_000);

  afterAll(async () => {
    for (const log of logs) await log.close();
    for (const open of pools.values()) await open.end();
    await keepDump(connection("admin"), name);
    if (own !== undefined) await own.stop();
    else await asAdmin(connection("admin", "postgres"), `drop database if exists ${name} with (force)`);
  }, 60_000);

  return {
    connection,
    pool,
    rows: async <Row extends object>(text: string, values?: unknown[]) => (await pool("sb_owner").query<Row>(text, values)).rows,
    async transaction(work) {
      const client = await pool("sb_log").connect();
      try {
        await client.query("begin");
        const value = await work(txOf(client));
        await client.query("commit");
        return value;
      } catch (error) {
        await client.query("rollback");
        throw error;
      } finally {
        client.release();
      }
    },
    inOrganization: (organizationId, work) => inOrganization(pool("sb_app"), organizationId, work),
    async log(options = {}) {
      const log = await createLog({ ...options, connection: connection("sb_log") });
      logs.push(log);
      return log;
    },
  };
}

const nameOf = (testPath: string): string => path.basename(testPath).replace(/(\.\w+)?\.test\.ts$/, "");

/** What a test went through can be a recorded history (tools/record-histories.ts): the run is asked for it by a directory. */
async function keepDump(config: pg.ClientConfig, name: string): Promise<void> {
  // oxlint-disable-next-line node/no-process-env -- a test run has no other configuration
  const directory = process.env["SIGNALBOX_DUMP_DATABASES"];
  if (directory === undefined) return;
  const client = new Client(config);
  await client.connect();
  try {
    await writeFile(path.join(directory, `${nameOf(expect.getState().testPath ?? name)}.json`), JSON.stringify(await dumpDatabase(client)));
  } finally {
    await client.end();
  }
}

async function asAdmin(config: pg.ClientConfig, text: string): Promise<void> {
  const client = new Client(config);
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
