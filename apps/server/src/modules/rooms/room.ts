/*
 * A room and who is in it; a thread in a room; a message in a thread.
 *
 *   room:     (none) ──create──► open ⇄ add_member, remove_member, rename, archive, unarchive
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
  | {
      readonly status: "open";
      readonly id: RoomId;
      readonly title: string | null;
      readonly isArchived: boolean;
      readonly members: ReadonlyMap<string, RoomRole>;
    };
export type RoomCommand =
  | {
      readonly type: "create";
      readonly id: RoomId;
      readonly title: string;
      readonly by: PrincipalId;
      readonly sessionId?: SessionId | undefined;
    }
  | { readonly type: "add_member"; readonly principalId: PrincipalId; readonly role: RoomRole }
  | { readonly type: "remove_member"; readonly principalId: PrincipalId }
  | { readonly type: "rename"; readonly title: string; readonly by: PrincipalId }
  | { readonly type: "archive"; readonly by: PrincipalId }
  | { readonly type: "unarchive"; readonly by: PrincipalId };
type RoomOwnEvent = Of<`room.${"created" | "member_added" | "member_removed" | "renamed" | "archived" | "unarchived"}`>;
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
    if (event.type === "room.created") {
      const { room_id: id, title } = event.data;
      return { status: "open", id, title: title ?? null, isArchived: false, members: new Map() };
    }
    if (state.status === "none") throw new Error(`${event.type} before room.created`);
    const members = new Map(state.members);
    switch (event.type) {
      case "room.member_added":
        members.set(event.data.principal_id, event.data.role);
        return { ...state, members };
      case "room.member_removed":
        members.delete(event.data.principal_id);
        return { ...state, members };
      case "room.renamed":
        return { ...state, title: event.data.title ?? null };
      case "room.archived":
      case "room.unarchived":
        return { ...state, isArchived: event.type === "room.archived" };
      default:
        return unreachable(event);
    }
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
    case "rename": {
      const { title, by } = command;
      return title === state.title
        ? accept<RoomOwnEvent>()
        : accept<RoomOwnEvent>({ type: "room.renamed", data: { room_id: state.id, title, by } });
    }
    case "archive":
      return state.isArchived
        ? accept<RoomOwnEvent>()
        : accept<RoomOwnEvent>({ type: "room.archived", data: { room_id: state.id, by: command.by } });
    case "unarchive":
      return state.isArchived
        ? accept<RoomOwnEvent>({ type: "room.unarchived", data: { room_id: state.id, by: command.by } })
        : accept<RoomOwnEvent>();
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
  /** Members whom it names. */
  readonly mentions?: readonly PrincipalId[] | undefined;
  /** Who edits. */
  readonly by?: PrincipalId | undefined;
}

export const message: Decider<Message, MessageCommand, Of<"message.created" | "message.edited">, { code: "message_not_found" }> = {
  initial: { status: "none" },
  decide(state, { type, id, threadId, roomId, contentMd, mentions = [], by }) {
    const data = { message_id: id, thread_id: threadId, room_id: roomId, content_md: contentMd };
    if (type === "post") {
      if (state.status === "posted") return accept();
      return accept({ type: "message.created", data: mentions.length === 0 ? data : { ...data, mentions: [...mentions] } });
    }
    if (state.status === "none" || by === undefined) return refuse({ code: "message_not_found" });
    return accept({ type: "message.edited", data: { ...data, by } });
  },
  evolve: () => ({ status: "posted" }),
};
