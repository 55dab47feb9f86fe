import type { Tx } from "@signalbox/eventlog/log";

/** How many rows of a table `work` has scanned or looked up. `tx` and `work` use one pool, one after the other, and so one connection. */
export async function rowsRead(tx: Pick<Tx, "query">, table: string, work: () => Promise<unknown>): Promise<number> {
  async function soFar(): Promise<number> {
    // A connection tells what it has counted once a second, or after this.
    await tx.query("select pg_stat_force_next_flush()");
    const { rows } = await tx.query<{ n: string }>(
      "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as n from pg_stat_all_tables where relid = to_regclass($1)",
      [table],
    );
    return Number(rows[0]!.n);
  }
  const before = await soFar();
  await work();
  return (await soFar()) - before;
}
