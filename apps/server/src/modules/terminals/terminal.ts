/*
 * A terminal: (none) ──open──► open ──close──► closed
 *
 * What is typed and shown in it is not recorded; who opened it, and how it ended, is.
 */
import type { TerminalEvent } from "@signalbox/contract/events/workbench";
import type { SessionId, TerminalId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

type Of<T extends TerminalEvent["type"]> = Extract<TerminalEvent, { type: T }>["data"];

export type TerminalState =
  | { readonly status: "none" }
  | { readonly status: "open"; readonly sessionId: SessionId; readonly terminalId: TerminalId }
  | { readonly status: "closed" };
export type TerminalCommand =
  | { readonly type: "open"; readonly data: Of<"terminal.opened"> }
  | ({ readonly type: "close" } & Pick<Of<"terminal.closed">, "reason" | "exit_code" | "signal" | "by">);
export type TerminalRefusal = { code: "terminal_not_found" };

export const terminal: Decider<TerminalState, TerminalCommand, TerminalEvent, TerminalRefusal> = {
  initial: { status: "none" },
  decide(state, command) {
    switch (command.type) {
      case "open":
        return state.status === "none" ? accept({ type: "terminal.opened", data: command.data }) : accept<TerminalEvent>();
      case "close": {
        if (state.status === "none") return refuse({ code: "terminal_not_found" as const });
        if (state.status === "closed") return accept<TerminalEvent>();
        const { type: _, by, ...how } = command;
        const ids = { session_id: state.sessionId, terminal_id: state.terminalId };
        return accept({ type: "terminal.closed", data: { ...ids, ...how, ...(by === undefined ? {} : { by }) } });
      }
      default:
        return unreachable(command);
    }
  },
  evolve(_state, event) {
    if (event.type === "terminal.closed") return { status: "closed" };
    return { status: "open", sessionId: event.data.session_id, terminalId: event.data.terminal_id };
  },
};
