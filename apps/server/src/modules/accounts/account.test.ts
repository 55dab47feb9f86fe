import type { AccountEvent } from "@signalbox/contract/events/accounts";
import { expect, test } from "vitest";
import { account } from "./account.ts";

const of = (change_id: string): AccountEvent => ({
  type: "account.email_proven",
  data: { principal_id: "usr_01J00000000000000000000000" as never, change_id },
});

test("a change is told once, another one of the same kind beside it", () => {
  const first = of("01890000-0000-4000-8000-000000000001");
  expect(account.decide(account.initial, { type: "tell", event: first })).toMatchObject({ ok: true, events: [first] });
  const state = account.evolve(account.initial, first);
  expect(account.decide(state, { type: "tell", event: first })).toMatchObject({ ok: true, events: [] });
  expect(account.decide(state, { type: "tell", event: of("01890000-0000-4000-8000-000000000002") })).toMatchObject({
    events: [expect.anything()],
  });
});
