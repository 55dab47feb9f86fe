import type { RoomEvent } from "@signalbox/contract/events/rooms";
import type { DomainEvent, Recorded, Tx } from "@signalbox/eventlog/log";

type Of<T extends RoomEvent["type"]> = Recorded<Extract<RoomEvent, { type: T }>>;

export const LATER = ["room.renamed", "room.archived", "room.unarchived", "message.edited"] as const;

/** What comes after a room or message is there: names, the archive, a message's later text. Part of the projection `rooms`, after what makes them. */
export async function changes(tx: Tx, batch: readonly Recorded<DomainEvent>[]): Promise<void> {
  for (const r of batch) {
    if (is(r, "room.renamed")) {
      await tx.query(`update proj_rooms set title = $3, title_seq = $4 where organization_id = $1 and id = $2 and title_seq < $4`, [
        r.organizationId,
        r.subjectId,
        r.event.data.title ?? "[redacted]",
        r.seq,
      ]);
    } else if (is(r, "room.archived") || is(r, "room.unarchived")) {
      await tx.query(
        `update proj_rooms set is_archived = $3, archived_seq = $4 where organization_id = $1 and id = $2 and archived_seq < $4`,
        [r.organizationId, r.subjectId, r.event.type === "room.archived", r.seq],
      );
    } else if (is(r, "message.edited")) {
      await tx.query(
        // From now on it is this event whose redaction takes the text.
        `update proj_messages set content_md = $3, event_id = $4, text_seq = $5
          where organization_id = $1 and id = $2 and coalesce(text_seq, seq) < $5`,
        [r.organizationId, r.subjectId, r.event.data.content_md ?? null, r.eventId, r.seq],
      );
    }
  }
}

const is = <T extends RoomEvent["type"]>(r: Recorded<DomainEvent>, type: T): r is Of<T> => r.event.type === type;
