import type { ModelKeyEvent } from "@signalbox/contract/events/ledger";
import { expect, test } from "vitest";
import { hashKey, mintKey, modelKey, organizationOfKey, type ModelKey, type ModelKeyCommand, type ModelKeyRefusal } from "./model-key.ts";

const data = {
  key_id: "vk_01J00000000000000000000001",
  session_id: "ses_01J00000000000000000000001",
  principal_id: "agt_1",
  key_hash: "sha256:x",
  models: [],
  expires_at: "2030-01-01T12:00:00.000Z",
} as unknown as Extract<ModelKeyEvent, { type: "model_key.issued" }>["data"];
const issued: ModelKeyEvent = { type: "model_key.issued", data };
const HISTORY: Record<ModelKey["status"], ModelKeyEvent[]> = {
  none: [],
  active: [issued],
  revoked: [issued, { type: "model_key.revoked", data: { key_id: data.key_id, reason: "done" } }],
};
const COMMAND: Record<ModelKeyCommand["type"], ModelKeyCommand> = {
  issue: { type: "issue", data },
  revoke: { type: "revoke", reason: "done" },
};
const MACHINE: Record<ModelKey["status"], Record<ModelKeyCommand["type"], ModelKey["status"] | ModelKeyRefusal["code"]>> = {
  none: { issue: "active", revoke: "model_key_not_found" },
  active: { issue: "model_key_exists", revoke: "revoked" },
  revoked: { issue: "model_key_exists", revoke: "revoked" },
};

for (const [from, row] of Object.entries(MACHINE) as [ModelKey["status"], (typeof MACHINE)["none"]][]) {
  for (const [type, expected] of Object.entries(row) as [ModelKeyCommand["type"], string][]) {
    test(`${from} + ${type} -> ${expected}`, () => {
      const state = HISTORY[from].reduce(modelKey.evolve, modelKey.initial);
      const decision = modelKey.decide(state, COMMAND[type]);
      expect(decision.ok ? decision.events.reduce(modelKey.evolve, state).status : decision.refusal.code).toBe(expected);
    });
  }
}

test("a key says whose it is, and nothing else of it is stored", () => {
  const key = mintKey("ws_dev");
  expect(organizationOfKey(key)).toBe("ws_dev");
  expect(hashKey(key)).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(mintKey("ws_dev")).not.toBe(key);
});

test.each(["", "sk-abc", "sbx-vk_ws_dev_", `sbx-vk_ws_dev'; drop--_${"a".repeat(43)}`, `sbx-vk_ws_dev_${"a".repeat(44)}`])(
  "%j is no key",
  (key) => {
    expect(organizationOfKey(key)).toBeNull();
  },
);
