import { expect, test } from "vitest";
import { addressProblem, pinnedLookup } from "./address.ts";

test.each([
  "http://example.com/hook",
  "https://127.0.0.1/",
  "https://[::1]/",
  "https://[::ffff:10.0.0.1]/",
  "https://169.254.169.254/latest/meta-data",
  "https://2130706433/",
  "https://localhost/",
  "https://db.internal/",
  "https://intranet/",
  "https://user:password@example.com/",
])("%s is no place for events", (url) => {
  expect(addressProblem(url, { allowPrivate: false })).not.toBeNull();
});

test("a public https address is, and an operator may allow others", () => {
  expect(addressProblem("https://example.com/hook", { allowPrivate: false })).toBeNull();
  expect(addressProblem("http://127.0.0.1:9/", { allowPrivate: true })).toBeNull();
});

test("a name that leads inside is found when it is resolved", async () => {
  const looked = (allowPrivate: boolean) =>
    new Promise((resolve) => pinnedLookup({ allowPrivate })("localhost", {}, (error, address) => resolve(error?.code ?? address)));
  expect(await looked(false)).toBe("ENOTPUBLIC");
  expect(await looked(true)).toMatch(/^127\.|^::1$/);
});
