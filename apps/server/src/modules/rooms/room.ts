/*
 * A room and who is in it; a thread in a room; a message in a thread.
 *
 *   room:     (none) ──create──► open ⇄ add_member, remove_member
 *   thread:   (none) ──create──► open
 *   message:  (none) ──post──► posted ⇄ edit
 *
 * Each message is a subject of its own: people and agents who write to one thread at once do not
 * contend, and posting never folds a long conversation. What orders them is the room's stream.
 */
import type { RoomEvent, RoomRole } from "@signalbox/contract/events/rooms";
import type { MessageId, PrincipalId, RoomId, SessionId, ThreadId } from "@signalbox/contract/primitives";
import { accept, refuse, unreachable, type Decider } from "@signalbox/kernel/decider";

type Of<T extends RoomEvent["type"]> = Extract<RoomEvent, { type: T }>;

export type Room =
  | { readonly status: "none" }
  | { readonly status: "open"; readonly id: RoomId; readonly members: ReadonlyMap<string, RoomRole> };
export type RoomCommand =
  | {
      readonly type: "create";
      readonly id: RoomId;
      readonly title: string;
      readonly by: PrincipalId;
      readonly sessionId?: SessionId | undefined;
    }
  | { readonly type: "add_member"; readonly principalId: PrincipalId; readonly role: RoomRole }
  | { readonly type: "remove_member"; readonly principalId: PrincipalId };
type RoomOwnEvent = Of<"room.created" | "room.member_added" | "room.member_removed">;
export type RoomRefusal = { code: "room_not_found" } | { code: "member_not_found" };

export const room: Decider<Room, RoomCommand, RoomOwnEvent, RoomRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    switch (state.status) {
      case "none": {
        if (command.type !== "create") return refuse({ code: "room_not_found" });
        const { id, title, by, sessionId } = command;
        return accept<RoomOwnEvent>(
          { type: "room.created", data: { room_id: id, title, ...(sessionId === undefined ? {} : { session_id: sessionId }) } },
          { type: "room.member_added", data: { room_id: id, principal_id: by, role: "owner" } },
        );
      }
      case "open":
        return decideOpen(state, command);
      default:
        return unreachable(state);
    }
  },

  evolve(state, event) {
    // The id is in every event; an erased `room.created` (data gone) still opened the room.
    if (event.type === "room.created") return { status: "open", id: event.data.room_id, members: new Map() };
    if (state.status === "none") throw new Error(`${event.type} before room.created`);
    const members = new Map(state.members);
    if (event.type === "room.member_added") members.set(event.data.principal_id, event.data.role);
    else members.delete(event.data.principal_id);
    return { ...state, members };
  },
};

function decideOpen(state: Extract<Room, { status: "open" }>, command: RoomCommand) {
  switch (command.type) {
    case "create":
      return accept<RoomOwnEvent>();
    case "add_member": {
      const { principalId, role } = command;
      if (state.members.get(principalId) === role) return accept<RoomOwnEvent>();
      return accept<RoomOwnEvent>({ type: "room.member_added", data: { room_id: state.id, principal_id: principalId, role } });
    }
    case "remove_member":
      if (!state.members.has(command.principalId)) return refuse({ code: "member_not_found" as const });
      return accept<RoomOwnEvent>({ type: "room.member_removed", data: { room_id: state.id, principal_id: command.principalId } });
    default:
      return unreachable(command);
  }
}

export type Thread = { readonly status: "none" } | { readonly status: "open" };
export interface ThreadCommand {
  readonly type: "create";
  readonly id: ThreadId;
  readonly roomId: RoomId;
  readonly title?: string | undefined;
}

export const thread: Decider<Thread, ThreadCommand, Of<"thread.created">, never> = {
  initial: { status: "none" },
  decide: (state, { id, roomId, title }) =>
    state.status === "open"
      ? accept()
      : accept({ type: "thread.created", data: { thread_id: id, room_id: roomId, ...(title === undefined ? {} : { title }) } }),
  evolve: () => ({ status: "open" }),
};

export type Message = { readonly status: "none" } | { readonly status: "posted" };
export interface MessageCommand {
  readonly type: "post" | "edit";
  readonly id: MessageId;
  readonly threadId: ThreadId;
  readonly roomId: RoomId;
  readonly contentMd: string;
  /** Who edits. */
  readonly by?: PrincipalId | undefined;
}

export const message: Decider<Message, MessageCommand, Of<"message.created" | "message.edited">, { code: "message_not_found" }> = {
  initial: { status: "none" },
  decide(state, { type, id, threadId, roomId, contentMd, by }) {
    const data = { message_id: id, thread_id: threadId, room_id: roomId, content_md: contentMd };
    if (type === "post") return state.status === "posted" ? accept() : accept({ type: "message.created", data });
    if (state.status === "none" || by === undefined) return refuse({ code: "message_not_found" });
    return accept({ type: "message.edited", data: { ...data, by } });
  },
  evolve: () => ({ status: "posted" }),
};
