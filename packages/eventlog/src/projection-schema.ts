import { Client } from "pg";
import { rebuild, schemaHash, type ProjectionSchema } from "./rebuild.ts";
import type { ConnectionFor } from "./roles.ts";

/**
 * Makes every projection's tables be what its `schema.sql` says today. A new or changed schema is
 * filled from the log before anybody reads it. Returns the names of those that were.
 * Call it after `migrate` and before anything appends.
 */
export async function applyProjectionSchemas(connection: ConnectionFor, schemas: readonly ProjectionSchema[]): Promise<readonly string[]> {
  const client = new Client(connection("admin"));
  await client.connect();
  try {
    await client.query("set role sb_owner");
    const { rows } = await client.query<{ name: string; schema_hash: string }>("select name, schema_hash from evt_projections");
    const known = new Map(rows.map((row) => [row.name, row.schema_hash]));
    const changed = schemas.filter((schema) => known.get(schema.name) !== schemaHash(schema));
    for (const schema of changed) await rebuild(client, schema, { compare: false });
    return changed.map(({ name }) => name);
  } finally {
    await client.end();
  }
}
