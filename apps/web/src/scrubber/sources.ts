/* What a scrubber reads: a session of one's own, one that was shared, a room. */
import type { RoomId, SessionId } from "@signalbox/contract/primitives";
import {
  getRoomAt,
  getRoomTimeline,
  getSessionAt,
  getSessionTimeline,
  type RoomAt,
  type SessionAt,
} from "@signalbox/contract/session-history";
import { getSharedAt, getSharedTimeline } from "@signalbox/contract/shares";
import { client } from "../data/api.ts";
import type { ConversationSource, WindowAnswer } from "../session/conversation-store.ts";
import type { Subject } from "./scrub.ts";

/** How a session stood, and what had been said last by then: read together, so that they are of one moment. */
export interface SessionThen {
  readonly state: SessionAt;
  readonly window: WindowAnswer;
}
/** Enough for a screen and some; the rest is read when someone scrolls there. */
const ITEMS = 60;

interface SessionReads extends Pick<Subject<SessionThen>, "timeline"> {
  state(seq: number, signal: AbortSignal): Promise<SessionAt>;
}

export const sessionReads = (id: SessionId): SessionReads => ({
  timeline: (after, signal) => client.call(getSessionTimeline, { params: { id }, query: { after_seq: after }, signal }),
  state: (seq, signal) => client.call(getSessionAt, { params: { id }, query: { seq }, signal }),
});
export const sharedReads = (token: string): SessionReads => ({
  timeline: (after, signal) => client.call(getSharedTimeline, { params: { token }, query: { after_seq: after }, signal }),
  state: (seq, signal) => client.call(getSharedAt, { params: { token }, query: { seq }, signal }),
});

export function sessionSubject(reads: SessionReads, source: ConversationSource): Subject<SessionThen> {
  return {
    timeline: reads.timeline,
    async moment(seq, signal) {
      const [state, window] = await Promise.all([reads.state(seq, signal), source.window({ limit: ITEMS, asOf: seq, signal })]);
      return { state, window };
    },
  };
}

/** The source of a conversation, with the moments that the scrubber has read answered from there. */
export function throughTime(source: ConversationSource, known: (seq: number) => WindowAnswer | undefined): ConversationSource {
  return {
    ...source,
    window(query) {
      const window = query.asOf === undefined || query.before !== undefined ? undefined : known(query.asOf);
      return window === undefined ? source.window(query) : Promise.resolve(window);
    },
  };
}

export const roomSubject = (id: RoomId): Subject<RoomAt> => ({
  timeline: (after, signal) => client.call(getRoomTimeline, { params: { id }, query: { after_seq: after }, signal }),
  moment: (seq, signal) => client.call(getRoomAt, { params: { id }, query: { seq }, signal }),
});
