/* Statements by name: parsed and planned once for each connection. */
import type pg from "pg";
import { bound } from "./array-parameter.ts";
import { CLAIM, INSERT, type Chained } from "./batch.ts";
import type { Tx } from "./log.ts";

export const claimOf = ({ claim }: Chained): pg.QueryConfig => ({ name: "evt_claim", text: CLAIM, values: [...claim] });
/** None when the batch only enqueues jobs. */
export const insertOf = ({ recorded, insert }: Chained): pg.QueryConfig[] =>
  recorded.length === 0 ? [] : [{ name: "evt_insert", text: INSERT, values: [...insert] }];

const statementNames = new Map<string, string>();

/** Projections run the same few texts for ever: they are parsed once per connection. */
export function named(text: string, values: readonly unknown[]): pg.QueryConfig {
  let name = statementNames.get(text);
  // Texts that are put together anew each time would fill the server's memory with plans.
  if (name === undefined && statementNames.size < 500) statementNames.set(text, (name = `project_${statementNames.size}`));
  return { text, values: [...bound(text, values)], ...(name === undefined ? {} : { name }) };
}

export function namedTx(client: pg.Client): Tx {
  return {
    async query<Row>(text: string, values: readonly unknown[] = []) {
      const result = await client.query(named(text, values));
      return { rows: result.rows as Row[], rowCount: result.rowCount };
    },
  };
}
