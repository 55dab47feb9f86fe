import { expect, test } from "vitest";
import { collect } from "./ahead.ts";

test("what is asked for is collected in its order, however it is awaited", async () => {
  const asked = await collect(async (tx) => {
    await tx.query("a", [1]);
    await Promise.all([tx.query("b"), tx.query("c", ["x"])]);
    await tx.query("d");
  });
  expect(asked).toEqual([
    { text: "a", values: [1] },
    { text: "b", values: [] },
    { text: "c", values: ["x"] },
    { text: "d", values: [] },
  ]);
});

test.each(["rows", "rowCount"] as const)("who looks at the %s of an answer cannot be run ahead", async (what) => {
  expect(
    await collect(async (tx) => {
      const answer = await tx.query("a");
      if (answer[what] === null) return;
      await tx.query("b");
    }),
  ).toBeNull();
});

test("who looks and swallows what comes of it cannot either", async () => {
  expect(
    await collect(async (tx) => {
      try {
        if ((await tx.query("a")).rows.length > 0) return;
      } catch {
        await tx.query("b"); // the point of this test: the failure is hidden
      }
    }),
  ).toBeNull();
});

test("a projection that fails by itself fails", async () => {
  await expect(collect(() => Promise.reject(new Error("its own")))).rejects.toThrow("its own");
});
