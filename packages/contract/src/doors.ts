/*
 * Ways in that are no routes: sockets, host names, other people's protocols, and what the topics of `sync:v1` admit.
 * The access matrix tries each as everybody whom it does not admit; whatever the server answers that neither a route
 * nor a door declares fails it.
 */

export interface Door {
  /** As the server registers it; `*.` a wildcard of host names. */
  readonly path: string;
  readonly kind: "http" | "socket" | "host";
  /** What has to be presented. `none`: everybody is admitted, and it says nothing about anybody. */
  readonly credential: "none" | "sync token" | "virtual key" | "unguessable name" | "service signature" | "browser flow";
  /** How everybody else is answered, all alike: an HTTP status, or the code that a socket closes with. */
  readonly refusal: { readonly status: number } | { readonly close: number; readonly code: string } | null;
}

export const DOORS: readonly Door[] = [
  { path: "/v1/sync", kind: "socket", credential: "sync token", refusal: { close: 4401, code: "unauthenticated" } },
  { path: "/v1/terminals/socket", kind: "socket", credential: "sync token", refusal: { close: 4401, code: "unauthenticated" } },
  { path: "/internal/*", kind: "http", credential: "service signature", refusal: { status: 401 } },
  { path: "/internal/v1/terminals/socket", kind: "socket", credential: "service signature", refusal: { status: 401 } },
  { path: "/llm/v1/*", kind: "http", credential: "virtual key", refusal: { status: 401 } },
  { path: "*.preview.localhost", kind: "host", credential: "unguessable name", refusal: { status: 404 } },
  /** better-auth's own paths: each is part of proving who one is. */
  { path: "/api/auth/*", kind: "http", credential: "browser flow", refusal: null },
  { path: "/metrics", kind: "http", credential: "none", refusal: null },
  { path: "/readyz", kind: "http", credential: "none", refusal: null },
  { path: "/openapi.json", kind: "http", credential: "none", refusal: null },
  /** The web app: files that everybody gets. */
  { path: "/*", kind: "http", credential: "none", refusal: null },
];

/** Of a topic's name the part before the colon. */
export type TopicKind =
  | "runtime.run_summaries"
  | "runtime.worker_summaries"
  | "runtime.notifications"
  | "inbox"
  | "room"
  | "session"
  | "presence";

/**
 * Everybody in the organization may follow the topics of documents and sees of them what is in their rooms; one of a room
 * exists only for those who are in it. Whoever may not follow is told `forbidden_topic`, whether it exists or not.
 */
export const TOPIC_ACCESS: Readonly<Record<TopicKind, { readonly admits: "organization" | "room"; readonly refusal: "forbidden_topic" }>> =
  {
    "runtime.run_summaries": { admits: "organization", refusal: "forbidden_topic" },
    "runtime.worker_summaries": { admits: "organization", refusal: "forbidden_topic" },
    "runtime.notifications": { admits: "organization", refusal: "forbidden_topic" },
    inbox: { admits: "organization", refusal: "forbidden_topic" },
    room: { admits: "room", refusal: "forbidden_topic" },
    session: { admits: "room", refusal: "forbidden_topic" },
    presence: { admits: "room", refusal: "forbidden_topic" },
  };
