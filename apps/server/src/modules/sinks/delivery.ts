/*
 * Delivering: one job a sink, so that one process at a time does it (the job's lease), in the order of the log.
 *
 *   claim the cursor with the job's fence ─► read what comes after ─► deliver ─► move the cursor, if the fence still stands
 *                                                      │ failed
 *                                                      ▼
 *                          try again after 1 s, 2 s, 4 s … ─── too often, or for good ──► dead, and the sink is paused
 *
 * A crash between delivery and record delivers again: the message has the event's id both times. A holder that lost
 * its lease cannot move the cursor: a later one has a greater fence.
 */
import { recordedOf, STORED_COLUMNS, type StoredRow } from "@signalbox/eventlog/envelope";
import type { EventLog } from "@signalbox/eventlog/log";
import { plusMs, type Clock } from "@signalbox/kernel/clock";
import { convexSink } from "@signalbox/providers/sink/convex/convex";
import type { OutgoingEvent, Sink as Receiver } from "@signalbox/providers/sink/port";
import { webhookSink } from "@signalbox/providers/sink/webhook/webhook";
import type pg from "pg";
import { envelopeOf } from "../../envelope.ts";
import type { Job } from "../../module.ts";
import type { SecretsModule } from "../secrets/public.ts";
import { addressProblem, pinnedLookup } from "./address.ts";
import { sink } from "./sink.ts";

export interface SinkRow {
  readonly organization_id: string;
  readonly id: string;
  readonly name: string;
  readonly kind: "webhook" | "convex";
  readonly url: string;
  readonly types: readonly string[];
  readonly room_ids: readonly string[];
  readonly status: "active" | "paused";
  readonly paused_reason: string | null;
  readonly created_at: Date;
  readonly created_by: string;
}

export interface DeliveryDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly secrets: Pick<SecretsModule, "get">;
  readonly allowPrivate: boolean;
  readonly maxFailures: number;
  readonly firstRetryMs: number;
  readonly enqueue: (
    jobs: readonly { kind: string; organizationId: string; payload: object; key: string; runAt?: string }[],
  ) => Promise<void>;
  /** Crash points of tests. */
  readonly atDelivery?: ((step: "claimed" | "delivered" | "recorded") => void) | undefined;
}

export const secretName = (sinkId: string): string => `sink:${sinkId}`;
export const BY_ITSELF = { principal: { id: "svc_sinks", type: "service" } } as const;
const READ = 200;
const MAX_RETRY_MS = 15 * 60_000;

type Opened = { readonly ok: true; readonly receiver: Receiver } | { readonly ok: false; readonly message: string };

export function createDelivery(deps: DeliveryDeps) {
  const { pool, clock } = deps;

  async function open(of: SinkRow): Promise<Opened> {
    const problem = addressProblem(of.url, deps);
    if (problem !== null) return { ok: false, message: problem };
    const secret = await deps.secrets.get(of.organization_id, secretName(of.id));
    if (!secret.ok) return { ok: false, message: secret.code === "absent" ? "Its secret is gone; give it another one." : secret.reason };
    const options = { url: of.url, secret: secret.value, lookup: pinnedLookup(deps) };
    return { ok: true, receiver: of.kind === "webhook" ? webhookSink({ ...options, now: clock.nowMs }) : convexSink(options) };
  }

  async function find(sinkId: string): Promise<SinkRow | null> {
    const { rows } = await pool.query<SinkRow>("select * from proj_sinks where id = $1", [sinkId]);
    return rows[0] ?? null;
  }

  /** Ascending; `to` is looked at before, so that nothing that comes meanwhile is skipped. */
  async function events(of: SinkRow, after: number, to: number, limit: number): Promise<OutgoingEvent[]> {
    const exact = of.types.filter((type) => !type.endsWith(".*"));
    const prefixes = of.types.filter((type) => type.endsWith(".*")).map((type) => `${type.slice(0, -1)}%`);
    const { rows } = await pool.query<StoredRow>(
      `select ${STORED_COLUMNS} from evt_events e left join evt_payloads p on p.position = e.position and p.position > $2
        where e.organization_id = $1 and e.position > $2 and e.position <= $3 and e.import_id is null
          and ($4 or e.type = any($5::text[]) or e.type like any($6::text[]))
          and (cardinality($7::text[]) = 0 or (e.stream_type = 'room' and e.stream_id = any($7::text[])))
        order by e.position limit $8`,
      [of.organization_id, after, to, of.types.length === 0, exact, prefixes, of.room_ids, limit],
    );
    return (await deps.log.hydrate(rows)).map((row) => {
      const event = recordedOf(row);
      return {
        id: event.eventId,
        type: event.event.type,
        position: Number(row.position),
        subject: event.subject,
        occurredAt: event.occurredAt,
        organizationId: event.organizationId,
        hash: event.hash,
        envelope: envelopeOf(event),
      };
    });
  }

  async function head(): Promise<number> {
    const { rows } = await pool.query<{ high: string }>("select coalesce(max(position), 0) as high from evt_events");
    return Number(rows[0]?.high ?? 0);
  }

  /** False when a later holder has it. */
  async function record(
    of: SinkRow,
    fence: number,
    sent: readonly OutgoingEvent[],
    how: { state: "delivered" | "failed" | "dead"; attempts: number; status: number | null; error: string | null },
    cursor: { position: number; failures: number; nextAttemptAt: string | null },
  ): Promise<boolean> {
    const now = clock.now();
    const { rowCount } = await pool.query(
      `with moved as (
         update sink_cursors set position = $3, failures = $4, next_attempt_at = $5, last_error = $6,
                last_delivered_at = case when $7 then $8::timestamptz else last_delivered_at end
          where sink_id = $1 and fence = $2 returning organization_id, sink_id),
       written as (
         insert into sink_deliveries (organization_id, sink_id, position, event_id, type, state, attempts, status, error, at)
         select m.organization_id, m.sink_id, x.position, x.id, x.type, $9, $10, $11, $6, $8
           from moved m, unnest($12::bigint[], $13::uuid[], $14::text[]) as x (position, id, type)
         on conflict (organization_id, sink_id, position) do update
           set state = excluded.state, attempts = excluded.attempts, status = excluded.status, error = excluded.error, at = excluded.at)
       select 1 from moved`,
      [
        of.id,
        fence,
        cursor.position,
        cursor.failures,
        cursor.nextAttemptAt,
        how.error,
        how.state === "delivered" && sent.length > 0,
        now,
        how.state,
        how.attempts,
        how.status,
        sent.map(({ position }) => position),
        sent.map(({ id }) => id),
        sent.map(({ type }) => type),
      ],
    );
    return rowCount === 1;
  }

  const again = (of: SinkRow, runAt?: string) =>
    deps.enqueue([
      {
        kind: "sinks.deliver",
        organizationId: of.organization_id,
        payload: { sink_id: of.id },
        key: of.id,
        ...(runAt === undefined ? {} : { runAt }),
      },
    ]);

  async function pause(of: SinkRow, reason: string): Promise<void> {
    await deps.log.run(
      sink,
      {
        organizationId: of.organization_id,
        origin: BY_ITSELF,
        stream: { type: "organization", id: of.organization_id },
        subject: `sink:${of.id}`,
      },
      { type: "pause", data: { sink_id: of.id as never, reason, by: BY_ITSELF.principal.id as never } },
    );
  }

  async function run(job: Job): Promise<void> {
    const { sink_id: sinkId } = job.payload as { sink_id: string };
    const of = await find(sinkId);
    if (of === null || of.status !== "active") return;
    const { rows } = await pool.query<{ position: string; failures: number; next_attempt_at: Date | null }>(
      "update sink_cursors set fence = $2 where sink_id = $1 and fence < $2 returning position, failures, next_attempt_at",
      [sinkId, job.fence],
    );
    const cursor = rows[0];
    if (cursor === undefined) return;
    if (cursor.next_attempt_at !== null && cursor.next_attempt_at.getTime() > clock.nowMs())
      return again(of, cursor.next_attempt_at.toISOString());
    const opened = await open(of);
    if (!opened.ok) return pause(of, opened.message);
    deps.atDelivery?.("claimed");
    try {
      await drain(of, job, opened.receiver, Number(cursor.position), cursor.failures);
    } finally {
      await opened.receiver.close();
    }
  }

  async function drain(of: SinkRow, job: Job, receiver: Receiver, from: number, failedBefore: number): Promise<void> {
    let position = from;
    let failures = failedBefore;
    for (;;) {
      const to = await head();
      const found = await events(of, position, to, READ);
      for (let i = 0; i < found.length; i += receiver.batchSize) {
        if (job.signal.aborted) return again(of);
        const batch = found.slice(i, i + receiver.batchSize);
        const answer = await receiver.deliver(batch);
        deps.atDelivery?.("delivered");
        const attempts = failures + 1;
        if (answer.ok) {
          position = batch.at(-1)!.position;
          failures = 0;
          const how = { state: "delivered", attempts, status: answer.status, error: null } as const;
          if (!(await record(of, job.fence, batch, how, { position, failures, nextAttemptAt: null }))) return;
          deps.atDelivery?.("recorded");
          continue;
        }
        const isDead = answer.isFinal || attempts >= deps.maxFailures;
        const nextAttemptAt = isDead ? null : plusMs(clock.now(), Math.min(deps.firstRetryMs * 2 ** failures, MAX_RETRY_MS));
        const how = { state: isDead ? "dead" : "failed", attempts, status: answer.status, error: answer.message } as const;
        // What is dead is left behind: the cursor goes past it, so that resuming goes on and replaying is somebody's decision.
        const moved = isDead
          ? { position: batch.at(-1)!.position, failures: 0, nextAttemptAt }
          : { position, failures: attempts, nextAttemptAt };
        if (!(await record(of, job.fence, batch, how, moved))) return;
        if (isDead) return pause(of, `${answer.message} Given up after ${attempts === 1 ? "one attempt" : `${attempts} attempts`}.`);
        return again(of, nextAttemptAt!);
      }
      if (found.length === READ) continue;
      // Past what it does not take, so that the next look begins there.
      if (to > position) {
        const how = { state: "delivered", attempts: 0, status: null, error: null } as const;
        await record(of, job.fence, [], how, { position: to, failures: 0, nextAttemptAt: null });
      }
      return;
    }
  }

  return { run, open, events, head, again };
}
