/*
 * What changed about an account, told once: (told) ──tell──► (told). The change itself is made elsewhere, by whatever
 * proves who somebody is; what is decided here is only that it stands in the log once, however often it is told.
 */
import type { AccountEvent } from "@signalbox/contract/events/accounts";
import { accept, type Decider } from "@signalbox/kernel/decider";

interface Account {
  /** Ids of the changes. */
  readonly told: ReadonlySet<string>;
}
interface AccountCommand {
  readonly type: "tell";
  readonly event: AccountEvent;
}

export const account: Decider<Account, AccountCommand, AccountEvent, never> = {
  initial: { told: new Set() },
  decide: (state, { event }) => (state.told.has(event.data.change_id) ? accept() : accept(event)),
  evolve: (state, event) => ({ told: new Set(state.told).add(event.data.change_id) }),
};
