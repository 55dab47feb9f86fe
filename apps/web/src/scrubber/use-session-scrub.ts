/* A session through time: its scrubber, and a conversation that shows the moment the scrubber is at. */
import type { SessionAt } from "@signalbox/contract/session-history";
import type { SessionId } from "@signalbox/contract/primitives";
import { useEffect, useState } from "react";
import type { ConversationSource, ConversationStore } from "../session/conversation-store.ts";
import type { Scrub } from "./scrub.ts";
import { sessionReads, sessionSubject, sharedReads, throughTime, type SessionThen } from "./sources.ts";
import { useScrub, useScrubbed } from "./use-scrub.ts";

export interface SessionScrub {
  readonly scrub: Scrub<SessionThen>;
  /** For the conversation as of a moment. */
  readonly source: ConversationSource;
  /** What it is known by: the session's id, or the token of its link. */
  readonly id: string;
  readState(seq: number, signal: AbortSignal): Promise<SessionAt>;
}

interface Of {
  readonly of: { readonly session: SessionId } | { readonly token: string };
  /** May be another at each render; the first one is kept. */
  source(): ConversationSource;
  readonly live: ConversationStore;
  readonly at: number | null;
  readonly lastSeq: number;
}

/** The seq of the moment that is on screen; null is live. */
export const useShown = ({ scrub }: SessionScrub): number | null => useScrubbed(scrub, ({ at, shown }) => (at === null ? null : shown));

export function useSessionScrub({ of, source, live, at, lastSeq }: Of): SessionScrub {
  const [kept] = useState(() => {
    const whole = source();
    const reads = "session" in of ? sessionReads(of.session) : sharedReads(of.token);
    return { whole, reads, id: "session" in of ? of.session : of.token, subject: sessionSubject(reads, whole) };
  });
  const scrub = useScrub(kept.subject, at, lastSeq);
  const [through] = useState(() =>
    throughTime(kept.whole, (seq) => {
      const { held } = scrub.get();
      return held?.seq === seq ? held.moment.window : undefined;
    }),
  );
  useEffect(
    () =>
      live.onEvent(({ type }) => {
        if (type === "event.redacted") scrub.forget();
      }),
    [live, scrub],
  );
  return { scrub, source: through, id: kept.id, readState: kept.reads.state };
}
