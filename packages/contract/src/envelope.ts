import { z } from "zod";
import {
  EventId,
  OrganizationId,
  Principal,
  PrincipalId,
  RoomId,
  RunId,
  SessionId,
  Sha256,
  StepId,
  ThreadId,
  Timestamp,
  Zone,
} from "./primitives.ts";

export const StreamType = z.enum(["room", "organization", "ledger"]).meta({ id: "StreamType" });
export const StreamRef = z.object({ type: StreamType, id: z.string() }).meta({ id: "StreamRef" });

/** Who caused it. `impersonated_by`: the operator who acted as them. */
export const EventPrincipal = Principal.extend({ impersonated_by: PrincipalId.optional() }).meta({ id: "EventPrincipal" });

/** One event as the log stores and every feed delivers it. `data` is described by its type's schema. */
export const EventEnvelope = z
  .object({
    event_id: EventId,
    type: z.string(),
    version: z.int().min(1),
    organization_id: OrganizationId,
    stream: StreamRef,
    seq: z.int().min(1),
    position: z.int().min(1),
    subject: z.string(),
    subject_version: z.int().min(1),
    room_id: RoomId.optional(),
    thread_id: ThreadId.optional(),
    session_id: SessionId.optional(),
    run_id: RunId.optional(),
    step_id: StepId.optional(),
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    principal: EventPrincipal,
    zone: Zone,
    correlation_id: z.string(),
    causation_id: z.string().optional(),
    idempotency_key: z.string().optional(),
    redaction: z.enum(["none", "partial", "full"]),
    data: z.json(),
    prev_hash: Sha256,
    hash: Sha256,
  })
  .meta({ id: "Event" });
export type EventEnvelope = z.infer<typeof EventEnvelope>;
