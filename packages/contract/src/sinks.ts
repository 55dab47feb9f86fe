/*
 * Sinks: events published outward, in order, at least once, never as authority. A receiver tells repeats by the message's
 * id, which is the event's. What is erased later is erased here; the `event.redacted` that says so is delivered too.
 */
import { z } from "zod";
import { SinkKind } from "./events/sinks.ts";
import { EventId, page, PageQuery, PrincipalId, RoomId, SinkId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const Types = z.array(z.string().regex(/^[a-z_]+(\.[a-z_]+)*(\.\*)?$/, "expected an event type like run.completed, or run.*")).max(100);
const Name = z.string().trim().min(1).max(100);
const Url = z.url({ protocol: /^https?$/ }).max(2000);
const Secret = z.string().trim().min(1).max(4096);

export const SinkView = z
  .object({
    id: SinkId,
    name: z.string(),
    kind: SinkKind,
    url: z.string(),
    /** Of events; empty: all. */
    types: z.array(z.string()),
    /** Only events of these rooms; empty: of the whole organization. */
    room_ids: z.array(RoomId),
    status: z.enum(["active", "paused"]),
    paused_reason: z.string().nullable(),
    /** The last event that was delivered, or that it does not take. */
    position: z.int(),
    /** Events after that, as far as they are counted (1,000). */
    behind: z.int(),
    /** In a row. */
    failures: z.int(),
    last_error: z.string().nullable(),
    last_delivered_at: Timestamp.nullable(),
    next_attempt_at: Timestamp.nullable(),
    created_at: Timestamp,
    created_by: PrincipalId,
  })
  .meta({ id: "Sink" });
export type SinkView = z.infer<typeof SinkView>;

export const SinkDelivery = z
  .object({
    position: z.int(),
    event_id: EventId,
    type: z.string(),
    /** `dead`: given up; the sink was paused with it. */
    state: z.enum(["delivered", "failed", "dead"]),
    attempts: z.int(),
    status: z.int().nullable(),
    error: z.string().nullable(),
    at: Timestamp,
  })
  .meta({ id: "SinkDelivery" });
export type SinkDelivery = z.infer<typeof SinkDelivery>;

const access = { resource: "sink", role: "admin", scopes: ["admin"] } as const;
const params = z.object({ id: SinkId });
const NONE = { sink_not_found: 404 } as const;
const ADDRESS = { sink_address_refused: 422 } as const;

export const listSinks = route({
  id: "sinks.list",
  summary: "Where events are published outward to",
  method: "GET",
  path: "/v1/sinks",
  ok: z.object({ items: z.array(SinkView) }).meta({ id: "SinkList" }),
  refusals: {},
  access,
});
export const getSink = route({
  id: "sinks.get",
  summary: "One sink, and how far it is",
  method: "GET",
  path: "/v1/sinks/:id",
  params,
  ok: SinkView,
  refusals: NONE,
  access,
});
export const createSink = route({
  id: "sinks.create",
  summary: "Publish events to a webhook or to Convex",
  method: "POST",
  path: "/v1/sinks",
  body: z.object({
    name: Name,
    kind: SinkKind,
    /** Of Convex the deployment's, like https://happy-animal-123.convex.cloud. */
    url: Url,
    /** Of Convex its deploy key. A webhook's signing secret (`whsec_…`) is made when none is given. */
    secret: Secret.optional(),
    types: Types.default([]),
    room_ids: z.array(RoomId).max(100).default([]),
    /** Where it begins in the log. */
    from: z.enum(["now", "beginning"]).default("now"),
  }),
  /** A secret that was made here is shown this once. */
  ok: SinkView.extend({ secret: z.string().nullable() }).meta({ id: "NewSink" }),
  okStatus: 201,
  refusals: { ...ADDRESS, sink_secret_missing: 422, sink_secret_invalid: 422, too_many_sinks: 409, secrets_sealed: 409 },
  access,
});
export const changeSink = route({
  id: "sinks.change",
  summary: "Change a sink; what is left out stays",
  method: "PATCH",
  path: "/v1/sinks/:id",
  params,
  body: z.object({
    name: Name.optional(),
    url: Url.optional(),
    secret: Secret.optional(),
    types: Types.optional(),
    room_ids: z.array(RoomId).max(100).optional(),
  }),
  ok: SinkView,
  refusals: { ...NONE, ...ADDRESS, sink_secret_invalid: 422, secrets_sealed: 409 },
  access,
});
export const deleteSink = route({
  id: "sinks.delete",
  summary: "End a sink and forget its secret",
  method: "DELETE",
  path: "/v1/sinks/:id",
  params,
  ok: z.object({ deleted: z.literal(true) }).meta({ id: "SinkDeleted" }),
  refusals: NONE,
  access,
});
/** Delivers nothing of the log: one message of type `signalbox.test`. */
export const testSink = route({
  id: "sinks.test",
  summary: "Send a test message and say what became of it",
  method: "POST",
  path: "/v1/sinks/:id/test",
  params,
  body: z.object({}),
  ok: z.object({ ok: z.boolean(), status: z.int().nullable(), message: z.string() }).meta({ id: "SinkTest" }),
  refusals: NONE,
  access,
});
export const pauseSink = route({
  id: "sinks.pause",
  summary: "Stop delivering; nothing is lost meanwhile",
  method: "POST",
  path: "/v1/sinks/:id/pause",
  params,
  body: z.object({}),
  ok: SinkView,
  refusals: NONE,
  access,
});
/** What was given up is not tried again by this: replay from its position. */
export const resumeSink = route({
  id: "sinks.resume",
  summary: "Go on delivering",
  method: "POST",
  path: "/v1/sinks/:id/resume",
  params,
  body: z.object({}),
  ok: SinkView,
  refusals: NONE,
  access,
});
export const replaySink = route({
  id: "sinks.replay",
  summary: "Deliver again from a position on",
  method: "POST",
  path: "/v1/sinks/:id/replay",
  params,
  body: z.object({ from_position: z.int().min(1) }),
  ok: SinkView,
  refusals: { ...NONE, cursor_in_future: 400 },
  access,
});
export const checkSink = route({
  id: "sinks.check",
  summary: "Compare what the sink has with the log, window by window, and replay from where it differs",
  method: "POST",
  path: "/v1/sinks/:id/check",
  params,
  body: z.object({ from_position: z.int().min(1).default(1), repair: z.boolean().default(false) }),
  ok: z
    .object({
      agrees: z.boolean(),
      windows: z.array(
        z.object({
          from_position: z.int(),
          to_position: z.int(),
          count: z.int(),
          digest: z.string(),
          their_count: z.int(),
          their_digest: z.string(),
          agrees: z.boolean(),
        }),
      ),
      replayed_from: z.int().nullable(),
    })
    .meta({ id: "SinkCheck" }),
  refusals: { ...NONE, sink_cannot_be_asked: 409, sink_unreachable: 502 },
  access,
});
export const listSinkDeliveries = route({
  id: "sinks.deliveries",
  summary: "What was delivered, newest first; kept for seven days",
  method: "GET",
  path: "/v1/sinks/:id/deliveries",
  params,
  query: PageQuery.extend({ state: z.enum(["delivered", "failed", "dead"]).optional() }),
  ok: page(SinkDelivery),
  refusals: NONE,
  access,
});
