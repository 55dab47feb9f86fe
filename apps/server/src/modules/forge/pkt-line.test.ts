import { expect, test } from "vitest";
import { isPushableRef, parsePushHeader, pktLine, pushHeaderEnd, report } from "./pkt-line.ts";

const command = `${"0".repeat(40)} ${"a".repeat(40)} refs/heads/x\0report-status`;
const push = Buffer.concat([pktLine(command), Buffer.from("0000PACK")]);

test.each(["refs/heads/main", "refs/heads/feature/a-b", "refs/tags/v1.0", "refs/heads/größe"])("%s can be pushed", (ref) => {
  expect(isPushableRef(ref)).toBe(true);
});

test.each([
  "refs/quarantine/x",
  "refs/heads/",
  "refs/heads/a..b",
  "refs/heads/a//b",
  "refs/heads/.a",
  "refs/heads/a.lock",
  "refs/heads/a/",
  "refs/heads/a.",
  "refs/heads/a@{1}",
  "refs/heads/a b",
  "refs/heads/\u001B[2Kmain",
  "refs/heads/a\u0007",
  "refs/heads/\u202Eniam",
  "refs/heads/ma\u200Bin",
  `refs/heads/${"a".repeat(300)}`,
  "refs/heads/a*",
])("%j cannot: git would not take it, or a person would read something else", (ref) => {
  expect(isPushableRef(ref)).toBe(false);
});

test("the end of the commands is found from wherever the last whole line ended", () => {
  let scanned: number | { at: number; needs: number } = { at: 0, needs: 4 };
  let asked = 0;
  for (let size = 1; size <= push.length && typeof scanned !== "number"; size++) {
    if (size < scanned.needs) continue;
    asked++;
    scanned = pushHeaderEnd(push.subarray(0, size), scanned.at);
  }
  expect(scanned).toBe(push.length - 4);
  // Once for the length, once for the line, once for the flush: not once a byte.
  expect(asked).toBe(3);
  expect(parsePushHeader(push.subarray(0, scanned as number))).toMatchObject({ commands: [{ ref: "refs/heads/x" }] });
});

test.each(["0x1fxxxx", "-001", "0001", "fff5", "12 4", "zzzz"])("a length of %j is not git's", (text) => {
  expect(() => pushHeaderEnd(Buffer.from(text), 0)).toThrow("not a pkt-line");
});

test("a report longer than a pkt-line is cut into several, and is whole again when joined", () => {
  const refs = Array.from({ length: 20 }, (_, i) => ({ ref: `refs/heads/${String(i).repeat(4000)}`, ok: false as const, reason: "no" }));
  const sent = report("ok", refs, true);
  let body = Buffer.alloc(0);
  let at = 0;
  for (;;) {
    const size = Number.parseInt(sent.toString("latin1", at, at + 4), 16);
    if (size === 0) break;
    expect(size).toBeLessThanOrEqual(65_520);
    expect(sent[at + 4]).toBe(1);
    body = Buffer.concat([body, sent.subarray(at + 5, at + size)]);
    at += size;
  }
  expect(at + 4).toBe(sent.length);
  expect(body).toEqual(report("ok", refs, false));
});
