/*
 * Checkpoints are left at every configured anchor, once each and in order, and can be compared with what lies there.
 *
 *   signed ── job `audit.anchor` (one at a time an organization and anchor) ──► left there ──► recorded (audit_anchored)
 *                │ failed: tried again, twice as late each time, for good       └ killed here: left again, which changes
 *                └ another note lies in its place: recorded as a problem          nothing there (providers/anchor/port.ts)
 *
 * A new anchor begins with the newest checkpoint, which vouches for everything before it. A schedule looks every minute
 * for what is behind, so no wake-up can be lost. Only what lies outside proves anything: the check reads it there.
 */
import { type AnchorFinding, type AnchorName, type AnchorView, checkAnchors, listAnchored, listAnchors } from "@signalbox/contract/anchors";
import { plusMs } from "@signalbox/kernel/clock";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { type Anchor, AnchorFailed, AnchorOccupied } from "@signalbox/providers/anchor/port";
import { sql, type Kysely } from "kysely";
import type pg from "pg";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused } from "../../http/handle.ts";
import type { Deps, Job, Module } from "../../module.ts";
import { findingOf } from "./anchor-check.ts";
import type { SigningKeys } from "./signing-key.ts";

export type Anchors = ReadonlyMap<AnchorName, Anchor>;
export interface AnchorsDeps extends Deps {
  readonly logPool: pg.Pool;
  readonly keys: SigningKeys;
  readonly organizations: () => Promise<readonly string[]>;
  readonly anchors?: Anchors | undefined;
  /** Crash points of tests. */
  readonly atAnchor?: ((step: "left") => void) | undefined;
}

const READ = 20;
const FIRST_RETRY_MS = 2000;
const MAX_RETRY_MS = 15 * 60_000;
/** Health says that an anchor lags once a checkpoint has waited this long. */
const LAGS_AFTER_MS = 15 * 60_000;
const KIND = "audit.anchor";
const Payload = z.object({ anchor: z.enum(["file", "blob", "git", "webhook"]) });
const NONE = refused("anchor_not_found", { fix: "An operator configures anchors: SIGNALBOX_ANCHOR_*, docs/operate.md." });

/** Checkpoints of `$1` that anchor `$2` does not have: what follows its newest, or the newest there is. */
const PENDING = `from audit_checkpoints c where c.organization_id = $1 and c.position > coalesce(
    (select max(a.position) from audit_anchored a where a.organization_id = $1 and a.anchor = $2),
    (select max(n.position) - 1 from audit_checkpoints n where n.organization_id = $1))`;

interface State {
  readonly behind: number;
  readonly waiting_since: Date | null;
  readonly position: string | null;
  readonly anchored_at: Date | null;
  readonly failures: number | null;
  readonly last_error: string | null;
  readonly next_attempt_at: Date | null;
}

export function createAnchors(deps: AnchorsDeps) {
  const { db, logPool, clock, logger } = deps;
  const anchors: Anchors = deps.anchors ?? new Map();

  async function stateOf(organizationId: string, name: AnchorName): Promise<State> {
    const { rows } = await logPool.query<State>(
      `select (select count(*)::int ${PENDING}) as behind, (select min(c.created_at) ${PENDING}) as waiting_since,
              newest.position, newest.anchored_at, s.failures, s.last_error, s.next_attempt_at
         from (select 1) one
         left join lateral (select position, anchored_at from audit_anchored where organization_id = $1 and anchor = $2
                             order by position desc limit 1) newest on true
         left join audit_anchor_state s on s.organization_id = $1 and s.anchor = $2`,
      [organizationId, name],
    );
    return rows[0]!;
  }

  const wake = (organizationId: string, name: AnchorName, runAt?: string): Promise<void> =>
    enqueueJobs(logPool, [{ kind: KIND, organizationId, payload: { anchor: name }, key: name, ...(runAt === undefined ? {} : { runAt }) }]);

  /** What was just signed need not wait for the schedule. */
  async function signed(organizationId: string): Promise<void> {
    for (const name of anchors.keys()) if ((await stateOf(organizationId, name)).behind > 0) await wake(organizationId, name);
  }

  async function run(job: Job): Promise<void> {
    const { organizationId } = job;
    const name = Payload.parse(job.payload).anchor;
    const anchor = anchors.get(name);
    if (anchor === undefined) return; // no longer configured
    const { next_attempt_at: later } = await stateOf(organizationId, name);
    if (later !== null && later.getTime() > clock.nowMs()) return wake(organizationId, name, later.toISOString());
    for (;;) {
      const { rows } = await logPool.query<{ position: string; note: string; heads: string; created_at: Date }>(
        `select c.position, c.note, audit_heads(c) as heads, c.created_at ${PENDING} order by c.position limit ${READ}`,
        [organizationId, name],
      );
      for (const row of rows) {
        if (job.signal.aborted) return wake(organizationId, name);
        const position = Number(row.position);
        let left: { ref: string; problem: string | null };
        try {
          const ref = await anchor.leave({
            organizationId,
            position,
            note: row.note,
            heads: row.heads,
            signedAt: row.created_at.toISOString(),
          });
          left = { ref, problem: null };
        } catch (error) {
          if (!(error instanceof AnchorFailed)) throw error;
          if (!(error instanceof AnchorOccupied)) return failed(organizationId, name, error.message);
          logger.error({ organizationId, anchor: name, position }, error.message);
          left = { ref: "", problem: error.message };
        }
        deps.atAnchor?.("left");
        await logPool.query(
          `with recorded as (
             insert into audit_anchored (organization_id, anchor, position, ref, problem, anchored_at) values ($1, $2, $3, $4, $5, $6)
             on conflict do nothing)
           update audit_anchor_state set failures = 0, last_error = null, next_attempt_at = null where organization_id = $1 and anchor = $2`,
          [organizationId, name, position, left.ref, left.problem, clock.now()],
        );
      }
      if (rows.length < READ) return;
    }
  }

  /** Tried for good: what is not anchored is not outside. */
  async function failed(organizationId: string, name: AnchorName, message: string): Promise<void> {
    const { rows } = await logPool.query<{ failures: number }>(
      `insert into audit_anchor_state as s (organization_id, anchor, failures, last_error) values ($1, $2, 1, $3)
       on conflict (organization_id, anchor) do update set failures = s.failures + 1, last_error = excluded.last_error returning failures`,
      [organizationId, name, message],
    );
    const at = plusMs(clock.now(), Math.min(FIRST_RETRY_MS * 2 ** (rows[0]!.failures - 1), MAX_RETRY_MS));
    await logPool.query("update audit_anchor_state set next_attempt_at = $3 where organization_id = $1 and anchor = $2", [
      organizationId,
      name,
      at,
    ]);
    logger.warn({ organizationId, anchor: name }, `a checkpoint could not be anchored: ${message}`);
    await wake(organizationId, name, at);
  }

  const view = (name: AnchorName, anchor: Anchor, of: State): z.input<typeof AnchorView> => ({
    anchor: name,
    where: anchor.where,
    state: (of.failures ?? 0) > 0 ? "failing" : of.behind > 0 ? "behind" : "current",
    behind: of.behind,
    position: of.position === null ? null : Number(of.position),
    anchored_at: of.anchored_at?.toISOString() ?? null,
    failures: of.failures ?? 0,
    last_error: of.last_error,
    next_attempt_at: of.next_attempt_at?.toISOString() ?? null,
    readable: anchor.read !== null,
  });

  async function findings(organizationId: string, name: AnchorName, anchor: Anchor, limit: number) {
    const found: AnchorFinding[] = [];
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<{ position: string; ref: string; problem: string | null }>`select position, ref, problem from audit_anchored
        where organization_id = ${organizationId} and anchor = ${name} order by position desc limit ${limit}`.execute(tx),
    );
    for (const row of anchor.read === null ? [] : rows) {
      const position = Number(row.position);
      let there: string | null;
      try {
        there = await anchor.read!({ organizationId, position, ref: row.ref });
      } catch (error) {
        if (!(error instanceof AnchorFailed)) throw error;
        found.push({ position, kind: "unreachable", message: error.message });
        break; // the others lie in the same place
      }
      const finding = await findingOf(deps, organizationId, position, there, `${name} (${anchor.where})`);
      if (finding !== null) found.push(finding);
    }
    return { checked: anchor.read === null ? 0 : rows.length, findings: found };
  }

  const routes: Module["routes"] = [
    handle(listAnchors, async ({ caller }) => ({
      items: await Promise.all([...anchors].map(async ([name, anchor]) => view(name, anchor, await stateOf(caller.organizationId, name)))),
    })),
    handle(listAnchored, async ({ caller, params, query }) => {
      if (!anchors.has(params.anchor)) return NONE;
      const before = decodeCursor(query.cursor, z.tuple([z.int()]))?.[0] ?? Number.MAX_SAFE_INTEGER;
      const { rows } = await db.inOrganization(caller.organizationId, (tx: Kysely<unknown>) =>
        sql<{ position: string; ref: string; problem: string | null; anchored_at: Date }>`select position, ref, problem, anchored_at
          from audit_anchored where organization_id = ${caller.organizationId} and anchor = ${params.anchor} and position < ${before}
          order by position desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(
        rows,
        query.limit,
        (row) => ({ ...row, position: Number(row.position), anchored_at: row.anchored_at.toISOString() }),
        (row) => [Number(row.position)],
      );
    }),
    handle(checkAnchors, async ({ caller, body }) => {
      const asked = [...anchors].filter(([name]) => body.anchor === undefined || body.anchor === name);
      if (body.anchor !== undefined && asked.length === 0) return NONE;
      const checks = [];
      for (const [anchor, of] of asked)
        checks.push({ anchor, readable: of.read !== null, ...(await findings(caller.organizationId, anchor, of, body.limit)) });
      return { agrees: checks.every((one) => one.findings.length === 0), anchors: checks };
    }),
  ];

  return {
    routes,
    jobs: { [KIND]: run } satisfies Module["jobs"],
    schedules: anchors.size === 0 ? [] : [{ name: KIND, cron: "* * * * *", run: lookForPending }],
    signed,
    /** What lags, for health; null while nothing does. */
    async lag(): Promise<string | null> {
      const said: string[] = [];
      for (const organizationId of await deps.organizations())
        for (const name of anchors.keys()) {
          const { behind, waiting_since: since, last_error: error } = await stateOf(organizationId, name);
          if (since === null || clock.nowMs() - since.getTime() < LAGS_AFTER_MS) continue;
          said.push(
            `${organizationId}: ${behind} ${behind === 1 ? "checkpoint is" : "checkpoints are"} not anchored to ${name} since ${since.toISOString()}${error === null ? "" : `: ${error}`}`,
          );
        }
      return said.length === 0 ? null : said.slice(0, 3).join("; ");
    },
    async close(): Promise<void> {
      for (const anchor of anchors.values()) await anchor.close();
    },
  };

  async function lookForPending(): Promise<void> {
    for (const organizationId of await deps.organizations()) await signed(organizationId);
  }
}
