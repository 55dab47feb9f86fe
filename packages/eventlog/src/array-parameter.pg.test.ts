import { databaseTest } from "@signalbox/testkit/database";
import { expect, test } from "vitest";
import { bound, int4Array, int8Array, textArray, uuidArray } from "./array-parameter.ts";

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

const MIXED: readonly (readonly [string, readonly unknown[]])[] = [
  ["text[]", ["a", null, undefined, 7, true, '{,}"\\']],
  ["bigint[]", [1, null, -(2 ** 40), Number.MAX_SAFE_INTEGER]],
  ["bigint[]", ["12", 3]],
  ["int[]", [1, undefined, -2_147_483_648]],
  ["boolean[]", [true, null, false]],
  ["uuid[]", ["01900000-0000-7000-8000-00000000ABCD"]],
  ["uuid[]", ["01900000-0000-7000-8000-00000000abcd", null]],
  ["timestamptz[]", ["2026-11-30T06:16:11.792Z", null, "1969-12-31T23:59:59.999Z", "1999-12-31T23:59:59.001Z"]],
  ["timestamptz[]", ["2026-11-30T06:16:11.792123+01:00", new Date(0)]],
  ["jsonb[]", ['{"a":[1,"ü"]}', null, "[]"]],
  ["jsonb[]", [{ a: 1 }]],
  ["text[]", []],
];

test.each(MIXED)("a projection's %s is read as `pg` itself would have written it: %j", async (type, values) => {
  const read = async (parameter: unknown) =>
    (await db.pool("sb_log").query<{ read: string }>(`select to_jsonb($1::${type})::text as read`, [parameter])).rows;
  expect(await read(bound(`select $1::${type}`, [values])[0])).toEqual(await read(values));
});

test("what a statement does not say the type of, or says twice, stays as it is", () => {
  const list = ["a"];
  expect(bound("select $1::text[], $2, $1", [list, list])).toEqual([list, list]);
  expect(bound("where id = any($1)", [list])).toEqual([list]);
  expect(Buffer.isBuffer(bound("unnest($1::text[]) where $1::text[] is not null", [list])[0])).toBe(true);
});
