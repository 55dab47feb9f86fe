/* The timeline of a session or a room, and how either stood at a moment. */
import { getRoomAt, getRoomTimeline, getSessionAt, getSessionTimeline } from "@signalbox/contract/session-history";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import type { RoomAccess } from "../rooms/public.ts";
import type { History } from "./history.ts";
import { placeOfSeq, placeOfTime, roomAt, sessionAt, type At } from "./moment.ts";
import { timelineOf } from "./timeline.ts";

export interface Place {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string;
}
type Moment = { readonly seq?: number | undefined; readonly time?: string | undefined };

export interface Moments {
  /** Null: `after_seq` is beyond the newest event. */
  timeline(of: Place, afterSeq: number): Promise<ReturnType<typeof timelineOf> | FutureCursor>;
  at(of: Place, moment: Moment): Promise<ReturnType<typeof sessionAt> | FutureCursor | NotNamed>;
}

const future = (cursor: number, head: number) =>
  refused("cursor_in_future", {
    message: `There is no event ${cursor} yet; the newest is ${head}.`,
    fix: "Ask for a seq up to last_seq.",
    details: { cursor, head },
  });
const NOT_NAMED = refused("moment_not_named", {
  message: "Name exactly one of seq and time.",
  fix: "For example ?seq=42, or ?time=2030-01-01T12:00:00.000Z.",
});
type FutureCursor = ReturnType<typeof future>;
type NotNamed = typeof NOT_NAMED;

export function createMoments(history: History): Moments & { placeIn: typeof placeIn } {
  return {
    placeIn,
    async timeline({ organizationId, sessionId, roomId }, afterSeq) {
      const entries = await history.room(organizationId, roomId);
      if (afterSeq > entries.length) return future(afterSeq, entries.length);
      return timelineOf({ roomId, sessionId }, entries, [await history.budget(organizationId, sessionId)], afterSeq);
    },
    async at({ organizationId, sessionId, roomId }, moment) {
      const at = placeIn(await history.room(organizationId, roomId), moment);
      return "ok" in at ? at : sessionAt(at, sessionId, roomId, await history.budget(organizationId, sessionId));
    },
  };
}

function placeIn(entries: At["entries"], { seq, time }: Moment): At | FutureCursor | NotNamed {
  if ((seq === undefined) === (time === undefined)) return NOT_NAMED;
  if (seq !== undefined)
    return seq > entries.length ? future(seq, entries.length) : { entries, place: placeOfSeq(entries, seq), untilMs: null };
  const untilMs = Date.parse(time!);
  return { entries, place: placeOfTime(entries, untilMs), untilMs };
}

export interface MomentDeps {
  readonly history: History;
  readonly moments: ReturnType<typeof createMoments>;
  readonly rooms: RoomAccess;
  readonly roomOf: (organizationId: string, sessionId: string) => Promise<string | null>;
  /** Sessions of a room: what was spent in it is what they spent. */
  readonly sessionsOf: (organizationId: string, roomId: string) => Promise<readonly string[]>;
}

export function momentRoutes({ history, moments, rooms, roomOf, sessionsOf }: MomentDeps): BoundRoute[] {
  async function placeOf(caller: Caller, sessionId: string): Promise<Place | null> {
    const { organizationId } = caller;
    const roomId = await roomOf(organizationId, sessionId);
    return roomId === null || (await rooms.roleIn(caller, roomId)) === null ? null : { organizationId, sessionId, roomId };
  }
  const ledgers = async (organizationId: string, roomId: string) =>
    Promise.all((await sessionsOf(organizationId, roomId)).map((id) => history.budget(organizationId, id)));

  return [
    handle(getSessionTimeline, async ({ caller, params, query }) => {
      const place = await placeOf(caller, params.id);
      return place === null ? refused("session_not_found") : moments.timeline(place, query.after_seq);
    }),
    handle(getSessionAt, async ({ caller, params, query }) => {
      const place = await placeOf(caller, params.id);
      return place === null ? refused("session_not_found") : moments.at(place, query);
    }),
    handle(getRoomTimeline, async ({ caller, params, query }) => {
      const { organizationId } = caller;
      if ((await rooms.roleIn(caller, params.id)) === null) return refused("room_not_found");
      const entries = await history.room(organizationId, params.id);
      if (query.after_seq > entries.length) return future(query.after_seq, entries.length);
      return timelineOf({ roomId: params.id, sessionId: null }, entries, await ledgers(organizationId, params.id), query.after_seq);
    }),
    handle(getRoomAt, async ({ caller, params, query }) => {
      const { organizationId } = caller;
      if ((await rooms.roleIn(caller, params.id)) === null) return refused("room_not_found");
      const at = moments.placeIn(await history.room(organizationId, params.id), query);
      return "ok" in at ? at : roomAt(at, params.id, null, await ledgers(organizationId, params.id));
    }),
  ];
}
