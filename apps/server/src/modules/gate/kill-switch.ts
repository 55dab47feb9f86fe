/*
 * The organization's kill switch.
 *
 *   released ── engage ──► engaged ── release ──► released        epoch + 1 with every change
 *
 * Subject `kill_switch:organization` in the organization's stream. The global switch has no
 * subject: the environment forces it, and no API lifts it.
 */
import type { GateEvent } from "@signalbox/contract/events/gate";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { accept, unreachable, type Decider } from "@signalbox/kernel/decider";

export interface KillSwitch {
  readonly isEngaged: boolean;
  readonly epoch: number;
}
export type KillSwitchCommand =
  | { readonly type: "engage"; readonly by: PrincipalId; readonly reason?: string | undefined }
  | { readonly type: "release"; readonly by: PrincipalId };
export type KillSwitchEvent = Extract<GateEvent, { type: "kill_switch.engaged" | "kill_switch.released" }>;

export const KILL_SWITCH_SUBJECT = "kill_switch:organization";

export const killSwitch: Decider<KillSwitch, KillSwitchCommand, KillSwitchEvent, never> = {
  initial: { isEngaged: false, epoch: 0 },

  decide(state, command) {
    const epoch = state.epoch + 1;
    switch (command.type) {
      case "engage":
        if (state.isEngaged) return accept();
        return accept({
          type: "kill_switch.engaged",
          data: { scope: "organization", by: command.by, epoch, ...(command.reason === undefined ? {} : { reason: command.reason }) },
        });
      case "release":
        return state.isEngaged
          ? accept({ type: "kill_switch.released", data: { scope: "organization", by: command.by, epoch } })
          : accept();
      default:
        return unreachable(command);
    }
  },

  evolve(state, event) {
    // Not from the data, which a redaction may have taken: every change is one epoch.
    const epoch = state.epoch + 1;
    switch (event.type) {
      case "kill_switch.engaged":
        return { isEngaged: true, epoch };
      case "kill_switch.released":
        return { isEngaged: false, epoch };
      default:
        return unreachable(event);
    }
  },
};
