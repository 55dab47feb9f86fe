import { expect, test } from "vitest";
import { createGatherer } from "./blocked.ts";

function gather() {
  let now = 0;
  const told: [host: string, count: number | undefined][] = [];
  const gatherer = createGatherer(
    (request) => told.push([request.data.host, request.data.count]),
    () => now,
    60_000,
  );
  const refuse = (host: string, sessionId = "ses_1") =>
    gatherer.add({
      organizationId: "ws_dev",
      sessionId,
      data: { host, port: 443, method: "CONNECT", reason_code: "egress_host_not_allowed", reason: "" },
    });
  return { told, refuse, gatherer, at: (ms: number) => (now = ms) };
}

test("the first is told at once, the rest of the minute as one count, the next minute anew", () => {
  const { told, refuse, gatherer, at } = gather();
  for (let i = 0; i < 100; i++) refuse("a.test");
  expect(told).toEqual([["a.test", 1]]);
  at(60_000);
  refuse("a.test");
  expect(told).toEqual([
    ["a.test", 1],
    ["a.test", 99],
    ["a.test", 1],
  ]);
  gatherer.stop();
  expect(told).toHaveLength(3);
});

test("a session that asks for host after host is told as `*` after fifty, and no other session with it", () => {
  const { told, refuse, gatherer } = gather();
  for (let i = 0; i < 500; i++) refuse(`h${i}.test`);
  refuse("other.test", "ses_2");
  expect(told).toHaveLength(52);
  expect(told.slice(-2)).toEqual([
    ["*", 1],
    ["other.test", 1],
  ]);
  gatherer.stop();
  expect(told.at(-1)).toEqual(["*", 449]);
});
