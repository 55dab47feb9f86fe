/*
 * Real Postgres for tests. This is the one file of the packages that knows the server's driver:
 * tests run on exactly the Postgres that `signalbox up` runs on.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { migrate } from "@signalbox/eventlog/migrate";
import { applyProjectionSchemas } from "@signalbox/eventlog/projection-schema";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../../../apps/server/src/postgres/embedded.ts";
import { MIGRATION_SETS, moduleSchemas } from "../../../apps/server/src/postgres/schema.ts";

/** What the template was migrated with. */
export const MIGRATIONS = MIGRATION_SETS;

/** For tests of faults that need to place or break the cluster themselves. */
export const startEmbedded = startEmbeddedPostgres;

export const TEMPLATE = "signalbox_template";

export interface TestCluster extends EmbeddedPostgres {
  readonly dataDir: string;
}

/** A cluster of one's own, in a fresh directory that `stop` removes. `durable` for tests that crash it. */
export async function startTestCluster(options: { durable?: boolean; template?: boolean } = {}): Promise<TestCluster> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-test-"));
  try {
    const cluster = await startEmbeddedPostgres({ dataDir, database: TEMPLATE, durable: options.durable ?? false, maxConnections: 300 });
    if (options.template !== false) {
      await migrate(cluster.connection, MIGRATION_SETS);
      await applyProjectionSchemas(
        cluster.connection,
        moduleSchemas().map((schema) => ({ ...schema, projections: [] })),
      );
    }
    return {
      ...cluster,
      dataDir,
      async stop() {
        await cluster.pause("immediate");
        await cluster.stop();
        rmSync(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
}
