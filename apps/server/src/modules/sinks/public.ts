/* Events published outward: webhooks and Convex. Deciding is `sink.ts`, delivering `delivery.ts`; see specs/sink.md. */
import { createHash, randomBytes } from "node:crypto";
import path from "node:path";
import {
  changeSink,
  checkSink,
  createSink,
  deleteSink,
  getSink,
  listSinkDeliveries,
  listSinks,
  pauseSink,
  replaySink,
  resumeSink,
  testSink,
  type SinkView,
} from "@signalbox/contract/sinks";
import { erasable } from "@signalbox/eventlog/erasable";
import { startReader, type Reader } from "@signalbox/eventlog/reader";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { newId, uuidv7 } from "@signalbox/kernel/id";
import type { Held } from "@signalbox/providers/sink/port";
import { secretProblem } from "@signalbox/providers/sink/webhook/webhook";
import { sql, type Kysely } from "kysely";
import type pg from "pg";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type Caller, type RequestContext } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { SecretsModule } from "../secrets/public.ts";
import { addressProblem } from "./address.ts";
export { addressProblem, pinnedLookup } from "./address.ts";
import { createDelivery, secretName, type SinkRow } from "./delivery.ts";
import { sink, type SinkCommand } from "./sink.ts";
import { sinksProjection } from "./sinks.projection.ts";

export interface SinksDeps extends Deps {
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  readonly secrets: Pick<SecretsModule, "put" | "get" | "delete">;
  readonly allowPrivate: boolean;
  readonly maxFailures: number;
  readonly firstRetryMs: number;
}

interface Row extends SinkRow {
  readonly position: string;
  readonly behind: string;
  readonly failures: number;
  readonly last_error: string | null;
  readonly last_delivered_at: Date | null;
  readonly next_attempt_at: Date | null;
}

const MAX_SINKS = 50;
const COUNTED = 1000;
const WINDOW = 1000;
const KEPT_DAYS = 7;
const NONE = refused("sink_not_found", { fix: "List them with GET /v1/sinks, or: signalbox sink list" });

export function createSinks(deps: SinksDeps): Module {
  const { db, log, pool, logger, secrets } = deps;
  const delivery = createDelivery({ ...deps, enqueue: (jobs) => enqueueJobs(pool, jobs) });
  let reader: Reader | undefined;

  const rows = (organizationId: string, id: string | null): Promise<Row[]> =>
    db.inOrganization(
      organizationId,
      async (tx: Kysely<unknown>) =>
        (
          await sql<Row>`select s.*, c.position, c.failures, c.last_error, c.last_delivered_at, c.next_attempt_at,
              (select count(*) from (select 1 from evt_events e where e.organization_id = s.organization_id and e.position > c.position limit ${COUNTED}) b) as behind
            from proj_sinks s join sink_cursors c on c.sink_id = s.id
           where ${id}::text is null or s.id = ${id} order by s.created_at, s.id`.execute(tx)
        ).rows,
    );
  const one = async (caller: Caller, id: string): Promise<Row | null> => (await rows(caller.organizationId, id))[0] ?? null;
  const shown = async (caller: Caller, id: string): Promise<z.input<typeof SinkView> | typeof NONE> => {
    const row = await one(caller, id);
    return row === null ? NONE : viewOf(row);
  };

  const command = ({ caller, origin }: Pick<RequestContext, "caller" | "origin">, id: string, of: SinkCommand) =>
    log.run(
      sink,
      { organizationId: caller.organizationId, origin, stream: { type: "organization", id: caller.organizationId }, subject: `sink:${id}` },
      of,
    );

  /** Null: it is kept. */
  async function keep(caller: Caller, id: string, kind: SinkRow["kind"], secret: string) {
    const problem = kind === "webhook" ? secretProblem(secret) : null;
    if (problem !== null) return refused("sink_secret_invalid", { message: problem });
    const kept = await secrets.put(caller.organizationId, secretName(id), secret);
    return kept.ok ? null : refused("secrets_sealed", { message: kept.reason });
  }

  const refuseAddress = (url: string) => {
    const message = addressProblem(url, deps);
    return message === null
      ? null
      : refused("sink_address_refused", {
          message,
          fix: "Use an https address that everybody can reach; an operator may allow others with SIGNALBOX_SINK_ALLOW_PRIVATE=true.",
        });
  };

  /** From the position on, with a fence that stops whoever delivers now; of the jobs' own sequence, so that the next holder's is greater. */
  const rewind = (caller: Caller, id: string, from: number) =>
    db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
      sql`update sink_cursors set position = ${from - 1}, failures = 0, next_attempt_at = null, last_error = null, fence = nextval('jobs_fence') where sink_id = ${id}`.execute(
        tx,
      ),
    );

  async function replay(context: RequestContext, row: Row, from: number): Promise<void> {
    await command(context, row.id, {
      type: "replay",
      data: { sink_id: row.id as never, from_position: from, by: context.caller.principal.id as never },
    });
    await rewind(context.caller, row.id, from);
    await delivery.again(row);
  }

  const routes = [
    handle(listSinks, async ({ caller }) => ({ items: (await rows(caller.organizationId, null)).map(viewOf) })),
    handle(getSink, ({ caller, params }) => shown(caller, params.id)),
    handle(createSink, async (context) => {
      const { caller, body } = context;
      const refusal = refuseAddress(body.url);
      if (refusal !== null) return refusal;
      if (body.kind === "convex" && body.secret === undefined)
        return refused("sink_secret_missing", {
          message: "Convex wants the deployment's deploy key.",
          fix: "Make one in its dashboard under Settings, and give it as the secret.",
        });
      if ((await rows(caller.organizationId, null)).length >= MAX_SINKS)
        return refused("too_many_sinks", { message: `An organization has at most ${MAX_SINKS}.` });
      const id = newId("snk");
      const made = body.secret === undefined ? `whsec_${randomBytes(32).toString("base64")}` : null;
      const unkept = await keep(caller, id, body.kind, body.secret ?? made!);
      if (unkept !== null) return unkept;
      const start = body.from === "now" ? await delivery.head() : 0;
      await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
        sql`insert into sink_cursors (organization_id, sink_id, position) values (${caller.organizationId}, ${id}, ${start})`.execute(tx),
      );
      const { name, kind, url, types, room_ids } = body;
      await command(context, id, {
        type: "create",
        data: { sink_id: id as never, name, kind, url, types, room_ids, by: caller.principal.id as never },
      });
      const row = (await one(caller, id))!;
      await delivery.again(row);
      return { ...viewOf(row), secret: made };
    }),
    handle(changeSink, async (context) => {
      const { caller, params, body } = context;
      const row = await one(caller, params.id);
      if (row === null) return NONE;
      const refusal = body.url === undefined ? null : refuseAddress(body.url);
      if (refusal !== null) return refusal;
      const { secret, ...changed } = body;
      if (secret !== undefined) {
        const unkept = await keep(caller, params.id, row.kind, secret);
        if (unkept !== null) return unkept;
      }
      const decision = await command(context, params.id, {
        type: "change",
        data: {
          sink_id: params.id,
          ...changed,
          ...(secret === undefined ? {} : { secret_changed: true }),
          by: caller.principal.id as never,
        },
      });
      return decision.ok ? shown(caller, params.id) : decision;
    }),
    handle(deleteSink, async (context) => {
      const { caller, params } = context;
      const decision = await command(context, params.id, {
        type: "delete",
        data: { sink_id: params.id, by: caller.principal.id as never },
      });
      if (!decision.ok) return decision;
      await secrets.delete(caller.organizationId, secretName(params.id));
      await db.inOrganization(caller.organizationId, async (tx: Kysely<unknown>) => {
        await sql`delete from sink_deliveries where sink_id = ${params.id}`.execute(tx);
        await sql`delete from sink_cursors where sink_id = ${params.id}`.execute(tx);
      });
      return { deleted: true as const };
    }),
    handle(testSink, async ({ caller, params, now }) => {
      const row = await one(caller, params.id);
      if (row === null) return NONE;
      const opened = await delivery.open(row);
      if (!opened.ok) return { ok: false, status: null, message: opened.message };
      try {
        const { receiver } = opened;
        // To ask is a test as well, and leaves nothing behind.
        if (receiver.held !== null) {
          const held = await receiver.held(1, 1).catch((error: unknown) => (error as Error).message);
          return typeof held === "string" ? { ok: false, status: null, message: held } : { ok: true, status: 200, message: "It answers." };
        }
        const answer = await receiver.deliver([
          {
            id: uuidv7(),
            type: "signalbox.test",
            position: 0,
            subject: `sink:${row.id}`,
            occurredAt: now,
            organizationId: caller.organizationId,
            hash: "",
            envelope: { message: "A test from Signalbox.", sink_id: row.id },
          },
        ]);
        return { ok: answer.ok, status: answer.status, message: answer.ok ? "It took the message." : answer.message };
      } finally {
        await opened.receiver.close();
      }
    }),
    handle(pauseSink, async (context) => {
      const { caller, params } = context;
      const decision = await command(context, params.id, {
        type: "pause",
        data: { sink_id: params.id, reason: "Paused by a person.", by: caller.principal.id as never },
      });
      return decision.ok ? shown(caller, params.id) : decision;
    }),
    handle(resumeSink, async (context) => {
      const { caller, params } = context;
      const decision = await command(context, params.id, {
        type: "resume",
        data: { sink_id: params.id, by: caller.principal.id as never },
      });
      if (!decision.ok) return decision;
      const row = await one(caller, params.id);
      if (row === null) return NONE;
      await delivery.again(row);
      return viewOf(row);
    }),
    handle(replaySink, async (context) => {
      const row = await one(context.caller, context.params.id);
      if (row === null) return NONE;
      const from = context.body.from_position;
      if (from > (await delivery.head()))
        return refused("cursor_in_future", {
          message: `The log has no position ${from} yet.`,
          fix: "Name one that is in it: events carry theirs.",
        });
      await replay(context, row, from);
      return shown(context.caller, row.id);
    }),
    handle(checkSink, async (context) => {
      const row = await one(context.caller, context.params.id);
      if (row === null) return NONE;
      const opened = await delivery.open(row);
      if (!opened.ok) return refused("sink_unreachable", { message: opened.message });
      const { receiver } = opened;
      try {
        if (receiver.held === null)
          return refused("sink_cannot_be_asked", {
            message: "A webhook cannot be asked what it has.",
            fix: "Replay from the position that its receiver last has: signalbox sink replay",
          });
        const windows: Awaited<ReturnType<typeof compareWindow>>[] = [];
        // Not beyond what was delivered: what is on its way is no difference.
        for (let after = context.body.from_position - 1; after < Number(row.position);) {
          const ours = await delivery.events(row, after, Number(row.position), WINDOW);
          const to = ours.length === WINDOW ? ours.at(-1)!.position : Number(row.position);
          windows.push(await compareWindow(ours, await receiver.held(after + 1, to), after + 1, to));
          after = to;
        }
        const first = windows.find(({ agrees }) => !agrees);
        if (first !== undefined && context.body.repair) await replay(context, row, first.from_position);
        return {
          agrees: first === undefined,
          windows,
          replayed_from: first !== undefined && context.body.repair ? first.from_position : null,
        };
      } catch (error) {
        return refused("sink_unreachable", { message: (error as Error).message });
      } finally {
        await receiver.close();
      }
    }),
    handle(listSinkDeliveries, async ({ caller, params, query }) => {
      if ((await one(caller, params.id)) === null) return NONE;
      const before = decodeCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? Number.MAX_SAFE_INTEGER;
      type Delivery = {
        position: string;
        event_id: string;
        type: string;
        state: "delivered" | "failed" | "dead";
        attempts: number;
        status: number | null;
        error: string | null;
        at: Date;
      };
      const { rows: found } = await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
        sql<Delivery>`select * from sink_deliveries where sink_id = ${params.id} and position < ${before}
            and (${query.state ?? null}::text is null or state = ${query.state ?? null})
          order by position desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(
        found,
        query.limit,
        (row) => ({ ...row, position: Number(row.position), at: row.at.toISOString() }),
        (row) => [Number(row.position)],
      );
    }),
  ];

  return {
    routes,
    projections: [erasable(sinksProjection, { bySubject: { proj_sinks: "id" } })],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: { "sinks.deliver": delivery.run },
    schedules: [
      {
        name: "sinks.forget",
        cron: "29 4 * * *",
        run: async () => void (await pool.query(`delete from sink_deliveries where at < now() - interval '${KEPT_DAYS} days'`)),
      },
    ],
    background: {
      async start() {
        reader = startReader({
          name: "sinks",
          pool,
          log,
          restMs: 100,
          // Each sink has a cursor of its own; this only wakes them.
          from: "now",
          onError: (error) => logger.warn({ err: error }, "sinks could not be woken; it is tried again"),
          async handle(tx, events) {
            const organizations = [...new Set(events.map(({ organizationId }) => organizationId))];
            const { rows: active } = await tx.query<{ organization_id: string; id: string }>(
              "select organization_id, id from proj_sinks where organization_id = any($1) and status = 'active'",
              [organizations],
            );
            await enqueueJobs(
              tx,
              active.map(({ organization_id, id }) => ({
                kind: "sinks.deliver",
                organizationId: organization_id,
                payload: { sink_id: id },
                key: id,
              })),
            );
          },
        });
      },
      async stop() {
        await reader?.stop();
      },
    },
  };
}

async function compareWindow(ours: readonly Held[], theirs: readonly Held[], from: number, to: number) {
  const [digest, theirDigest] = [digestOf(ours), digestOf(theirs)];
  return {
    from_position: from,
    to_position: to,
    count: ours.length,
    digest,
    their_count: theirs.length,
    their_digest: theirDigest,
    agrees: digest === theirDigest,
  };
}

const digestOf = (held: readonly Held[]): string =>
  `sha256:${createHash("sha256")
    .update(
      held
        .toSorted((a, b) => a.position - b.position)
        .map(({ position, hash }) => `${position} ${hash}\n`)
        .join(""),
    )
    .digest("hex")}`;

function viewOf(row: Row): z.input<typeof SinkView> {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    url: row.url,
    types: [...row.types],
    room_ids: [...row.room_ids],
    status: row.status,
    paused_reason: row.paused_reason,
    position: Number(row.position),
    behind: Number(row.behind),
    failures: row.failures,
    last_error: row.last_error,
    last_delivered_at: row.last_delivered_at?.toISOString() ?? null,
    next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    created_by: row.created_by,
  };
}
