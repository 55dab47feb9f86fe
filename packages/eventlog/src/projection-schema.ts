import { Client } from "pg";
import type { Hydrate } from "./archived.ts";
import { alone, dropShadows, rebuildAll, schemaHash, type ProjectionSchema } from "./rebuild.ts";
import type { ConnectionFor } from "./roles.ts";

/**
 * Makes every projection's tables be what its `schema.sql` says today. A new or changed schema is
 * filled from the log before anybody reads it. Returns the names of those that were.
 * Call it after `migrate` and before anything appends.
 */
export async function applyProjectionSchemas(
  connection: ConnectionFor,
  schemas: readonly ProjectionSchema[],
  hydrate?: Hydrate,
): Promise<readonly string[]> {
  const client = new Client(connection("admin"));
  await client.connect();
  try {
    await client.query("set role sb_owner");
    await dropShadows(client);
    const changedNow = async () => {
      const { rows } = await client.query<{ name: string; schema_hash: string }>("select name, schema_hash from evt_projections");
      const known = new Map(rows.map((row) => [row.name, row.schema_hash]));
      return schemas.filter((schema) => known.get(schema.name) !== schemaHash(schema));
    };
    if ((await changedNow()).length === 0) return [];
    // A server that starts beside us may be about it already: then there is nothing left to do.
    return await alone(
      client,
      async () => {
        const changed = await changedNow();
        await rebuildAll(client, changed, { compare: false, hydrate });
        return changed.map(({ name }) => name);
      },
      { wait: true },
    );
  } finally {
    await client.end();
  }
}
