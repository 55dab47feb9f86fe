/*
 * Durable Streams (https://github.com/durable-streams/durable-streams, PROTOCOL.md): rooms and sessions can be read
 * by any client of that protocol, and engines and workers stream the output of their runs through it. Offsets,
 * headers, long-poll and server-sent events are as the protocol says; specs/durable-streams.md says what is not
 * served. Each GET answers HEAD as well.
 */
import { z } from "zod";
import { RoomId, RunId, SessionId } from "./primitives.ts";
import { route } from "./route.ts";

export const DURABLE_LIMITS = {
  /** Of one append. */
  bytesPerAppend: 1_048_576,
  /** Of one stream. */
  bytesPerStream: 67_108_864,
  streamsPerRun: 100,
  /** Of one answer. */
  bytesPerRead: 1_048_576,
  appendsPerSecond: 1000,
  longPollMs: 20_000,
} as const;

const named = z.object({ id: RunId, name: z.string().regex(/^[A-Za-z0-9._~-]{1,120}$/, "expected letters, digits and . _ ~ -") });
const read = { resource: "stream", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "stream", role: "member", scopes: ["engine"] } as const;
const gone = { offset_gone: 410 } as const;

export const readRoomStream = route({
  id: "durable.room",
  summary: "A room's events as a durable stream of JSON messages",
  method: "GET",
  path: "/v1/durable/rooms/:id",
  params: z.object({ id: RoomId }),
  ok: z.unknown(),
  stream: "bytes",
  raw: true,
  refusals: { room_not_found: 404, ...gone },
  access: { resource: "room", role: "viewer", scopes: ["read"] },
});
export const readSessionStream = route({
  id: "durable.session",
  summary: "What a session's agent says while it says it, as a durable stream of JSON messages; kept a day",
  method: "GET",
  path: "/v1/durable/sessions/:id",
  params: z.object({ id: SessionId }),
  ok: z.unknown(),
  stream: "bytes",
  raw: true,
  refusals: { session_not_found: 404, ...gone },
  access: { resource: "session", role: "viewer", scopes: ["read"] },
});
export const createStream = route({
  id: "durable.create",
  summary: "Create a stream of a run's output, or find it there",
  method: "PUT",
  path: "/v1/durable/runs/:id/:name",
  params: named,
  ok: z.unknown(),
  stream: "bytes",
  raw: true,
  refusals: { run_not_found: 404, room_role_too_low: 403, stream_conflict: 409, too_many_streams: 409, append_too_fast: 429 },
  access: write,
  bodyLimit: DURABLE_LIMITS.bytesPerAppend,
});
export const appendStream = route({
  id: "durable.append",
  summary: "Append to a stream, close it, or both",
  method: "POST",
  path: "/v1/durable/runs/:id/:name",
  params: named,
  ok: z.unknown(),
  stream: "bytes",
  raw: true,
  refusals: {
    run_not_found: 404,
    stream_not_found: 404,
    room_role_too_low: 403,
    stream_conflict: 409,
    stream_closed: 409,
    sequence_conflict: 409,
    producer_fenced: 403,
    producer_gap: 409,
    stream_full: 413,
    append_too_fast: 429,
  },
  access: write,
  bodyLimit: DURABLE_LIMITS.bytesPerAppend,
});
export const readStream = route({
  id: "durable.read",
  summary: "Read a stream of a run's output: catch-up, long-poll or server-sent events",
  method: "GET",
  path: "/v1/durable/runs/:id/:name",
  params: named,
  ok: z.unknown(),
  stream: "bytes",
  raw: true,
  refusals: { run_not_found: 404, stream_not_found: 404, ...gone },
  access: read,
});
export const deleteStream = route({
  id: "durable.delete",
  summary: "Delete a stream and all that is in it",
  method: "DELETE",
  path: "/v1/durable/runs/:id/:name",
  params: named,
  ok: z.unknown(),
  stream: "bytes",
  raw: true,
  refusals: { run_not_found: 404, stream_not_found: 404, room_role_too_low: 403 },
  access: write,
});
