/* Rooms, their members, threads and messages. */
import path from "node:path";
import type { RoomRole } from "@signalbox/contract/events/rooms";
import type { MessageId, PrincipalId, RoomId, SessionId, ThreadId } from "@signalbox/contract/primitives";
import { erasable } from "@signalbox/eventlog/erasable";
import type { Origin, Unit } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import type { Deps, Module } from "../../module.ts";
import { createRoomAccess, type RoomAccess } from "./access.ts";
import { message, room, thread } from "./room.ts";
import { FORGET_TITLES, importedRooms, roomsProjection } from "./rooms.projection.ts";
import { roomRoutes } from "./routes.ts";

export { hasRoomRole, type RoleInSession, type RoomAccess } from "./access.ts";
export { message, room, type Room } from "./room.ts";

/** What is staged in the caller's unit. Ids may be given, or are made. Streams and envelope context are set here. */
export interface RoomCommands {
  /** The creator becomes the room's owner. */
  createRoom(
    unit: Unit,
    of: { readonly id?: string | undefined; readonly title: string; readonly by: string; readonly sessionId?: string | undefined },
    origin?: Partial<Origin>,
  ): Promise<string>;
  addMember(
    unit: Unit,
    of: { readonly roomId: string; readonly principalId: string; readonly role: RoomRole },
    origin?: Partial<Origin>,
  ): Promise<void>;
  createThread(
    unit: Unit,
    of: { readonly id?: string | undefined; readonly roomId: string; readonly title?: string | undefined },
    origin?: Partial<Origin>,
  ): Promise<string>;
  /** `origin.principal` is the author. Whether they may write there is the caller's to have asked (`roleInThread`). */
  postMessage(
    unit: Unit,
    of: {
      readonly id?: string | undefined;
      readonly roomId: string;
      readonly threadId: string;
      readonly contentMd: string;
      readonly mentions?: readonly string[] | undefined;
    },
    origin?: Partial<Origin>,
  ): Promise<string>;
}

export interface RoomsModule extends Module, RoomAccess, RoomCommands {}

export interface RoomsDeps extends Deps {
  /** Those of the ids that are principals of the organization, with their names. */
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

export function createRooms(deps: RoomsDeps): RoomsModule {
  const access = createRoomAccess(deps.db);
  return {
    ...access,
    ...roomCommands,
    routes: roomRoutes({ ...deps, access, commands: roomCommands }),
    projections: [erasable(roomsProjection, FORGET_TITLES), importedRooms],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
  };
}

export const roomCommands: RoomCommands = {
  async createRoom(unit, { id = newId("room"), title, by, sessionId }, origin) {
    await unit.decide(
      room,
      { type: "room", id },
      `room:${id}`,
      { type: "create", id: id as RoomId, title, by: by as PrincipalId, sessionId: sessionId as SessionId | undefined },
      {
        ...origin,
        roomId: id,
        ...(sessionId === undefined ? {} : { sessionId }),
      },
    );
    return id;
  },
  async addMember(unit, { roomId, principalId, role }, origin) {
    const decision = await unit.decide(
      room,
      { type: "room", id: roomId },
      `room:${roomId}`,
      { type: "add_member", principalId: principalId as PrincipalId, role },
      { ...origin, roomId },
    );
    if (!decision.ok) throw new Error(`nobody can be added to ${roomId}: ${decision.refusal.code}`);
  },
  async createThread(unit, { id = newId("th"), roomId, title }, origin) {
    await unit.decide(
      thread,
      { type: "room", id: roomId },
      `thread:${id}`,
      { type: "create", id: id as ThreadId, roomId: roomId as RoomId, title },
      { ...origin, roomId, threadId: id },
    );
    return id;
  },
  async postMessage(unit, { id = newId("msg"), roomId, threadId, contentMd, mentions }, origin) {
    await unit.decide(
      message,
      { type: "room", id: roomId },
      `message:${id}`,
      {
        type: "post",
        id: id as MessageId,
        threadId: threadId as ThreadId,
        roomId: roomId as RoomId,
        contentMd,
        mentions: mentions as readonly PrincipalId[] | undefined,
      },
      { ...origin, roomId, threadId },
    );
    return id;
  },
};
