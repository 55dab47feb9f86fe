import {
  createPushSubscription,
  deletePushSubscription,
  getPushKey,
  listPushSubscriptions,
  markPushSeen,
  type PushSubscriptionView,
  testPush,
} from "@signalbox/contract/push";
import { sql } from "kysely";
import type { z } from "zod";
import { type BoundRoute, handle, refused } from "../../http/handle.ts";
import { endpointProblem } from "./endpoint.ts";
import { TEST_NOTE } from "./notes.ts";
import type { Sender } from "./send.ts";
import { keysAreValid, newSubscriptionId, type PushDeps, type Subscription } from "./subscription.ts";

/** More browsers than anybody has. */
const MOST = 20;

type RouteDeps = PushDeps & {
  sender: Sender;
  remember: (organizationId: string, id: string, sent: Awaited<ReturnType<Sender["send"]>>) => Promise<void>;
};

export function pushRoutes({ db, clock, vapid, allowLoopback, sender, remember }: RouteDeps): readonly BoundRoute[] {
  const ofPerson = async (organizationId: string, principalId: string): Promise<Subscription[]> => {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<Subscription>`select * from push_subscriptions where principal_id = ${principalId} order by created_at desc, id`.execute(tx),
    );
    return rows;
  };

  return [
    handle(getPushKey, async () => ({ public_key: vapid.publicKey })),

    handle(createPushSubscription, async ({ caller, body }) => {
      const { organizationId, principal } = caller;
      const problem = endpointProblem(body.endpoint, { allowLoopback });
      if (problem !== null)
        return refused("push_endpoint_not_allowed", { message: problem, fix: "Subscribe with the browser's own push service." });
      if (!keysAreValid(body.keys.p256dh, body.keys.auth))
        return refused("push_keys_invalid", { message: "The subscription's keys are not valid.", fix: "Subscribe anew in the browser." });
      const before = await ofPerson(organizationId, principal.id);
      if (before.length >= MOST && !before.some(({ endpoint }) => endpoint === body.endpoint))
        return refused("too_many_subscriptions", { message: `A person gets notes in at most ${MOST} browsers.`, fix: "Remove one first." });
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        // The same browser may be another person's now: the endpoint is the browser's.
        sql<Subscription>`
          insert into push_subscriptions as s (organization_id, id, principal_id, endpoint, p256dh, auth, label)
          values (${organizationId}, ${newSubscriptionId()}, ${principal.id}, ${body.endpoint}, ${body.keys.p256dh}, ${body.keys.auth}, ${body.label ?? null})
          on conflict (organization_id, endpoint) do update
             set principal_id = excluded.principal_id, p256dh = excluded.p256dh, auth = excluded.auth, label = coalesce(excluded.label, s.label), last_error = null
          returning *`.execute(tx),
      );
      return viewOf(rows[0]!);
    }),

    handle(listPushSubscriptions, async ({ caller }) => ({
      items: (await ofPerson(caller.organizationId, caller.principal.id)).map(viewOf),
    })),

    handle(deletePushSubscription, async ({ caller, params }) => {
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<{
          id: string;
        }>`delete from push_subscriptions where id = ${params.id} and principal_id = ${caller.principal.id} returning id`.execute(tx),
      );
      return rows.length > 0
        ? { ok: true }
        : refused("push_subscription_not_found", { message: "There is no such subscription of yours.", fix: "List them first." });
    }),

    handle(testPush, async ({ caller }) => {
      const { organizationId, principal } = caller;
      const mine = await ofPerson(organizationId, principal.id);
      if (mine.length === 0)
        return refused("no_push_subscriptions", {
          message: "None of your browsers gets notes yet.",
          fix: "Turn them on in this browser first.",
        });
      const items = await Promise.all(
        mine.map(async (subscription) => {
          const sent = await sender.send(subscription, TEST_NOTE, { ttlS: 60, urgency: "high" });
          await remember(organizationId, subscription.id, sent);
          return { id: subscription.id, ok: sent.ok, status: sent.status, message: sent.ok ? "The push service took it." : sent.message };
        }),
      );
      return { items };
    }),

    handle(markPushSeen, async ({ caller }) => {
      await db.inOrganization(caller.organizationId, (tx) =>
        sql`insert into push_seen as s (organization_id, principal_id, seen_at) values (${caller.organizationId}, ${caller.principal.id}, ${clock.now()}::timestamptz)
            on conflict (organization_id, principal_id) do update set seen_at = greatest(s.seen_at, excluded.seen_at)`.execute(tx),
      );
      return { ok: true };
    }),
  ];
}

const viewOf = (row: Subscription): z.input<typeof PushSubscriptionView> => ({
  id: row.id,
  label: row.label,
  service: new URL(row.endpoint).hostname,
  created_at: row.created_at.toISOString(),
  last_sent_at: row.last_sent_at?.toISOString() ?? null,
  last_error: row.last_error,
});
