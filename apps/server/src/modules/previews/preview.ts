/*
 * A preview: (none) ──create──► open ──delete──► closed
 *
 * Its deadline is part of it and checked at every use; that it passed is recorded by `delete` with the reason
 * `expired`, some minutes later.
 */
import type { PreviewEvent } from "@signalbox/contract/events/workbench";
import type { PreviewId, PrincipalId, SessionId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

type Deleted = Extract<PreviewEvent, { type: "preview.deleted" }>["data"];

export type Preview =
  | { readonly status: "none" }
  | { readonly status: "open"; readonly sessionId: SessionId; readonly previewId: PreviewId }
  | { readonly status: "closed" };
export type PreviewCommand =
  | { readonly type: "create"; readonly data: Extract<PreviewEvent, { type: "preview.created" }>["data"] }
  | { readonly type: "delete"; readonly reason: Deleted["reason"]; readonly by?: PrincipalId | undefined };
export type PreviewRefusal = { code: "preview_not_found" };

export const preview: Decider<Preview, PreviewCommand, PreviewEvent, PreviewRefusal> = {
  initial: { status: "none" },
  decide(state, command) {
    switch (command.type) {
      case "create":
        return state.status === "none" ? accept({ type: "preview.created", data: command.data }) : accept<PreviewEvent>();
      case "delete": {
        if (state.status === "none") return refuse({ code: "preview_not_found" as const });
        if (state.status === "closed") return accept<PreviewEvent>();
        const { sessionId: session_id, previewId: preview_id } = state;
        const { reason, by } = command;
        return accept({ type: "preview.deleted", data: { session_id, preview_id, reason, ...(by === undefined ? {} : { by }) } });
      }
      default:
        return unreachable(command);
    }
  },
  evolve(_state, event) {
    if (event.type === "preview.deleted") return { status: "closed" };
    return { status: "open", sessionId: event.data.session_id, previewId: event.data.preview_id };
  },
};
