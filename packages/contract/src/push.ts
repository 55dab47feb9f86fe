/* Web Push: a note on a person's own device when something waits for them. */
import { z } from "zod";
import { Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

/** What a browser's `PushSubscription.toJSON()` gives. */
export const PushSubscriptionInput = z.object({
  endpoint: z.string().min(1).max(2000),
  keys: z.object({ p256dh: z.string().min(1).max(200), auth: z.string().min(1).max(100) }),
  /** For the list: the browser and device. */
  label: z.string().trim().max(100).optional(),
});
export const PushSubscriptionView = z
  .object({
    id: z.string(),
    label: z.string().nullable(),
    /** Host of the push service. */
    service: z.string(),
    created_at: Timestamp,
    last_sent_at: Timestamp.nullable(),
    last_error: z.string().nullable(),
  })
  .meta({ id: "PushSubscription" });
export type PushSubscriptionView = z.infer<typeof PushSubscriptionView>;

/** What the service worker gets, as JSON. `url` is a path of the web app. */
export const PushPayload = z
  .object({
    title: z.string(),
    body: z.string(),
    url: z.string(),
    /** One note for one thing: a later one with the same tag takes its place. */
    tag: z.string(),
    kind: z.string(),
    approval_id: z.string().optional(),
    actions: z.array(z.object({ action: z.enum(["approve", "deny", "open"]), title: z.string() })),
  })
  .meta({ id: "PushPayload" });
export type PushPayload = z.infer<typeof PushPayload>;

const read = { resource: "push", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "push", role: "viewer", scopes: ["write"] } as const;

export const getPushKey = route({
  id: "push.key",
  summary: "The server's VAPID public key, for `pushManager.subscribe`",
  method: "GET",
  path: "/v1/push/key",
  ok: z.object({ public_key: z.string() }).meta({ id: "PushKey" }),
  refusals: {},
  access: read,
});
export const createPushSubscription = route({
  id: "push.subscriptions.create",
  summary: "Send notes to this browser; the same endpoint again replaces it",
  method: "POST",
  path: "/v1/push/subscriptions",
  body: PushSubscriptionInput,
  ok: PushSubscriptionView,
  okStatus: 201,
  refusals: { push_endpoint_not_allowed: 422, push_keys_invalid: 422, too_many_subscriptions: 422 },
  access: write,
});
export const listPushSubscriptions = route({
  id: "push.subscriptions.list",
  summary: "Your browsers that get notes",
  method: "GET",
  path: "/v1/push/subscriptions",
  ok: z.object({ items: z.array(PushSubscriptionView) }).meta({ id: "PushSubscriptions" }),
  refusals: {},
  access: read,
});
export const deletePushSubscription = route({
  id: "push.subscriptions.delete",
  summary: "Send no more notes to a browser",
  method: "DELETE",
  path: "/v1/push/subscriptions/:id",
  params: z.object({ id: z.string().min(1).max(100) }),
  ok: z.object({ ok: z.literal(true) }),
  refusals: { push_subscription_not_found: 404 },
  access: write,
});
export const testPush = route({
  id: "push.test",
  summary: "Send a note to all your browsers, and say what came of it",
  method: "POST",
  path: "/v1/push/test",
  body: z.object({}),
  ok: z
    .object({ items: z.array(z.object({ id: z.string(), ok: z.boolean(), status: z.int().nullable(), message: z.string() })) })
    .meta({ id: "PushTest" }),
  refusals: { no_push_subscriptions: 409 },
  access: write,
});
/** Beaten every 10 s while the page is visible: who looks at it needs no note. */
export const markPushSeen = route({
  id: "push.seen",
  summary: "The page is in front of the person",
  method: "POST",
  path: "/v1/push/seen",
  body: z.object({}),
  ok: z.object({ ok: z.literal(true) }),
  refusals: {},
  access: write,
});
