/* The timeline of a session or a room, and how either stood at a moment. */
import { getRoomAt, getRoomTimeline, getSessionAt, getSessionTimeline } from "@signalbox/contract/session-history";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import type { RoomAccess } from "../rooms/public.ts";
import type { BudgetEntry, History } from "./history.ts";
import { atPlace, placeOfSeq, placeOfTime, roomAt, sessionAt, type At } from "./moment.ts";
import { LONG } from "./kept.ts";
import type { Snapshots } from "./snapshots.ts";
import { stripOf, type Strips } from "./strips.ts";
import { timelineFrom } from "./timeline.ts";

export interface Place {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string;
}
type Moment = { readonly seq?: number | undefined; readonly time?: string | undefined };

export interface Moments {
  /** Null: `after_seq` is beyond the newest event. */
  timeline(of: Place, afterSeq: number): Promise<ReturnType<typeof timelineFrom> | FutureCursor>;
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

type Ledgers = readonly (readonly BudgetEntry[])[];
interface Locating {
  strip(
    organizationId: string,
    of: { roomId: string; sessionId: string | null },
    afterSeq: number,
    ledgers: () => Promise<Ledgers>,
  ): Promise<ReturnType<typeof timelineFrom> | FutureCursor>;
  locate(organizationId: string, roomId: string, moment: Moment): Promise<At | FutureCursor | NotNamed>;
}

export function createMoments(history: History, snapshots: Snapshots, strips: Strips): Moments & Locating {
  const strip: Locating["strip"] = async (organizationId, of, afterSeq, ledgers) => {
    const { roomId } = of;
    const head = await history.head(organizationId, roomId);
    if (afterSeq > head) return future(afterSeq, head);
    // What is written meanwhile is told the next time.
    const { blocks, positions } =
      head >= LONG ? await strips.of({ organizationId, roomId, head }, afterSeq) : stripOf(await history.room(organizationId, roomId));
    return timelineFrom(of, blocks, positions, await ledgers(), afterSeq);
  };
  const locate: Locating["locate"] = async (organizationId, roomId, { seq, time }) => {
    if ((seq === undefined) === (time === undefined)) return NOT_NAMED;
    const head = await history.head(organizationId, roomId);
    if (seq !== undefined && seq > head) return future(seq, head);
    // A long room that nobody has looked at since the start is not read whole for one moment of it.
    if (head >= LONG && !history.isKept(organizationId, roomId))
      return snapshots.at(organizationId, roomId, head, seq === undefined ? { untilMs: Date.parse(time!) } : { seq });
    const entries = await history.room(organizationId, roomId);
    if (seq !== undefined) return atPlace(entries, placeOfSeq(entries, seq), null);
    const untilMs = Date.parse(time!);
    return atPlace(entries, placeOfTime(entries, untilMs), untilMs);
  };
  return {
    locate,
    strip,
    timeline: ({ organizationId, sessionId, roomId }, afterSeq) =>
      strip(organizationId, { roomId, sessionId }, afterSeq, async () => [await history.budget(organizationId, sessionId)]),
    async at({ organizationId, sessionId, roomId }, moment) {
      const at = await locate(organizationId, roomId, moment);
      return "ok" in at ? at : sessionAt(at, sessionId, roomId, await history.budget(organizationId, sessionId));
    },
  };
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
      return moments.strip(organizationId, { roomId: params.id, sessionId: null }, query.after_seq, () =>
        ledgers(organizationId, params.id),
      );
    }),
    handle(getRoomAt, async ({ caller, params, query }) => {
      const { organizationId } = caller;
      if ((await rooms.roleIn(caller, params.id)) === null) return refused("room_not_found");
      const at = await moments.locate(organizationId, params.id, query);
      return "ok" in at ? at : roomAt(at, params.id, null, await ledgers(organizationId, params.id));
    }),
  ];
}
