/*
 * The requests' way to Postgres: a pool of `sb_app` connections, which see nothing until a
 * transaction names an organization (row-level security).
 *
 * Statements of one transaction are pipelined: `begin`, the organization and the first query
 * travel together. Texts are prepared once per connection.
 */
import type { Tx } from "@signalbox/eventlog/log";
import {
  type DatabaseConnection,
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import { type ClientConfig, escapeLiteral, Pool, type PoolClient } from "pg";
import type { Database } from "./module.ts";

export interface RequestDatabase extends Database {
  /** Outside any organization: sees no rows; for functions that decide by themselves what to tell (identity). */
  readonly anywhere: Tx;
  /** The same for a library that brings its own queries: one statement each, no transaction. */
  readonly kyselyAnywhere: Kysely<unknown>;
  close(): Promise<void>;
}

/** `connection` must log in as `sb_app`. */
export function openDatabase(
  connection: ClientConfig,
  options: { readonly connections: number; readonly onError: (error: unknown) => void },
): RequestDatabase {
  const pool = new Pool({
    ...connection,
    max: options.connections,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 10_000,
    pipeline: true,
  });
  // An idle connection that Postgres drops (restart) is replaced on the next use; unheard it would end the process.
  pool.on("error", options.onError);
  // Nor does the pool listen while a connection is out: lost between two queries of a transaction it would end the process too.
  pool.on("connect", (client) => client.on("error", options.onError));

  return {
    async inOrganization<T, DB>(organizationId: string, work: (db: Kysely<DB>) => Promise<T>): Promise<T> {
      const client = await pool.connect();
      let broken: Error | undefined;
      // Not awaited, so that it shares the first query's round trip. Were it to fail, that query would see no rows.
      const begun = client.query(`begin; select set_config('signalbox.organization_id', ${escapeLiteral(organizationId)}, true)`);
      begun.catch(() => undefined); // reported by the await below
      try {
        const value = await work(new Kysely<DB>({ dialect: dialectOn(client) }));
        await begun;
        await client.query("commit");
        return value;
      } catch (error) {
        try {
          await client.query("rollback");
        } catch (rollbackError) {
          // The connection is gone, and its transaction with it; the pool must not hand it out again.
          broken = rollbackError as Error;
        }
        throw error;
      } finally {
        client.release(broken);
      }
    },
    anywhere: {
      // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the shape of `Tx`: the caller knows its rows
      async query<Row>(text: string, values: readonly unknown[] = []) {
        const result = await pool.query({ ...named(text), values: [...values] });
        return { rows: result.rows as Row[], rowCount: result.rowCount };
      },
    },
    kyselyAnywhere: new Kysely<unknown>({ dialect: dialectOn(pool) }),
    close: () => pool.end(),
  };
}

const names = new Map<string, string>();

/** Kysely's texts are few and repeat for ever; one that does not (a varying list) must not fill the server's memory. */
function named(text: string): { text: string; name?: string } {
  let name = names.get(text);
  if (name === undefined && names.size < 500) names.set(text, (name = `app_${names.size}`));
  return name === undefined ? { text } : { text, name };
}

const adapter = new PostgresAdapter();
const compiler = new PostgresQueryCompiler();

/** A Kysely that lives as long as one transaction on a connection that is ours already. */
function dialectOn(client: Pick<PoolClient, "query"> | Pool): Dialect {
  const connection: DatabaseConnection = {
    async executeQuery<R>(query: { readonly sql: string; readonly parameters: readonly unknown[] }): Promise<QueryResult<R>> {
      const result = await (client as PoolClient).query({ ...named(query.sql), values: [...query.parameters] });
      return { rows: result.rows as R[], numAffectedRows: BigInt(result.rowCount ?? 0) };
    },
    streamQuery() {
      throw new Error("read in pages instead: a request must not hold a connection for as long as its client reads");
    },
  };
  const nested = (): Promise<never> => Promise.reject(new Error("inOrganization already is the transaction"));
  return {
    createAdapter: () => adapter,
    createQueryCompiler: () => compiler,
    createIntrospector: (db) => new PostgresIntrospector(db),
    createDriver: () => ({
      init: () => Promise.resolve(),
      acquireConnection: () => Promise.resolve(connection),
      releaseConnection: () => Promise.resolve(),
      beginTransaction: nested,
      commitTransaction: nested,
      rollbackTransaction: nested,
      destroy: () => Promise.resolve(),
    }),
  };
}
