import { databaseTest } from "@signalbox/testkit/database";
import { expect, test } from "vitest";
import { int4Array, int8Array, textArray, uuidArray } from "./array-parameter.ts";

const db = databaseTest();

test.each([
  ["text", textArray, [["plain", "", 'with "quotes", {braces}, \\ and NULL', "Zürich, 北京, 🚦\n"], [], ["x".repeat(100_000)]]],
  ["text", textArray, [[null, "a", null]]],
  ["int", int4Array, [[0, 1, -1, 2_147_483_647, -2_147_483_648], []]],
  ["uuid", uuidArray, [["01900000-0000-7000-8000-00000000abcd", "ffffffff-ffff-ffff-ffff-ffffffffffff"], []]],
] as [string, (values: unknown[]) => Buffer, unknown[][]][])(
  "Postgres reads %s arrays as they were written",
  async (type, encode, cases) => {
    for (const values of cases) {
      const { rows } = await db
        .pool("sb_log")
        .query(`select $1::${type}[] as read, cardinality($1::${type}[]) as length`, [encode(values)]);
      expect(rows[0]).toEqual({ read: values, length: values.length });
    }
  },
);

test("Postgres reads bigint arrays as they were written", async () => {
  const values = [0, 1, -1, 2 ** 32 - 1, 2 ** 32, -(2 ** 32) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
  const { rows } = await db.pool("sb_log").query<{ read: string[] }>("select $1::bigint[] as read", [int8Array(values)]);
  expect(rows[0]?.read.map(Number)).toEqual(values);
});
