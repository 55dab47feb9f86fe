/*
 * A place that events are published to. It says where to and what; how far it is are rows (`sink_cursors`).
 *
 *   (none) ── create ──► active ── pause ──► paused ── resume ──► active
 *                          └───────── delete ─┴──► deleted
 *
 * It pauses by itself after too many failures in a row. A replay says in the log who had what sent again.
 */
import type { SinkEvent } from "@signalbox/contract/events/sinks";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

type Of<T extends SinkEvent["type"]> = Extract<SinkEvent, { type: T }>["data"];

export type Sink = { readonly status: "none" | "active" | "paused" | "deleted" };
export type SinkCommand =
  | { readonly type: "create"; readonly data: Of<"sink.created"> }
  | { readonly type: "change"; readonly data: Of<"sink.changed"> }
  | { readonly type: "pause"; readonly data: Of<"sink.paused"> }
  | { readonly type: "resume"; readonly data: Of<"sink.resumed"> }
  | { readonly type: "replay"; readonly data: Of<"sink.replayed"> }
  | { readonly type: "delete"; readonly data: Of<"sink.deleted"> };
export type SinkRefusal = { readonly code: "sink_not_found" };

export const sink: Decider<Sink, SinkCommand, SinkEvent, SinkRefusal> = {
  initial: { status: "none" },
  decide(state, command) {
    if (command.type === "create")
      return state.status === "none" ? accept<SinkEvent>({ type: "sink.created", data: command.data }) : accept();
    if (state.status === "none" || state.status === "deleted") return refuse({ code: "sink_not_found" });
    switch (command.type) {
      case "change":
        return accept<SinkEvent>({ type: "sink.changed", data: command.data });
      case "pause":
        return state.status === "paused" ? accept() : accept<SinkEvent>({ type: "sink.paused", data: command.data });
      case "resume":
        return state.status === "active" ? accept() : accept<SinkEvent>({ type: "sink.resumed", data: command.data });
      case "replay":
        return accept<SinkEvent>({ type: "sink.replayed", data: command.data });
      case "delete":
        return accept<SinkEvent>({ type: "sink.deleted", data: command.data });
      default:
        return unreachable(command);
    }
  },
  evolve(state, event) {
    switch (event.type) {
      case "sink.created":
      case "sink.resumed":
        return { status: "active" };
      case "sink.paused":
        return { status: "paused" };
      case "sink.deleted":
        return { status: "deleted" };
      case "sink.changed":
      case "sink.replayed":
        return state;
      default:
        return unreachable(event);
    }
  },
};
