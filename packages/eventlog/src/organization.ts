import type pg from "pg";
import { escapeLiteral } from "pg";
import type { Tx } from "./log.ts";

/** Gives a query function over one connection, the shape that projections and modules see. */
export const txOf = (client: pg.ClientBase): Tx => ({
  query: async <Row>(text: string, values?: readonly unknown[]) => {
    const result = await client.query(text, values as unknown[] | undefined);
    return { rows: result.rows as Row[], rowCount: result.rowCount };
  },
});

/**
 * The only way a request reaches the database: a transaction that sees one organization's rows.
 * `pool` must connect as `sb_app`; outside such a transaction that role sees nothing.
 */
export async function inOrganization<T>(
  pool: pg.Pool,
  organizationId: string,
  work: (tx: Tx, client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    // One round trip for both; the setting ends with the transaction.
    await client.query(`begin; select set_config('signalbox.organization_id', ${escapeLiteral(organizationId)}, true)`);
    const value = await work(txOf(client), client);
    await client.query("commit");
    return value;
  } catch (error) {
    try {
      await client.query("rollback");
    } catch (rollbackError) {
      // The connection is gone, and the transaction with it; the pool must not hand it out again.
      broken = rollbackError as Error;
    }
    throw error;
  } finally {
    client.release(broken);
  }
}
