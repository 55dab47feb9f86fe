/* Where the frames of a topic come from: a room's stream in the log, or a session's live deltas. */
import type { EventLog, Recorded } from "@signalbox/eventlog/log";
import { canonicalJson } from "@signalbox/kernel/canonical";
import { envelopeOf } from "../../envelope.ts";
import type { LiveSource, LiveUpdate } from "./live-source.ts";
import type { Frame, TopicSource } from "./subscriptions.ts";

/** Room topics carry the organization: the engine is shared by all, and room ids alone prove nothing. */
export const roomTopic = (organizationId: string, roomId: string): string => `room:${organizationId}:${roomId}`;
export const sessionTopic = (organizationId: string, sessionId: string): string => `session:${organizationId}:${sessionId}`;
export const presenceTopic = (organizationId: string, sessionId: string): string => `presence:${organizationId}:${sessionId}`;
/** Of documents: what one sees is one's own, except that admins see the same. */
export const documentTopic = (organizationId: string, topic: string, principalId: string, role: string): string =>
  `${topic}:${organizationId}:${principalId}:${role}`;

const PAGE = 500;

/** What a room's channel is told: events that this process has just committed, or only that there is something to read. */
type Wake = (committed?: readonly Recorded[]) => void;

/**
 * Wakes each followed room once per hint, whatever else the hint names. What this process committed
 * itself is published from memory when it continues what was published; all else is read from the log.
 */
export function createRoomSources(log: EventLog): { of(organizationId: string, roomId: string): TopicSource; close(): void } {
  const awake = new Map<string, Wake>();
  const unsubscribe = log.onAppended(({ streams, recorded }) => {
    // A hint that names no streams was too long to: anything may have moved.
    if (streams.length === 0) for (const wake of awake.values()) wake();
    for (const { organizationId, stream } of streams) {
      if (stream.type !== "room") continue;
      awake.get(roomTopic(organizationId, stream.id))?.(
        recorded?.filter((one) => one.stream.id === stream.id && one.stream.type === "room" && one.organizationId === organizationId),
      );
    }
  });

  function of(organizationId: string, roomId: string): TopicSource {
    const stream = { type: "room" as const, id: roomId };
    const read = async (after: string, limit: number) =>
      (await log.readStream(organizationId, stream, { afterSeq: Number(after), limit })).map(eventFrame);
    return {
      read,
      async open(publish) {
        let position = "";
        let running = false;
        let again = false;
        let over = false;
        let committed: Recorded[] = [];
        let isTurnDue = false;
        async function pull(): Promise<void> {
          if (running || position === "") {
            again = true;
            return;
          }
          running = true;
          try {
            do {
              again = false;
              const frames = await read(position, PAGE);
              if (over) return;
              position = frames.at(-1)?.id ?? position;
              again ||= frames.length === PAGE;
              if (frames.length > 0) publish(frames);
            } while (again);
          } finally {
            running = false;
          }
        }
        /** After whoever committed was answered: a thousand writes take longer than that one. */
        function turn(): void {
          isTurnDue = false;
          const next = committed;
          committed = [];
          if (over) return;
          const from = running || position === "" ? Number.NaN : Number(position) + 1;
          if (!next.every(({ seq }, i) => seq === from + i)) return wake();
          const frames = next.map(eventFrame);
          position = frames.at(-1)?.id ?? position;
          publish(frames);
        }
        // A read that fails (Postgres restarting) is tried again soon: the hint that led to it will not come again.
        const wake: Wake = (events) => {
          if (events === undefined) return void pull().catch(() => setTimeout(() => over || wake(), 250).unref());
          committed.push(...events);
          if (isTurnDue) return;
          isTurnDue = true;
          setImmediate(turn);
        };
        const topic = roomTopic(organizationId, roomId);
        awake.set(topic, wake);
        try {
          position = String(await log.head(organizationId, stream));
        } catch (error) {
          awake.delete(topic);
          throw error;
        }
        const head = position;
        if (again) wake();
        return {
          head,
          close: () => {
            over = true;
            if (awake.get(topic) === wake) awake.delete(topic);
          },
        };
      },
    };
  }
  return { of, close: unsubscribe };
}

function eventFrame(r: Recorded): Frame {
  const { event } = r;
  return {
    id: String(r.seq),
    text: canonicalJson(envelopeOf(r)),
    docKey: `room/event:${r.eventId}`,
    docVersion: 1,
    removed: event.type === "room.member_removed" ? (event.data as { principal_id?: string }).principal_id : undefined,
  };
}

export function sessionSource(live: LiveSource, sessionId: string): TopicSource {
  return {
    open: (publish) => Promise.resolve(live.subscribe(sessionId, (updates) => publish(updates.map(deltaFrame)))),
    async read(after, limit) {
      const updates = await live.history(sessionId, after, limit);
      return updates === "stale" ? updates : updates.map(deltaFrame);
    },
  };
}

const deltaFrame = ({ watermark, delta }: LiveUpdate): Frame => ({
  id: watermark,
  text: canonicalJson(delta),
  docKey: `session/delta:${watermark}`,
  docVersion: 1,
});
