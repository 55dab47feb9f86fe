import { createHash } from "node:crypto";
import type { DomainEvent, Recorded, StreamRef } from "@signalbox/eventlog/log";
import { uuidv7 } from "@signalbox/kernel/id";

export interface RecordedOptions {
  readonly subjectId: string;
  /** Default `subject`. */
  readonly subjectKind?: string;
  readonly organizationId?: string;
  readonly stream?: StreamRef;
  /** Version and seq before the first event; default 0. */
  readonly after?: number;
  readonly at?: string;
  /** Whatever else the envelope should say. */
  readonly more?: Partial<Omit<Recorded, "event">>;
}

const hashOf = (n: number): string => `sha256:${n === 0 ? "0".repeat(64) : createHash("sha256").update(String(n)).digest("hex")}`;

/** Events of one subject as a projection gets them, without a log: for testing projections alone. */
export function recorded<E extends DomainEvent>(events: readonly E[], options: RecordedOptions): Recorded<E>[] {
  const at = options.at ?? "2030-01-01T12:00:00.000Z";
  return events.map((event, i) => {
    const n = (options.after ?? 0) + i + 1;
    return {
      eventId: uuidv7(),
      event,
      version: 1,
      organizationId: options.organizationId ?? "ws_dev",
      stream: options.stream ?? { type: "room", id: "room_test" },
      seq: n,
      subject: `${options.subjectKind ?? "subject"}:${options.subjectId}`,
      subjectId: options.subjectId,
      subjectVersion: n,
      occurredAt: at,
      recordedAt: at,
      principal: { id: "usr_test", type: "user" },
      zone: "supervised",
      correlationId: "cor_test",
      redaction: "none",
      prevHash: hashOf(n - 1),
      hash: hashOf(n),
      ...options.more,
    };
  });
}
