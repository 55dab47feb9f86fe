/* One search over everything a person may see, for the command palette. */
import { z } from "zod";
import { RoomId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const SearchKind = z.enum(["session", "room", "message", "run", "approval", "artifact"]).meta({ id: "SearchKind" });
export type SearchKind = z.infer<typeof SearchKind>;
export const SearchHit = z
  .object({
    kind: SearchKind,
    id: z.string(),
    title: z.string(),
    /** Plain text around the match; null when the title says it all. */
    snippet: z.string().nullable(),
    at: Timestamp,
    room_id: RoomId.nullable(),
    session_id: z.string().nullable(),
    thread_id: z.string().nullable(),
    run_id: z.string().nullable(),
  })
  .meta({ id: "SearchHit" });
export type SearchHit = z.infer<typeof SearchHit>;

export const searchAll = route({
  id: "search.all",
  summary: "Search sessions, rooms, messages, runs, approvals and artifacts",
  method: "GET",
  path: "/v1/search",
  query: z.object({
    q: z.string().trim().max(200),
    /** Of each group. */
    limit: z.coerce.number().int().min(1).max(20).default(5),
    kind: SearchKind.optional(),
  }),
  ok: z
    .object({ groups: z.array(z.object({ kind: SearchKind, items: z.array(SearchHit), more: z.boolean() })) })
    .meta({ id: "SearchResults" }),
  refusals: {},
  access: { resource: "search", role: "viewer", scopes: ["read"] },
});
/** The messages of one room; newest first. */
export const searchRoom = route({
  id: "rooms.search",
  summary: "Search the messages of a room",
  method: "GET",
  path: "/v1/rooms/:id/search",
  params: z.object({ id: RoomId }),
  query: z.object({ q: z.string().trim().min(1).max(200), limit: z.coerce.number().int().min(1).max(100).default(30) }),
  ok: z.object({ items: z.array(SearchHit) }).meta({ id: "RoomSearchResults" }),
  refusals: { room_not_found: 404 },
  access: { resource: "room", role: "viewer", scopes: ["read"] },
});
