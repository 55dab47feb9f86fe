/* For the modules that open a door into a session's sandbox (files, terminals, previews): who may pass, and where it is. */
import type { RoomRole } from "@signalbox/contract/events/rooms";
import type { Sandbox } from "@signalbox/providers/sandbox/port";
import type { Caller } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import { hasRoomRole, type RoomAccess } from "../rooms/public.ts";
import type { Hubs } from "./hubs.ts";
import type { SessionQueries } from "./queries.ts";
import { hasEnded } from "./session.ts";

export interface SessionAccess {
  readonly sessionId: string;
  readonly roomId: string;
  readonly threadId: string;
  readonly role: RoomRole;
  readonly hasEnded: boolean;
}
type Who = Pick<Caller, "organizationId" | "principal" | "role">;

export interface SessionDoors {
  /** Null alike for a session that is not there and one whose room the caller is not in. */
  accessOf(caller: Who, sessionId: string): Promise<SessionAccess | null>;
  /** The same; throws the shell's `forbidden` for whoever may only watch. */
  writeAccessOf(caller: Who, sessionId: string): Promise<SessionAccess | null>;
  /** Null when it is not running, or another process owns the session. */
  sandboxOf(organizationId: string, sessionId: string): Sandbox | null;
}

export function createDoors(deps: { queries: SessionQueries; rooms: RoomAccess; hubs: Pick<Hubs, "get"> }): SessionDoors {
  async function accessOf(caller: Who, sessionId: string): Promise<SessionAccess | null> {
    const found = await deps.queries.get(caller.organizationId, sessionId);
    if (found === null) return null;
    const { room_id: roomId, thread_id: threadId, status } = found.view;
    const role = await deps.rooms.roleIn(caller, roomId);
    return role === null ? null : { sessionId, roomId, threadId, role, hasEnded: hasEnded(status) };
  }
  return {
    accessOf,
    async writeAccessOf(caller, sessionId) {
      const access = await accessOf(caller, sessionId);
      if (access !== null && !hasRoomRole(access.role, "member"))
        throw new ShellRefused("forbidden", "You may read this session, not take part in it.", {
          fix: "Ask an owner of its room to make you a member.",
        });
      return access;
    },
    sandboxOf(organizationId, sessionId) {
      const hub = deps.hubs.get(sessionId);
      if (hub === undefined || hub.organizationId !== organizationId) return null;
      const { sandbox } = hub.workplace;
      return sandbox?.alive() === true ? sandbox : null;
    },
  };
}
