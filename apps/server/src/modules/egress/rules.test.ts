import { expect, test } from "vitest";
import { createQuota } from "./quota.ts";
import { covers, egressRules, type RuleCommand } from "./rules.ts";

test.each([
  ["example.com", "example.com", true],
  ["example.com", "a.example.com", false],
  ["example.com", "example.com.evil.test", false],
  ["*.example.com", "example.com", true],
  ["*.example.com", "a.b.example.com", true],
  ["*.example.com", "badexample.com", false],
])("%s covers %s: %s", (pattern, host, expected) => expect(covers(pattern, host)).toBe(expected));

test("adding twice or removing what is not there changes nothing", () => {
  const command = (type: "add" | "remove"): RuleCommand => ({
    type,
    data: { host: "a.test", by: "usr_owner" as RuleCommand["data"]["by"] },
  });
  const added = egressRules.decide(egressRules.initial, command("add"));
  const state = added.ok ? added.events.reduce(egressRules.evolve, egressRules.initial) : egressRules.initial;
  expect(added.events).toHaveLength(1);
  expect(egressRules.decide(state, command("add")).events).toEqual([]);
  expect(egressRules.decide(state, command("remove")).events).toHaveLength(1);
  expect(egressRules.decide(egressRules.initial, command("remove")).events).toEqual([]);
});

test("a quota fills evenly and is each sandbox's own", () => {
  let now = 0;
  const quota = createQuota(60, () => now);
  const taken = (n: number, id: string) => Array.from({ length: n }, () => quota.take(id)).filter(Boolean).length;
  expect([taken(100, "a"), taken(10, "b")]).toEqual([60, 10]);
  now = 5_000;
  expect(taken(100, "a")).toBe(5);
});
