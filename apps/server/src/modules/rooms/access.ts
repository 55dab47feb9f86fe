/* Whom a room admits. Admins and owners of the organization own every room; everybody else is what the room made them. */
import { allowsRoom } from "@signalbox/capability/grant";
import type { RoomRole } from "@signalbox/contract/events/rooms";
import { isForeign } from "@signalbox/eventlog/foreign";
import { sql } from "kysely";
import { hasRole } from "../../http/authenticate.ts";
import type { Caller } from "../../http/handle.ts";
import type { Database } from "../../module.ts";

const RANK: Readonly<Record<RoomRole, number>> = { viewer: 0, member: 1, approver: 2, owner: 3 };
export const hasRoomRole = (role: RoomRole, least: RoomRole): boolean => RANK[role] >= RANK[least];

export interface RoomAccess {
  /** Null when there is no such room, or none that this caller may know of: the two must look alike. */
  roleIn(caller: Who, roomId: string): Promise<RoomRole | null>;
  /** The same for a thread, with the room that it is in. */
  roleInThread(caller: Who, threadId: string): Promise<{ readonly roomId: string; readonly role: RoomRole } | null>;
  /** Of the ids: which rooms are archived, and whose session each is the room of. */
  lives(
    organizationId: string,
    roomIds: readonly string[],
  ): Promise<{ readonly archived: ReadonlySet<string>; readonly sessions: ReadonlyMap<string, string> }>;
  /** Of the ids: what each is called, and whose session it is the room of. */
  names(
    organizationId: string,
    roomIds: readonly string[],
  ): Promise<ReadonlyMap<string, { readonly title: string; readonly sessionId: string | null }>>;
  /** Null: all of the organization's. With `least`, those where the caller is that or more. */
  visibleRooms(caller: Who, least?: RoomRole): Promise<readonly string[] | null>;
}

/** What a caller is in the room of a session; null alike for a session that is not there and one whose room they are not in. */
export type RoleInSession = (caller: Who, sessionId: string) => Promise<RoomRole | null>;

/** `grant`: rooms that a capability is not for do not exist for its bearer, whoever made it. */
type Who = Pick<Caller, "organizationId" | "principal" | "role" | "grant">;
const confines = (caller: Who, roomId: string): boolean => caller.grant !== undefined && !allowsRoom(caller.grant, roomId);
const ownsAll = (caller: Who): boolean => hasRole(caller.role, "admin");

/** Threads never move, so where one is may be remembered; who may see it is asked each time. */
const MAX_THREADS = 50_000;

export function createRoomAccess(db: Database): RoomAccess {
  const roomsOfThreads = new Map<string, string>();

  async function roomOf(organizationId: string, threadId: string): Promise<string | null> {
    const key = `${organizationId} ${threadId}`;
    const known = roomsOfThreads.get(key);
    if (known !== undefined) return known;
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ room_id: string }>`select room_id from proj_threads where id = ${threadId}`.execute(tx),
    );
    const found = rows[0]?.room_id;
    if (found === undefined) return null;
    if (roomsOfThreads.size >= MAX_THREADS) roomsOfThreads.clear();
    roomsOfThreads.set(key, found);
    return found;
  }

  return {
    async lives(organizationId, roomIds) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: string; session_id: string | null; is_archived: boolean }>`
          select id, session_id, is_archived from proj_rooms where id = any(${[...roomIds]}::text[])`.execute(tx),
      );
      return {
        archived: new Set(rows.filter((row) => row.is_archived).map(({ id }) => id)),
        sessions: new Map(rows.flatMap(({ id, session_id: of }) => (of === null ? [] : [[id, of]]))),
      };
    },
    async names(organizationId, roomIds) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: string; title: string; session_id: string | null }>`
          select id, title, session_id from proj_rooms where id = any(${[...roomIds]}::text[])`.execute(tx),
      );
      return new Map(rows.map(({ id, title, session_id: sessionId }) => [id, { title, sessionId }]));
    },
    async roleIn(caller, roomId) {
      if (confines(caller, roomId)) return null;
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<{ role: RoomRole | null }>`
          select m.role from proj_rooms r
            left join proj_room_members m on m.organization_id = r.organization_id and m.room_id = r.id and m.principal_id = ${caller.principal.id}
           where r.id = ${roomId}`.execute(tx),
      );
      return roleOf(caller, roomId, rows[0]);
    },

    async roleInThread(caller, threadId) {
      if (ownsAll(caller)) {
        const roomId = await roomOf(caller.organizationId, threadId);
        return roomId === null || confines(caller, roomId) ? null : { roomId, role: isForeign(roomId) ? "viewer" : "owner" };
      }
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<{ room_id: string; role: RoomRole | null }>`
          select t.room_id, m.role from proj_threads t
            left join proj_room_members m on m.organization_id = t.organization_id and m.room_id = t.room_id and m.principal_id = ${caller.principal.id}
           where t.id = ${threadId}`.execute(tx),
      );
      const found = rows[0];
      if (found !== undefined && confines(caller, found.room_id)) return null;
      const role = found === undefined ? null : roleOf(caller, found.room_id, found);
      return role === null ? null : { roomId: found!.room_id, role };
    },

    async visibleRooms(caller, least = "viewer") {
      if (ownsAll(caller)) return caller.grant?.rooms ?? null;
      const roles = (Object.keys(RANK) as RoomRole[]).filter((role) => hasRoomRole(role, least));
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<{
          room_id: string;
        }>`select room_id from proj_room_members where principal_id = ${caller.principal.id} and role = any(${roles}::text[])`.execute(tx),
      );
      return rows.map((row) => row.room_id).filter((roomId) => !confines(caller, roomId));
    },
  };
}

/** Nobody writes in a room that was imported. */
function roleOf(caller: Who, roomId: string, row: { role: RoomRole | null } | undefined): RoomRole | null {
  if (row === undefined) return null;
  if (!ownsAll(caller)) return row.role;
  return isForeign(roomId) ? "viewer" : "owner";
}
