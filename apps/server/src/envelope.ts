import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { Recorded } from "@signalbox/eventlog/log";
import type { z } from "zod";

/** An event as every door shows it. It must have been committed: a position is part of it. */
export function envelopeOf(r: Recorded): z.input<typeof EventEnvelope> {
  if (r.position === undefined) throw new Error(`${r.eventId} has no position yet`);
  return {
    event_id: r.eventId,
    type: r.event.type,
    version: r.version,
    organization_id: r.organizationId,
    stream: { type: r.stream.type, id: r.stream.id },
    seq: r.seq,
    position: r.position,
    subject: r.subject,
    subject_version: r.subjectVersion,
    ...(r.roomId === undefined ? {} : { room_id: r.roomId }),
    ...(r.threadId === undefined ? {} : { thread_id: r.threadId }),
    ...(r.sessionId === undefined ? {} : { session_id: r.sessionId }),
    ...(r.runId === undefined ? {} : { run_id: r.runId }),
    ...(r.stepId === undefined ? {} : { step_id: r.stepId }),
    occurred_at: r.occurredAt,
    recorded_at: r.recordedAt,
    principal: {
      id: r.principal.id,
      type: r.principal.type,
      ...(r.principal.impersonatedBy === undefined ? {} : { impersonated_by: r.principal.impersonatedBy }),
    },
    zone: r.zone,
    correlation_id: r.correlationId,
    ...(r.causationId === undefined ? {} : { causation_id: r.causationId }),
    ...(r.idempotencyKey === undefined ? {} : { idempotency_key: r.idempotencyKey }),
    redaction: r.redaction,
    data: r.event.data as z.input<typeof EventEnvelope>["data"],
    prev_hash: r.prevHash,
    hash: r.hash,
  };
}
