import { SessionStatus } from "@signalbox/contract/sessions";
import { expect, test } from "vitest";
import { GROUPS, groupsOf, isNarrowed, queryOf, sortOf } from "./filters.ts";

test("every status is in exactly one group", () => {
  const grouped = Object.values(GROUPS).flatMap(({ statuses }): readonly string[] => statuses);
  expect(grouped.toSorted()).toEqual([...SessionStatus.options].toSorted());
});

test("an address becomes a question to the server, and what it cannot mean is left out", () => {
  expect(queryOf({}, "usr_a")).toEqual({ archived: "false", sort: "created_at" });
  expect(
    queryOf({ status: "waiting,failed,nonsense", by: "me", outcome: "lost", sort: "cost", archived: true, q: "oak" }, "usr_a"),
  ).toEqual({
    archived: "true",
    sort: "cost",
    status: "waiting,failed",
    created_by: "usr_a",
    q: "oak",
  });
  expect(queryOf({ by: "me" }, undefined)).not.toHaveProperty("created_by");
  expect(queryOf({ by: "'; drop" }, "usr_a")).not.toHaveProperty("created_by");
  expect(groupsOf("working")).toEqual(["working"]);
  expect(sortOf("nonsense")).toBe("created_at");
});

test("a list that is only sorted is not narrowed", () => {
  expect(isNarrowed({ sort: "cost" })).toBe(false);
  expect(isNarrowed({ by: "me" })).toBe(true);
});
