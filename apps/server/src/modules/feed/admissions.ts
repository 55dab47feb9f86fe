/*
 * Who may follow a room, asked once for all who come back at once with the same authority: a gateway that restarts is
 * asked ten thousand times within a second, and each question is a transaction.
 *
 *   headAsSeenBy ──► the room's head, and only then whether they are in it ──► the same answer for `SHARED_MS`
 *
 * An answer is as of its head, however old it is: a follower is held to `room.member_removed` after that head
 * (`subscriptions.ts`), so sharing lets nobody in who has left. Who is not let in is asked about anew each time: they
 * may have come in since.
 */
import type { EventLog } from "@signalbox/eventlog/log";
import type { Caller } from "../../http/handle.ts";
import type { RoomAccess } from "../rooms/public.ts";

type Who = Pick<Caller, "organizationId" | "principal" | "role">;

export interface Admissions {
  /** The seq up to which it is known that they are in the room; null: there is no such room for them. */
  headAsSeenBy(who: Who, roomId: string): Promise<string | null>;
}

const SHARED_MS = 250;
const MOST_SHARED = 10_000;

export function createAdmissions({ log, rooms }: { readonly log: Pick<EventLog, "head">; readonly rooms: RoomAccess }): Admissions {
  const shared = new Map<string, Promise<string | null>>();

  async function ask(who: Who, roomId: string): Promise<string | null> {
    const head = await log.head(who.organizationId, { type: "room", id: roomId });
    return (await rooms.roleIn(who, roomId)) === null ? null : String(head);
  }

  return {
    headAsSeenBy(who, roomId) {
      const key = `${who.organizationId} ${who.principal.id} ${who.role} ${roomId}`;
      const known = shared.get(key);
      if (known !== undefined) return known.then((head) => head ?? ask(who, roomId));
      const asked = ask(who, roomId);
      if (shared.size >= MOST_SHARED) shared.clear();
      shared.set(key, asked);
      const forget = (): void => {
        if (shared.get(key) === asked) shared.delete(key);
      };
      asked.then((head) => (head === null ? forget() : setTimeout(forget, SHARED_MS).unref()), forget);
      return asked;
    },
  };
}
