/*
 * What is told of a quota: that it was nearly used up, and that something was refused for it, each once a day.
 *
 *   (nothing) ──warn, exceed──► told today ──warn, exceed of the next day──► told then
 */
import type { QuotaEvent } from "@signalbox/contract/events/quotas";
import { accept, unreachable, type Decider } from "@signalbox/kernel/decider";

type Reached = Extract<QuotaEvent, { type: "quota.warned" }>["data"];
export interface Quota {
  readonly warnedOn: string | null;
  readonly exceededOn: string | null;
}
export type QuotaCommand =
  | { readonly type: "warn" | "exceed"; readonly data: Reached }
  | { readonly type: "change"; readonly data: Extract<QuotaEvent, { type: "quota.changed" }>["data"] };

export const quota: Decider<Quota, QuotaCommand, QuotaEvent, never> = {
  initial: { warnedOn: null, exceededOn: null },
  decide(state, command) {
    switch (command.type) {
      case "warn":
        return state.warnedOn === command.data.day ? accept() : accept<QuotaEvent>({ type: "quota.warned", data: command.data });
      case "exceed":
        return state.exceededOn === command.data.day ? accept() : accept<QuotaEvent>({ type: "quota.exceeded", data: command.data });
      case "change":
        return accept<QuotaEvent>({ type: "quota.changed", data: command.data });
      default:
        return unreachable(command);
    }
  },
  evolve(state, event) {
    switch (event.type) {
      case "quota.warned":
        return { ...state, warnedOn: event.data.day };
      case "quota.exceeded":
        return { ...state, exceededOn: event.data.day };
      case "quota.changed":
        // Another limit may be neared anew on the same day.
        return { warnedOn: null, exceededOn: null };
      default:
        return unreachable(event);
    }
  },
};
