import { z } from "zod";
import { PrincipalId, RoomId, SinkId } from "../primitives.ts";

export const SinkKind = z.enum(["webhook", "convex"]).meta({ id: "SinkKind" });
export type SinkKind = z.infer<typeof SinkKind>;

/** `run.completed` or `run.*`; none is every type. */
const types = z.array(z.string());
const room_ids = z.array(RoomId);

/** Where events are published outward to; subject `sink:<id>` of the organization's stream. Secrets are never in here. */
export const SinkEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("sink.created"),
    data: z.object({ sink_id: SinkId, name: z.string(), kind: SinkKind, url: z.string(), types, room_ids, by: PrincipalId }),
  }),
  z.object({
    type: z.literal("sink.changed"),
    data: z.object({
      sink_id: SinkId,
      name: z.string().optional(),
      url: z.string().optional(),
      types: types.optional(),
      room_ids: room_ids.optional(),
      /** Another secret was sealed. */
      secret_changed: z.boolean().optional(),
      by: PrincipalId,
    }),
  }),
  /** By a person, or by itself after too many failures. */
  z.object({ type: z.literal("sink.paused"), data: z.object({ sink_id: SinkId, reason: z.string(), by: PrincipalId }) }),
  z.object({ type: z.literal("sink.resumed"), data: z.object({ sink_id: SinkId, by: PrincipalId }) }),
  z.object({ type: z.literal("sink.replayed"), data: z.object({ sink_id: SinkId, from_position: z.int(), by: PrincipalId }) }),
  z.object({ type: z.literal("sink.deleted"), data: z.object({ sink_id: SinkId, by: PrincipalId }) }),
]);
export type SinkEvent = z.infer<typeof SinkEvent>;
