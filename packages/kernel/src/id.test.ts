import { expect, test } from "vitest";
import { ulid } from "./id.ts";

const FORM = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const timeOf = (id: string): number =>
  Array.from({ length: 10 }, (_, i) => DIGITS.indexOf(id.charAt(i))).reduce((ms, digit) => ms * 32 + digit, 0);

test("ids made one after the other ascend, also within a millisecond and when the clock goes back", () => {
  const now = Date.now();
  const ids = [
    ...Array.from({ length: 5000 }, () => ulid(now)),
    ...Array.from({ length: 10 }, () => ulid(now - 1000)),
    ulid(now + 1),
    ulid(now + 5),
  ];
  expect(ids.every((id) => FORM.test(id))).toBe(true);
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.slice(0, 5000).every((id) => timeOf(id) === now)).toBe(true);
  expect(timeOf(ids.at(-1)!)).toBe(now + 5);
});
