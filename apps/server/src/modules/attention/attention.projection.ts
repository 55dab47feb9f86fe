import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { RunEvent } from "@signalbox/contract/events/runs";
import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";
import { ATTENTION_TYPES, type Closing, closingOf, type Opening, openingOf } from "./item.ts";

type Created = Recorded<Extract<RunEvent, { type: "run.created" }>>;
type Redacted = Recorded<Extract<AuditEvent, { type: "event.redacted" }>>;

const ACTIVE = new Set(["run.claimed", "run.started"]);
const INACTIVE = new Set([
  "run.released",
  "run.completed",
  "run.failed",
  "run.needs_human",
  "run.timed_out",
  "run.canceled",
  "run.skipped",
]);
const TITLE_LENGTH = 160;

/** Keeps `proj_attention` and what its rows need to know of runs and sessions. */
export const attentionList: Projection = {
  name: "attention",
  types: [
    ...ATTENTION_TYPES,
    "run.created",
    "run.claimed",
    "run.started",
    "run.released",
    "run.skipped",
    "session.created",
    "session.renamed",
    "event.redacted",
  ],
  tables: ["proj_attention", "proj_attention_runs", "proj_attention_sessions"],

  async project(tx, batch) {
    await sessions(tx, batch);
    await runs(tx, batch);
    // In order: within a batch a thing may open and close again. What opens is rare, every run that ends closes.
    let closings: Closes[] = [];
    for (const r of batch) {
      const closing = closingOf(r);
      if (closing !== null) closings.push({ r, closing });
      const opening = openingOf(r);
      if (opening === null) continue;
      await close(tx, closings);
      closings = [];
      await open(tx, r, opening);
    }
    await close(tx, closings);
    for (const r of batch) if (r.event.type === "event.redacted") await redact(tx, r as Redacted);
  },
};

interface Closes {
  readonly r: Recorded;
  readonly closing: Closing;
}

/** The first of them that an open item goes by ends it. */
async function close(tx: Tx, closings: readonly Closes[]): Promise<void> {
  if (closings.length === 0) return;
  await tx.query(
    `update proj_attention a set closed_at = e.at, outcome = e.outcome
       from (select distinct on (a.organization_id, a.id) a.organization_id, a.id, c.at, c.outcome
               from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
                      as c (at, outcome, organization_id, kinds, subject_id, session_id, nth)
               join proj_attention a on a.organization_id = c.organization_id and a.closed_at is null
                and a.kind = any(string_to_array(c.kinds, ' ')) and a.opened_at <= c.at
                and (c.subject_id is null or a.subject_id = c.subject_id) and (c.session_id is null or a.session_id = c.session_id)
              order by a.organization_id, a.id, c.nth) e
      where a.organization_id = e.organization_id and a.id = e.id`,
    columns(closings, ({ r, closing: { outcome, kinds, subjectId, sessionId } }) => [
      r.recordedAt,
      outcome,
      r.organizationId,
      kinds.join(" "),
      subjectId ?? null,
      sessionId ?? null,
    ]),
  );
}

async function open(tx: Tx, r: Recorded, { id, kind, title, detail }: Opening): Promise<void> {
  const ofRun = kind === "run_failed" || kind === "run_needs_human";
  const ofSession = kind === "session_failed";
  const data = r.event.data as { session_id?: string; run_id?: string };
  // An erased one that had a title of its own has none now, rather than its session's.
  const hadTitle = title !== null || (r.redaction === "full" && (kind === "approval" || kind === "question"));
  await tx.query(
    `insert into proj_attention (organization_id, id, kind, subject_id, room_id, session_id, run_id, for_principal, title, detail, title_event, detail_event, opened_at, closed_at, outcome)
     select $1, $2, $3, $4, coalesce($5, r.room_id), coalesce($6, r.session_id), $7,
            case when $8 then r.requested_by when $9 then s.created_by end,
            case when $14 then $10 else coalesce(r.title, s.title) end, $11, case when $14 then $12::uuid else coalesce(r.title_event, s.title_event) end, $12, $13,
            f.opened_at, case when f.opened_at is not null then 'session_failed' end
       from (select 1) one
       left join proj_attention_runs r on $8 and r.organization_id = $1 and r.run_id = $4
       left join proj_attention_sessions s on s.organization_id = $1 and s.session_id = coalesce($6, r.session_id)
       left join lateral (select opened_at from proj_attention where $3 = 'run_failed' and organization_id = $1 and session_id = coalesce($6, r.session_id)
                            and kind = 'session_failed' and closed_at is null limit 1) f on true
     on conflict do nothing`,
    [
      r.organizationId,
      id,
      kind,
      r.subjectId,
      r.roomId ?? (r.stream.type === "room" ? r.stream.id : null),
      ofSession ? r.subjectId : (data.session_id ?? r.sessionId ?? null),
      ofRun ? r.subjectId : (data.run_id ?? r.runId ?? null),
      ofRun,
      ofSession,
      title?.slice(0, TITLE_LENGTH) ?? null,
      detail,
      r.eventId,
      r.recordedAt,
      hadTitle,
    ],
  );
}

async function runs(tx: Tx, batch: readonly Recorded[]): Promise<void> {
  const created = batch.filter((r): r is Created => r.event.type === "run.created");
  if (created.length > 0) {
    await tx.query(
      `insert into proj_attention_runs (organization_id, run_id, requested_by, title, title_event, room_id, session_id, is_active, subject_version)
       select o, i, b, t, e, m, s, false, v
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::bigint[]) as c (o, i, b, t, e, m, s, v)
       on conflict do nothing`,
      columns(created, (r) => [
        r.organizationId,
        r.subjectId,
        r.event.data.requested_by ?? null,
        titleOf(r.event.data),
        r.eventId,
        r.roomId ?? (r.stream.type === "room" ? r.stream.id : null),
        r.event.data.session_id ?? r.sessionId ?? null,
        r.subjectVersion,
      ]),
    );
  }
  const changed = new Map<string, Recorded>();
  for (const r of batch) if (ACTIVE.has(r.event.type) || INACTIVE.has(r.event.type)) changed.set(`${r.organizationId} ${r.subjectId}`, r);
  if (changed.size === 0) return;
  await tx.query(
    `update proj_attention_runs p set is_active = c.a, completed_at = coalesce(c.d, p.completed_at), subject_version = c.v
       from unnest($1::text[], $2::text[], $3::boolean[], $4::timestamptz[], $5::bigint[]) as c (o, i, a, d, v)
      where p.organization_id = c.o and p.run_id = c.i and p.subject_version < c.v`,
    columns([...changed.values()], (r) => [r.organizationId, r.subjectId, ACTIVE.has(r.event.type), completedAt(r), r.subjectVersion]),
  );
}

const completedAt = (r: Recorded): string | null => (r.event.type === "run.completed" ? r.recordedAt : null);

/** An erased one has neither. */
function titleOf({ title, goal }: Partial<Created["event"]["data"]>): string | null {
  const line = title ?? goal?.split("\n").find((one) => one.trim() !== "");
  return line === undefined ? null : line.trim().slice(0, TITLE_LENGTH);
}

async function sessions(tx: Tx, batch: readonly Recorded[]): Promise<void> {
  type Named = Recorded<Extract<SessionEvent, { type: "session.created" | "session.renamed" }>>;
  const named = batch.filter((r): r is Named => r.event.type === "session.created" || r.event.type === "session.renamed");
  for (const r of named) {
    await tx.query(
      `insert into proj_attention_sessions as p (organization_id, session_id, created_by, title, title_event, subject_version) values ($1, $2, $3, $4, $5, $6)
       on conflict (organization_id, session_id) do update set title = excluded.title, title_event = excluded.title_event, subject_version = excluded.subject_version
        where p.subject_version < excluded.subject_version`,
      [
        r.organizationId,
        r.subjectId,
        r.event.type === "session.created" ? (r.event.data.created_by ?? null) : null,
        r.event.data.title ?? null,
        r.eventId,
        r.subjectVersion,
      ],
    );
  }
}

async function redact(tx: Tx, r: Redacted): Promise<void> {
  if (r.event.data.level !== "full") return;
  const values = [r.organizationId, r.event.data.target_event_id];
  await tx.query(`update proj_attention set title = null where organization_id = $1 and title_event = $2`, values);
  await tx.query(`update proj_attention set detail = null where organization_id = $1 and detail_event = $2`, values);
  // Whose it was goes with what created it, as in a rebuild, which never sees it.
  await tx.query(`update proj_attention_runs set title = null where organization_id = $1 and title_event = $2`, values);
  await tx.query(`update proj_attention_sessions set title = null where organization_id = $1 and title_event = $2`, values);
  for (const [id, table, column] of [
    ["run_id", "proj_attention_runs", "requested_by"],
    ["session_id", "proj_attention_sessions", "created_by"],
  ])
    await tx.query(
      `with e as (select substring(subject from position(':' in subject) + 1) as id from public.evt_events
                   where organization_id = $1 and event_id = $2 and type = $3),
            forgotten as (update ${table} t set ${column} = null from e where t.organization_id = $1 and t.${id} = e.id)
       update proj_attention a set for_principal = null from e where a.organization_id = $1 and a.subject_id = e.id`,
      [...values, id === "run_id" ? "run.created" : "session.created"],
    );
}

/** Rows to columns, the shape that `unnest` wants. */
function columns<R>(rows: readonly R[], row: (r: R) => readonly unknown[]): unknown[][] {
  const table = rows.map(row);
  return (table[0] ?? []).map((_, i) => table.map((r) => r[i]));
}
