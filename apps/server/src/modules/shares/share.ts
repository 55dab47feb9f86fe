/*
 * A link under which one session can be read: whoever has the token may, nothing else.
 *
 *   (none) ── create ──► active ── revoke ──► revoked
 *
 * It also ends at `expires_at`, with its session, and with the session's deletion; those are facts of the moment and
 * change nothing here. Form of the token: `shs_<organization>_<43 characters>`; the organization is in it because
 * nothing can be looked up without knowing whose rows to look at. Only the sha256 of the whole token is stored.
 */
import type { ShareEvent } from "@signalbox/contract/events/shares";
import { sha256 } from "@signalbox/kernel/canonical";
import { accept, refuse, type Decider } from "@signalbox/kernel/decider";
import { newSecret } from "@signalbox/kernel/id";

type Created = Extract<ShareEvent, { type: "share.created" }>["data"];

export type Share = { readonly status: "none" } | { readonly status: "active" | "revoked" };
export type ShareCommand =
  | { readonly type: "create"; readonly data: Created }
  | { readonly type: "revoke"; readonly shareId: Created["share_id"]; readonly by: Created["by"] };
export type ShareRefusal = { readonly code: "share_not_found" };

export const share: Decider<Share, ShareCommand, ShareEvent, ShareRefusal> = {
  initial: { status: "none" },
  decide(state, command) {
    if (command.type === "create") return state.status === "none" ? accept({ type: "share.created", data: command.data }) : accept();
    if (state.status === "none") return refuse({ code: "share_not_found" });
    // Revoking again is having revoked.
    return state.status === "revoked" ? accept() : accept({ type: "share.revoked", data: { share_id: command.shareId, by: command.by } });
  },
  evolve: (_state, event) => ({ status: event.type === "share.revoked" ? "revoked" : "active" }),
};

export const mintToken = (organizationId: string): string => newSecret(`shs_${organizationId.slice("ws_".length)}`);
export const hashToken = (token: string): string => sha256(token);
/** Null: not a token of ours. */
export function organizationOf(token: string): string | null {
  const match = /^shs_([0-9A-Za-z]{1,40})_[0-9A-Za-z_-]{43}$/.exec(token);
  return match === null ? null : `ws_${match[1]}`;
}
