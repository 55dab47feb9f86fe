/*
 * A virtual key: what a session's agent shows to the model proxy instead of a provider's key.
 *
 *   (none) ── issue ──► active ── revoke ──► revoked
 *
 * It also stops working at `expires_at` and for as long as its session has ended; those two are
 * facts of the moment and change nothing here. Form: `sbx-vk_<organization>_<43 characters>`. The
 * organization is in it because nothing can be looked up without knowing whose rows to look at.
 * Only the sha256 of the whole key is stored.
 */
import type { ModelKeyEvent } from "@signalbox/contract/events/ledger";
import { sha256 } from "@signalbox/kernel/canonical";
import { accept, type Decider, refuse, unreachable } from "@signalbox/kernel/decider";
import { newSecret } from "@signalbox/kernel/id";

type Issued = Extract<ModelKeyEvent, { type: "model_key.issued" }>["data"];

export type ModelKey = { readonly status: "none" } | { readonly status: "active" | "revoked"; readonly keyId: Issued["key_id"] };
export type ModelKeyCommand = { readonly type: "issue"; readonly data: Issued } | { readonly type: "revoke"; readonly reason: string };
export type ModelKeyRefusal = { readonly code: "model_key_not_found" } | { readonly code: "model_key_exists" };

export const modelKey: Decider<ModelKey, ModelKeyCommand, ModelKeyEvent, ModelKeyRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (command.type) {
      case "issue":
        return state.status === "none"
          ? accept<ModelKeyEvent>({ type: "model_key.issued", data: command.data })
          : refuse({ code: "model_key_exists" });
      case "revoke":
        if (state.status === "none") return refuse({ code: "model_key_not_found" });
        if (state.status === "revoked") return accept();
        return accept<ModelKeyEvent>({ type: "model_key.revoked", data: { key_id: state.keyId, reason: command.reason } });
      default:
        return unreachable(command);
    }
  },

  evolve(_state, event) {
    switch (event.type) {
      case "model_key.issued":
        return { status: "active", keyId: event.data.key_id };
      case "model_key.revoked":
        return { status: "revoked", keyId: event.data.key_id };
      default:
        return unreachable(event);
    }
  },
};

export const mintKey = (organizationId: string): string => newSecret(`sbx-vk_${organizationId}`);
export const hashKey = (key: string): string => sha256(key);

/** The organization that a key claims to be of; null for what is not a virtual key at all. */
export function organizationOfKey(key: string): string | null {
  return /^sbx-vk_(ws_[0-9A-Za-z]{1,40})_[0-9A-Za-z_-]{43}$/.exec(key)?.[1] ?? null;
}
