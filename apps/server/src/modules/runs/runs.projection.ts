/*
 * Keeps `proj_runs` and `proj_run_attempts`. A batch becomes at most one insert and one update per
 * table: changes of one run within a batch are merged first (the last word on each column wins),
 * which is the same row that one event after the other would have made.
 *
 * `jsonb_populate_record` overlays a patch on the row: columns that a patch does not name stay.
 */
import type { RunEvent } from "@signalbox/contract/events/runs";
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";

type Patch = Record<string, unknown>;
type R = Recorded<RunEvent>;

const COLUMNS =
  "status, title, output, summary, error_code, error_message, assignee, claimed_by, attempt_no, epoch, lease_expires_at, started_at, ended_at, subject_version";

const TYPES = [
  "run.created",
  "run.claimed",
  "run.edited",
  "run.started",
  "run.released",
  "run.completed",
  "run.failed",
  "run.needs_human",
  "run.timed_out",
  "run.canceled",
  "run.skipped",
  "run.resolved",
  "run.assigned",
  "run.unassigned",
] as const;

export const runList: Projection<RunEvent> = {
  name: "runs.list",
  types: TYPES,
  imported: TYPES,
  tables: ["proj_runs", "proj_run_attempts"],

  async project(tx, batch) {
    await insertCreated(tx, batch);
    await applyChanges(tx, batch);
    await keepAttempts(tx, batch);
  },
};

const OF_RUNS =
  "t.organization_id = i.organization_id and t.run_id in (select r.id from proj_runs r where r.organization_id = i.organization_id and r.room_id = any(i.rooms))";

/** What was open when it was exported is over here: no engine is offered it, nobody waits for it. */
export const importedRuns = importProjection({
  name: "runs.imported",
  tables: ["proj_runs", "proj_run_attempts", "proj_steps", "proj_tool_calls", "proj_artifacts"],
  end: [
    `update proj_runs r set status = 'canceled', error_code = 'imported', error_message = 'It had not ended when it was exported.',
            lease_expires_at = null
       from import i where r.organization_id = i.organization_id and r.room_id = any(i.rooms) and r.status in ('queued', 'claimed', 'running', 'needs_human')`,
  ],
  remove: [
    ...["proj_run_attempts", "proj_steps", "proj_tool_calls", "proj_artifacts"].map(
      (table) => `delete from ${table} t using import i where ${OF_RUNS}`,
    ),
    "delete from proj_artifacts t using import i where t.organization_id = i.organization_id and t.room_id = any(i.rooms)",
    "delete from proj_runs t using import i where t.organization_id = i.organization_id and t.room_id = any(i.rooms)",
  ],
});

async function insertCreated(tx: Tx, batch: readonly R[]): Promise<void> {
  const rows = batch.flatMap((r) => (r.event.type === "run.created" ? [createdRow(r, r.event.data)] : []));
  if (rows.length === 0) return;
  await tx.query(
    "insert into proj_runs select * from jsonb_populate_recordset(null::proj_runs, $1::jsonb) on conflict (organization_id, id) do nothing",
    [JSON.stringify(rows)],
  );
}

/** An erased creation (no data) keeps its place in lists, and nothing else. */
function createdRow(r: R, data: Partial<Extract<RunEvent, { type: "run.created" }>["data"]>): Patch {
  return {
    organization_id: r.organizationId,
    id: r.subjectId,
    kind: data.kind ?? "turn",
    status: "queued",
    title: data.title,
    goal: data.goal,
    input: data.input,
    tags: data.tags ?? [],
    room_id: r.stream.type === "room" ? r.stream.id : null,
    session_id: data.session_id ?? r.sessionId ?? null,
    requested_by: data.requested_by ?? r.principal.id,
    attempt_no: 0,
    max_attempts: data.max_attempts ?? 1,
    epoch: 0,
    correlation_id: r.correlationId,
    created_at: r.occurredAt,
    subject_version: r.subjectVersion,
  };
}

async function applyChanges(tx: Tx, batch: readonly R[]): Promise<void> {
  const patches = new Map<string, Patch>();
  for (const r of batch) {
    if (r.event.type === "run.created") continue;
    const key = `${r.organizationId}/${r.subjectId}`;
    patches.set(key, {
      ...patches.get(key),
      organization_id: r.organizationId,
      id: r.subjectId,
      ...patchOf(r),
      subject_version: r.subjectVersion,
    });
  }
  if (patches.size === 0) return;
  await tx.query(
    `update proj_runs p set (${COLUMNS}) = (select ${COLUMNS} from jsonb_populate_record(p, c.patch))
       from jsonb_array_elements($1::jsonb) as c (patch)
      where p.organization_id = c.patch ->> 'organization_id' and p.id = c.patch ->> 'id'
        and p.subject_version < (c.patch ->> 'subject_version')::bigint`,
    [JSON.stringify([...patches.values()])],
  );
}

function patchOf({ event, occurredAt: at }: R): Patch {
  const unclaimed = { claimed_by: null, lease_expires_at: null };
  switch (event.type) {
    case "run.claimed": {
      const { attempt_no, epoch, claimed_by, lease_expires_at } = event.data;
      return { status: "claimed", attempt_no, epoch, claimed_by, lease_expires_at };
    }
    case "run.edited":
      return { title: event.data.title ?? null };
    case "run.started":
      return { status: "running", started_at: at };
    case "run.released":
      return { status: "queued", ...unclaimed };
    case "run.completed":
      return {
        status: "succeeded",
        summary: event.data.summary ?? null,
        output: event.data.output ?? null,
        lease_expires_at: null,
        ended_at: at,
      };
    case "run.failed":
      return { status: "failed", error_code: event.data.code, error_message: event.data.message, lease_expires_at: null, ended_at: at };
    case "run.needs_human":
      return { status: "needs_human", error_code: "needs_human", error_message: event.data.reason, lease_expires_at: null, ended_at: at };
    case "run.timed_out":
      return {
        status: "timed_out",
        error_code: "timed_out",
        error_message: `it did not end within ${Math.round(event.data.after_ms / 1000)} s`,
        lease_expires_at: null,
        ended_at: at,
      };
    case "run.canceled":
      return {
        status: "canceled",
        error_code: "canceled",
        error_message: event.data.reason ?? "canceled",
        lease_expires_at: null,
        ended_at: at,
      };
    case "run.skipped":
      return { status: "skipped", error_code: "skipped", error_message: event.data.reason, ended_at: at };
    case "run.resolved":
      return { status: event.data.outcome, ...(event.data.comment === undefined ? {} : { summary: event.data.comment }), ended_at: at };
    case "run.assigned":
      return { assignee: event.data.assignee };
    case "run.unassigned":
      return { assignee: null };
    default:
      return {};
  }
}

type EndReason = "released" | "lease_expired_reclaimed" | "completed" | "failed" | "canceled";
interface Ending {
  organization_id: string;
  run_id: string;
  ended_at: string;
  end_reason: EndReason;
  version: number;
}

/** An attempt ends with whatever ends it first; within a batch that may be one opened by the same batch. */
async function keepAttempts(tx: Tx, batch: readonly R[]): Promise<void> {
  const opened = new Map<string, Patch>();
  const rows: Patch[] = [];
  const endings = new Map<string, Ending>();
  for (const r of batch) {
    const run = `${r.organizationId}/${r.subjectId}`;
    const reason = endReason(r.event);
    if (reason !== null) {
      const open = opened.get(run);
      if (open !== undefined) {
        Object.assign(open, { ended_at: r.occurredAt, end_reason: reason });
        opened.delete(run);
      } else if (!endings.has(run)) {
        endings.set(run, {
          organization_id: r.organizationId,
          run_id: r.subjectId,
          ended_at: r.occurredAt,
          end_reason: reason,
          version: r.subjectVersion,
        });
      }
    }
    if (r.event.type === "run.claimed" && r.redaction !== "full") {
      const { attempt_no, epoch, claimed_by } = r.event.data;
      const row: Patch = {
        organization_id: r.organizationId,
        run_id: r.subjectId,
        attempt_no,
        epoch,
        claimed_by,
        claimed_at: r.occurredAt,
        subject_version: r.subjectVersion,
      };
      opened.set(run, row);
      rows.push(row);
    }
  }
  if (endings.size > 0) {
    await tx.query(
      `update proj_run_attempts a set ended_at = e.ended_at, end_reason = e.end_reason
         from jsonb_to_recordset($1::jsonb) as e (organization_id text, run_id text, ended_at timestamptz, end_reason text, version bigint)
        where a.organization_id = e.organization_id and a.run_id = e.run_id and a.ended_at is null and a.subject_version < e.version`,
      [JSON.stringify([...endings.values()])],
    );
  }
  if (rows.length > 0) {
    await tx.query(
      "insert into proj_run_attempts select * from jsonb_populate_recordset(null::proj_run_attempts, $1::jsonb) on conflict (organization_id, run_id, attempt_no) do nothing",
      [JSON.stringify(rows)],
    );
  }
}

function endReason(event: RunEvent): EndReason | null {
  switch (event.type) {
    case "run.claimed":
      return event.data.reclaimed ? "lease_expired_reclaimed" : null;
    case "run.released":
      return "released";
    case "run.completed":
      return "completed";
    case "run.failed":
    case "run.needs_human":
    case "run.timed_out":
      return "failed";
    case "run.canceled":
      return "canceled";
    default:
      return null;
  }
}
