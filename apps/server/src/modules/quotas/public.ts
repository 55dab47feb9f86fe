/*
 * Quotas of organizations, enforced where something is admitted; see specs/quota.md.
 *
 *   sessions         a seat is taken under a lock of the organization, counted with the sessions that run, and given
 *                    back once the session shows (or did not come to be)
 *   storage_bytes    every content of the organization once, and what engines attach inline: one locked row
 *   events_per_day   counted by a reader of the log; what makes many events is not begun once they are used up
 */
import { getQuotas, setQuotas, type QuotasView } from "@signalbox/contract/quotas";
import type { QuotaName } from "@signalbox/contract/events/quotas";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { startReader, type Reader } from "@signalbox/eventlog/reader";
import type { Blobs, StoredBlob } from "@signalbox/providers/blob/port";
import { type Kysely, sql } from "kysely";
import type pg from "pg";
import type { z } from "zod";
import { handle, refused } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { Deps, Module } from "../../module.ts";
import { countedBlobs, keepIn, limitedBlobs, recount } from "./counted-blobs.ts";
import { quota, type QuotaCommand } from "./quota.ts";

type View = z.input<typeof QuotasView>;
export type Limits = Readonly<Record<QuotaName, number | null>>;

export interface QuotasModule extends Module {
  /**
   * Runs `work`, which starts that session. Before it does it takes a seat, which is held until `work` is over; there being
   * none is thrown as the refusal. A repeat of an old request takes none: it gets the answer that it had.
   */
  withSeat<T>(organizationId: string, sessionId: string, work: (takeSeat: () => Promise<void>) => Promise<T>): Promise<T>;
  /** The store, with what is put and erased counted. */
  readonly blobs: Blobs;
  /** The same for whoever may be refused: throws the refusal when content would be too much. */
  readonly limitedBlobs: Blobs;
  /** Counts bytes that are kept in the log itself (or, negative, were not after all); throws the refusal when they would be too many. */
  admitBytes(organizationId: string, bytes: number): Promise<void>;
  /** What those organizations may use, and use, in few queries: for who looks at all of them. */
  viewsOf(organizationIds: readonly string[]): Promise<ReadonlyMap<string, View>>;
  /** For whatever makes events for a while: a session, a run, a prompt. */
  admitWork(organizationId: string): Promise<void>;
}

export interface QuotasDeps extends Deps {
  /** As `sb_log`: operators set the limits of every organization, and the reader counts for all. */
  readonly pool: pg.Pool;
  /** Where content is, uncounted. */
  readonly store: Blobs;
  /** What holds where no operator said otherwise. */
  readonly defaults: Limits;
  /** Ids of sessions that run, or are about to, in the organization of the transaction. */
  readonly activeSessions: (tx: Kysely<unknown>) => Promise<readonly string[]>;
  /** How many of them each of the organizations has; absent: none. */
  readonly activeSessionCounts: (organizationIds: readonly string[]) => Promise<ReadonlyMap<string, number>>;
}

/** No row: all null. */
interface LimitsRow {
  readonly sessions: number | null;
  readonly storage_bytes: string | null;
  readonly events_per_day: string | null;
  readonly set_at: Date | null;
}
const NAMES = ["sessions", "storage_bytes", "events_per_day"] as const satisfies readonly QuotaName[];
const FRESH_MS = 1000;
/** A process that died while it started a session holds no seat longer than this. */
const SEAT_MS = 60_000;
const WARN_AT = 0.8;
const SAYS: Readonly<Record<QuotaName, { readonly message: (limit: number) => string; readonly fix: string }>> = {
  sessions: {
    message: (limit) => `The organization runs ${limit} sessions at once already, which is all that it may.`,
    fix: "Pause or stop one, or ask an operator for a higher limit.",
  },
  storage_bytes: {
    message: (limit) => `That would keep more than the ${limit} bytes that the organization may.`,
    fix: "Redact what is not needed, whose content goes with it, or ask an operator for a higher limit.",
  },
  events_per_day: {
    message: (limit) => `The organization has used up its ${limit} events of today.`,
    fix: "It begins anew at midnight UTC; an operator may set a higher limit.",
  },
};

export function createQuotas(deps: QuotasDeps): QuotasModule {
  const { log, db, clock, pool, logger } = deps;
  const remembered = new Map<string, { readonly limits: Limits; readonly setAt: Date | null; readonly atMs: number }>();
  const used = new Map<string, { readonly events: number; readonly atMs: number }>();
  let reader: Reader | undefined;

  const today = (): string => clock.now().slice(0, 10);

  const limitsIn = (row: LimitsRow | undefined): Limits =>
    Object.fromEntries(NAMES.map((name) => [name, row?.[name] == null ? deps.defaults[name] : Number(row[name])])) as unknown as Limits;

  async function limitsOf(organizationId: string): Promise<{ readonly limits: Limits; readonly setAt: Date | null }> {
    const known = remembered.get(organizationId);
    const atMs = performance.now();
    if (known !== undefined && atMs - known.atMs < FRESH_MS) return known;
    const { rows } = await db.inOrganization(organizationId, (tx) => sql<LimitsRow>`select * from quo_limits`.execute(tx));
    const found = { limits: limitsIn(rows[0]), setAt: rows[0]?.set_at ?? null, atMs };
    if (remembered.size >= 10_000) remembered.clear();
    remembered.set(organizationId, found);
    return found;
  }

  async function decide(organizationId: string, name: QuotaName, command: QuotaCommand): Promise<void> {
    await log.run(
      quota,
      {
        organizationId,
        origin: { principal: { id: "svc_signalbox", type: "service" } },
        stream: { type: "organization", id: organizationId },
        subject: `quota:${name}`,
      },
      command,
    );
  }
  /** Told beside the work: what was admitted does not wait for it, nor fail with it. */
  function tell(
    organizationId: string,
    name: QuotaName,
    type: "warn" | "exceed",
    of: { readonly used: number; readonly limit: number },
  ): void {
    decide(organizationId, name, { type, data: { quota: name, ...of, day: today() } }).catch((error: unknown) =>
      logger.warn({ err: error, organizationId, quota: name }, "that a quota is nearly used up could not be told"),
    );
  }
  function admitted(organizationId: string, name: QuotaName, usedNow: number, limit: number): void {
    if (usedNow >= limit * WARN_AT) tell(organizationId, name, "warn", { used: usedNow, limit });
  }
  function refuse(organizationId: string, name: QuotaName, usedNow: number, limit: number): never {
    tell(organizationId, name, "exceed", { used: usedNow, limit });
    const { message, fix } = SAYS[name];
    throw new ShellRefused("quota_exceeded", message(limit), { fix, details: { quota: name, used: usedNow, limit } });
  }

  /** Who waits for the lock waits here, one of a process at the database: fifty at once must not hold all connections. */
  const queues = new Map<string, Promise<unknown>>();
  function inTurn<T>(organizationId: string, work: () => Promise<T>): Promise<T> {
    const before = queues.get(organizationId) ?? Promise.resolve();
    const turn = before.then(work, work);
    queues.set(organizationId, turn);
    const done = (): void => {
      if (queues.get(organizationId) === turn) queues.delete(organizationId);
    };
    turn.then(done, done);
    return turn;
  }

  function takeSeat(
    organizationId: string,
    sessionId: string,
    limit: number,
  ): Promise<{ readonly taken: boolean; readonly running: number }> {
    return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
      // One at a time of an organization, in whichever process; whoever comes next sees this one's seat.
      await sql`select pg_advisory_xact_lock(hashtextextended(${`quota ${organizationId}`}, 0))`.execute(tx);
      const now = clock.now();
      const { rows } = await sql<{ session_id: string }>`
        with over as (delete from quo_seats where taken_at < ${now}::timestamptz - make_interval(secs => ${SEAT_MS / 1000}) returning session_id)
        select session_id from quo_seats where session_id not in (select session_id from over)`.execute(tx);
      // Read after the lock was got, so that a session whose seat was just given back is seen; and over the connection that
      // is held, since all of them may be held by those who wait for the lock.
      const running = new Set([...(await deps.activeSessions(tx)), ...rows.map((row) => row.session_id)]);
      if (running.has(sessionId)) return { taken: true, running: running.size };
      if (running.size >= limit) return { taken: false, running: running.size };
      await sql`insert into quo_seats (organization_id, session_id, taken_at) values (${organizationId}, ${sessionId}, ${now}) on conflict do nothing`.execute(
        tx,
      );
      return { taken: true, running: running.size + 1 };
    });
  }

  async function eventsToday(organizationId: string): Promise<number> {
    const day = today();
    const known = used.get(`${organizationId} ${day}`);
    const atMs = performance.now();
    if (known !== undefined && atMs - known.atMs < FRESH_MS) return known.events;
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ events: string }>`select events from quo_usage where day = ${day}`.execute(tx),
    );
    const events = Number(rows[0]?.events ?? 0);
    if (used.size >= 10_000) used.clear();
    used.set(`${organizationId} ${day}`, { events, atMs });
    return events;
  }
  async function bytesOf(organizationId: string): Promise<number> {
    const { rows } = await db.inOrganization(organizationId, (tx) => sql<{ bytes: string }>`select bytes from quo_storage`.execute(tx));
    return Number(rows[0]?.bytes ?? 0);
  }

  async function admitWork(organizationId: string): Promise<void> {
    const { events_per_day: limit, storage_bytes: most } = (await limitsOf(organizationId)).limits;
    // What agents say and archives hold is kept even so: nothing new is begun that would add to it.
    if (most !== null) {
      const bytes = await bytesOf(organizationId);
      if (bytes > most) refuse(organizationId, "storage_bytes", bytes, most);
    }
    if (limit === null) return;
    const events = await eventsToday(organizationId);
    if (events >= limit) refuse(organizationId, "events_per_day", events, limit);
    admitted(organizationId, "events_per_day", events, limit);
  }
  async function keep(organizationId: string, blob: StoredBlob): Promise<boolean> {
    const limit = (await limitsOf(organizationId)).limits.storage_bytes;
    if (!(await keepIn(pool, organizationId, blob, limit))) return false;
    if (limit !== null) admitted(organizationId, "storage_bytes", await bytesOf(organizationId), limit);
    return true;
  }
  async function refuseContent(organizationId: string): Promise<never> {
    const limit = (await limitsOf(organizationId)).limits.storage_bytes ?? 0;
    return refuse(organizationId, "storage_bytes", await bytesOf(organizationId), limit);
  }

  async function view(organizationId: string): Promise<View> {
    remembered.delete(organizationId);
    used.delete(`${organizationId} ${today()}`);
    const [{ limits, setAt }, sessions, bytes, events] = await Promise.all([
      limitsOf(organizationId),
      db.inOrganization(organizationId, deps.activeSessions),
      bytesOf(organizationId),
      eventsToday(organizationId),
    ]);
    return {
      organization_id: organizationId,
      sessions: { used: sessions.length, limit: limits.sessions },
      storage_bytes: { used: bytes, limit: limits.storage_bytes },
      events_per_day: { used: events, limit: limits.events_per_day },
      set_at: setAt?.toISOString() ?? null,
    };
  }

  async function viewsOf(organizationIds: readonly string[]): Promise<ReadonlyMap<string, View>> {
    type Row = LimitsRow & { id: string; bytes: string; events: string };
    const [{ rows }, running] = await Promise.all([
      pool.query<Row>(
        `select o.id, l.sessions, l.storage_bytes, l.events_per_day, l.set_at, coalesce(s.bytes, 0) as bytes, coalesce(u.events, 0) as events
           from unnest($1::text[]) as o (id)
           left join quo_limits l on l.organization_id = o.id
           left join quo_storage s on s.organization_id = o.id
           left join quo_usage u on u.organization_id = o.id and u.day = $2`,
        [organizationIds, today()],
      ),
      deps.activeSessionCounts(organizationIds),
    ]);
    return new Map(
      rows.map((row) => {
        const limits = limitsIn(row);
        return [
          row.id,
          {
            organization_id: row.id,
            sessions: { used: running.get(row.id) ?? 0, limit: limits.sessions },
            storage_bytes: { used: Number(row.bytes), limit: limits.storage_bytes },
            events_per_day: { used: Number(row.events), limit: limits.events_per_day },
            set_at: row.set_at?.toISOString() ?? null,
          },
        ];
      }),
    );
  }

  return {
    viewsOf,
    routes: [
      handle(getQuotas, ({ caller }) => view(caller.organizationId)),
      handle(setQuotas, async ({ caller, params, body, now }) => {
        const { organization_id: organizationId } = params;
        const { rowCount } = await pool.query("select from proj_organizations where organization_id = $1 and deleted_at is null", [
          organizationId,
        ]);
        if (rowCount === 0)
          return refused("organization_not_found", {
            message: "There is no such organization, or it was deleted.",
            fix: "GET /v1/admin/organizations lists them.",
          });
        const given = NAMES.filter((name) => body[name] !== undefined);
        await pool.query(
          `insert into quo_limits as l (organization_id, sessions, storage_bytes, events_per_day, set_by, set_at) values ($1, $2, $3, $4, $5, $6)
           on conflict (organization_id) do update set
             sessions = case when $7 then excluded.sessions else l.sessions end,
             storage_bytes = case when $8 then excluded.storage_bytes else l.storage_bytes end,
             events_per_day = case when $9 then excluded.events_per_day else l.events_per_day end,
             set_by = excluded.set_by, set_at = excluded.set_at`,
          [
            organizationId,
            ...NAMES.map((name) => body[name] ?? null),
            caller.principal.id,
            now,
            ...NAMES.map((name) => given.includes(name)),
          ],
        );
        for (const name of given)
          await decide(organizationId, name, {
            type: "change",
            data: { quota: name, limit: body[name] ?? null, by: caller.principal.id as PrincipalId },
          });
        return view(organizationId);
      }),
    ],
    projections: [],
    schemas: [],
    jobs: {},
    schedules: [
      {
        name: "quotas.forget",
        cron: "7 3 * * *",
        run: async () => void (await pool.query("delete from quo_usage where day < (now() at time zone 'utc')::date - 31")),
      },
      { name: "quotas.recount", cron: "23 3 * * *", run: () => recount(deps.store, pool) },
    ],

    blobs: countedBlobs(deps.store, pool),
    limitedBlobs: limitedBlobs(deps.store, pool, keep, refuseContent),

    async withSeat(organizationId, sessionId, work) {
      const seats: { readonly running: number; readonly limit: number }[] = [];
      try {
        return await work(async () => {
          await admitWork(organizationId);
          const limit = (await limitsOf(organizationId)).limits.sessions;
          if (limit === null) return;
          const { taken, running } = await inTurn(organizationId, () => takeSeat(organizationId, sessionId, limit));
          if (!taken) refuse(organizationId, "sessions", running, limit);
          seats.push({ running, limit });
        });
      } finally {
        const seat = seats.at(-1);
        if (seat !== undefined) {
          await db.inOrganization(organizationId, (tx) => sql`delete from quo_seats where session_id = ${sessionId}`.execute(tx));
          admitted(organizationId, "sessions", seat.running, seat.limit);
        }
      }
    },

    async admitBytes(organizationId, bytes) {
      const limit = (await limitsOf(organizationId)).limits.storage_bytes;
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ bytes: string }>`
          insert into quo_storage as s (organization_id, bytes)
          select ${organizationId}, ${bytes}::bigint where ${limit}::bigint is null or ${bytes}::bigint <= ${limit}::bigint
          on conflict (organization_id) do update set bytes = s.bytes + excluded.bytes
            where ${limit}::bigint is null or s.bytes + excluded.bytes <= ${limit}::bigint
          returning bytes`.execute(tx),
      );
      if (limit === null) return;
      if (rows[0] === undefined) refuse(organizationId, "storage_bytes", await bytesOf(organizationId), limit);
      admitted(organizationId, "storage_bytes", Number(rows[0].bytes), limit);
    },

    admitWork,

    background: {
      async start() {
        reader = startReader({
          name: "quotas",
          pool,
          log,
          restMs: 250,
          from: "now",
          async handle(tx, events) {
            const counts = new Map<string, number>();
            for (const { organizationId, recordedAt } of events) {
              const key = `${organizationId} ${recordedAt.slice(0, 10)}`;
              counts.set(key, (counts.get(key) ?? 0) + 1);
            }
            // In one order, so that nobody waits for somebody who waits for them.
            const rows = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, count]) => [...key.split(" "), count] as const);
            await tx.query(
              `insert into quo_usage as u (organization_id, day, events)
               select * from unnest($1::text[], $2::date[], $3::bigint[])
               on conflict (organization_id, day) do update set events = u.events + excluded.events`,
              [rows.map(([id]) => id), rows.map(([, day]) => day), rows.map(([, , count]) => count)],
            );
          },
          onError: (error) => logger.warn({ err: error }, "events could not be counted; it is tried again"),
        });
      },
      async stop() {
        await reader?.stop();
      },
    },
  };
}
