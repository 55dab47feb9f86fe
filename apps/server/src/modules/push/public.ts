/*
 * Web Push: something comes to wait for a person, and a note of it reaches their browsers. specs/web-push.md.
 *
 *   event in the log ─reader─► push.notify ─► who has it on their list, and does not look right now?
 *                                              └─► push.send, one for each of their browsers ─► push service
 *
 * The reader enqueues with its checkpoint, and a job is one by (item, browser): nothing is announced twice.
 */
import { startReader, type Reader } from "@signalbox/eventlog/reader";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { type Kysely, sql } from "kysely";
import type { Job, Module } from "../../module.ts";
import { openingOf } from "../attention/public.ts";
import { type Item, noteOf } from "./notes.ts";
import { pushRoutes } from "./routes.ts";
import { createSender, type Sender } from "./send.ts";
import type { PushDeps, Subscription } from "./subscription.ts";

export type { PushDeps } from "./subscription.ts";
export { openVapidKeys } from "./vapid.ts";

/** What puts something on a list at once; what is stuck is seen when somebody looks. */
const TYPES = [
  "approval.requested",
  "question.asked",
  "run.failed",
  "run.timed_out",
  "run.needs_human",
  "session.failed",
  "invocation.unknown",
] as const;
/** Whose page beat so lately has it before their eyes. */
const LOOKING_MS = 20_000;
const DAY_S = 24 * 3600;

type Db = Kysely<Record<string, never>>;

export function createPush(deps: PushDeps): Module & { readonly sender: Sender } {
  const { db, clock, logger, log, pool } = deps;
  const sender = createSender(deps);
  let reader: Reader | undefined;

  async function isLooking(tx: Db, principalId: string): Promise<boolean> {
    const { rows } = await sql<{ seen_at: Date }>`select seen_at from push_seen where principal_id = ${principalId}`.execute(tx);
    return rows[0] !== undefined && clock.nowMs() - rows[0].seen_at.getTime() < LOOKING_MS;
  }

  async function itemFor(organizationId: string, principalId: string, id: string): Promise<Item | null> {
    const role = await deps.roleOf(organizationId, principalId);
    return role === null ? null : deps.openItem({ organizationId, principalId, role }, id);
  }

  async function notify({ organizationId, payload }: Job): Promise<void> {
    const { item_id: itemId } = payload as { item_id: string };
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ id: string; principal_id: string }>`select id, principal_id from push_subscriptions order by principal_id, id`.execute(tx),
    );
    for (const principalId of new Set(rows.map((row) => row.principal_id))) {
      if ((await itemFor(organizationId, principalId, itemId)) === null) continue;
      if (await db.inOrganization(organizationId, (tx: Db) => isLooking(tx, principalId))) continue;
      const theirs = rows.filter((row) => row.principal_id === principalId);
      await deps.enqueue(
        theirs.map(({ id }) => ({
          kind: "push.send",
          organizationId,
          payload: { item_id: itemId, subscription_id: id },
          key: `${itemId} ${id}`,
        })),
      );
    }
  }

  async function send({ organizationId, payload }: Job): Promise<void> {
    const { item_id: itemId, subscription_id: id } = payload as { item_id: string; subscription_id: string };
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<Subscription>`select * from push_subscriptions where id = ${id}`.execute(tx),
    );
    const subscription = rows[0];
    if (subscription === undefined) return;
    // Decided, answered or taken off their list meanwhile: there is nothing to say any more.
    const item = await itemFor(organizationId, subscription.principal_id, itemId);
    if (item === null) return;
    const ttlS = item.approval === null ? DAY_S : (Date.parse(item.approval.expires_at) - clock.nowMs()) / 1000;
    const urgency = item.kind === "approval" || item.kind === "question" ? "high" : "normal";
    const sent = await sender.send(subscription, noteOf(item), { ttlS, urgency });
    await remember(organizationId, id, sent);
    if (!sent.ok && sent.outcome === "later") throw new Error(sent.message);
  }

  async function remember(organizationId: string, id: string, sent: Awaited<ReturnType<Sender["send"]>>): Promise<void> {
    await db.inOrganization(organizationId, async (tx) => {
      if (!sent.ok && sent.outcome === "gone") await sql`delete from push_subscriptions where id = ${id}`.execute(tx);
      else
        await sql`update push_subscriptions set last_error = ${sent.ok ? null : sent.message},
                   last_sent_at = case when ${sent.ok} then ${clock.now()}::timestamptz else last_sent_at end where id = ${id}`.execute(tx);
    });
  }

  return {
    sender,
    routes: pushRoutes({ ...deps, sender, remember }),
    projections: [],
    schemas: [],
    jobs: { "push.notify": notify, "push.send": send },

    background: {
      async start() {
        reader = startReader({
          name: "push",
          pool,
          log,
          types: TYPES,
          // What waited before there was anybody to tell is on their list when they look.
          from: "now",
          onError: (error) => logger.warn({ err: error }, "notes could not be prepared; they are tried again"),
          async handle(tx, events) {
            const jobs = events.flatMap((r) => {
              const item = openingOf(r);
              return item === null
                ? []
                : [{ kind: "push.notify", organizationId: r.organizationId, payload: { item_id: item.id }, key: item.id }];
            });
            await enqueueJobs(tx, jobs);
          },
        });
      },
      async stop() {
        await reader?.stop();
      },
    },
    async stop() {
      await sender.close();
    },
  };
}
