/* Keeps `proj_steps`, `proj_tool_calls` and `proj_artifacts`: what happened inside runs. */
import type { RunEvent } from "@signalbox/contract/events/runs";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";

type R = Recorded<RunEvent>;
type Row = Record<string, unknown>;

export const runRecord: Projection<RunEvent> = {
  name: "runs.record",
  types: ["step.created", "tool.invoked", "tool.succeeded", "tool.failed", "artifact.created"],
  imported: ["step.created", "tool.invoked", "tool.succeeded", "tool.failed", "artifact.created"],
  tables: ["proj_steps", "proj_tool_calls", "proj_artifacts"],

  async project(tx, events) {
    // Which step, call or artifact an erased event was about is gone with it.
    const batch = events.filter((r) => r.redaction !== "full");
    await insert(tx, "proj_steps", batch.flatMap(stepRow));
    await insert(tx, "proj_tool_calls", batch.flatMap(callRow));
    await insert(tx, "proj_artifacts", batch.flatMap(artifactRow));
    await endCalls(tx, batch.flatMap(outcomeRow));
  },
};

/** `table` is one of the three above, never a caller's text. */
async function insert(tx: Tx, table: "proj_steps" | "proj_tool_calls" | "proj_artifacts", rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1::jsonb) on conflict (organization_id, id) do nothing`,
    [JSON.stringify(rows)],
  );
}

/** A call ends once, so the rows of one batch are distinct. */
async function endCalls(tx: Tx, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `update proj_tool_calls p
        set status = c.status, output = c.output, output_truncated = c.output_truncated, error = c.error,
            artifact_id = c.artifact_id, duration_ms = c.duration_ms, subject_version = c.subject_version
       from jsonb_populate_recordset(null::proj_tool_calls, $1::jsonb) c
      where p.organization_id = c.organization_id and p.id = c.id and p.subject_version < c.subject_version`,
    [JSON.stringify(rows)],
  );
}

function stepRow({ event, ...r }: R): Row[] {
  if (event.type !== "step.created") return [];
  const { step_id: id, run_id, kind, title } = event.data;
  return [{ organization_id: r.organizationId, id, run_id, kind, title, created_at: r.occurredAt, subject_version: r.subjectVersion }];
}

function callRow({ event, ...r }: R): Row[] {
  if (event.type !== "tool.invoked") return [];
  const { tool_call_id: id, step_id, run_id, name, title, arguments: args } = event.data;
  return [
    {
      organization_id: r.organizationId,
      id,
      step_id,
      run_id,
      name,
      title,
      status: "invoked",
      arguments: args,
      output_truncated: false,
      created_at: r.occurredAt,
      invoked_version: r.subjectVersion,
      subject_version: r.subjectVersion,
    },
  ];
}

function outcomeRow({ event, ...r }: R): Row[] {
  if (event.type !== "tool.succeeded" && event.type !== "tool.failed") return [];
  const { tool_call_id: id, output, output_truncated, artifact_id, duration_ms } = event.data;
  return [
    {
      organization_id: r.organizationId,
      id,
      status: event.type === "tool.succeeded" ? "succeeded" : "failed",
      output,
      output_truncated: output_truncated ?? false,
      error: event.type === "tool.failed" ? event.data.error : null,
      artifact_id,
      duration_ms,
      subject_version: r.subjectVersion,
    },
  ];
}

function artifactRow({ event, ...r }: R): Row[] {
  if (event.type !== "artifact.created") return [];
  const { artifact_id: id, ...a } = event.data;
  return [
    {
      ...a,
      organization_id: r.organizationId,
      id,
      room_id: r.stream.type === "room" ? r.stream.id : null,
      session_id: r.sessionId,
      created_at: r.occurredAt,
    },
  ];
}
