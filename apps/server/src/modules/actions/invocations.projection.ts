/* Keeps `proj_invocations`. Changes of one invocation within a batch are merged; the last word on a column wins. */
import type { InvocationEvent } from "@signalbox/contract/events/gate";
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { unreachable } from "@signalbox/kernel/decider";

const ERASED = "[redacted]";

type Row = Record<string, unknown>;
type R = Recorded<InvocationEvent>;
const COLUMNS = "status, approval_id, reason_code, result, error_code, error_message, executing_at, ended_at, subject_version";

const TYPES = [
  "invocation.requested",
  "invocation.approved",
  "invocation.denied",
  "invocation.expired",
  "invocation.executing",
  "invocation.completed",
  "invocation.failed",
  "invocation.unknown",
] as const;

export const invocationList: Projection<InvocationEvent> = {
  name: "actions.invocations",
  types: TYPES,
  imported: TYPES,
  tables: ["proj_invocations"],

  async project(tx, batch) {
    const requested = batch.flatMap((r) => (r.event.type === "invocation.requested" ? [requestedRow(r, r.event.data)] : []));
    if (requested.length > 0) {
      await tx.query(
        "insert into proj_invocations select * from jsonb_populate_recordset(null::proj_invocations, $1::jsonb) on conflict (organization_id, id) do nothing",
        [JSON.stringify(requested)],
      );
    }
    const patches = new Map<string, Row>();
    for (const r of batch) {
      if (r.event.type === "invocation.requested") continue;
      const key = `${r.organizationId}/${r.subjectId}`;
      patches.set(key, {
        ...patches.get(key),
        organization_id: r.organizationId,
        id: r.subjectId,
        ...patchOf(r.event, r.occurredAt),
        subject_version: r.subjectVersion,
      });
    }
    if (patches.size === 0) return;
    await tx.query(
      `update proj_invocations p set (${COLUMNS}) = (select ${COLUMNS} from jsonb_populate_record(p, c.patch))
         from jsonb_array_elements($1::jsonb) as c (patch)
        where p.organization_id = c.patch ->> 'organization_id' and p.id = c.patch ->> 'id'
          and p.subject_version < (c.patch ->> 'subject_version')::bigint`,
      [JSON.stringify([...patches.values()])],
    );
  },
};

/** What was still to be done where it came from is not done here. */
export const importedInvocations = importProjection({
  name: "actions.imported",
  tables: ["proj_invocations"],
  end: [
    `update proj_invocations v set status = 'expired' from import i
      where v.organization_id = i.organization_id and v.room_id = any(i.rooms) and v.status in ('pending', 'approved', 'executing', 'unknown')`,
  ],
  remove: ["delete from proj_invocations v using import i where v.organization_id = i.organization_id and v.room_id = any(i.rooms)"],
});

/** An erased request keeps its place in the list, and nothing else. */
function requestedRow(r: R, d: Partial<Extract<InvocationEvent, { type: "invocation.requested" }>["data"]>): Row {
  return {
    organization_id: r.organizationId,
    id: r.subjectId,
    status: "pending",
    action: d.action ?? ERASED,
    title: d.title ?? ERASED,
    risk: d.risk ?? "danger",
    params: d.params,
    target: d.target,
    call_hash: d.call_hash ?? ERASED,
    room_id: r.stream.type === "room" ? r.stream.id : null,
    session_id: d.session_id,
    run_id: d.run_id,
    approval_id: d.approval_id,
    requested_by: d.requested_by ?? r.principal.id,
    decision: d.decision ?? "deny",
    reason_code: d.reason_code ?? ERASED,
    created_at: r.occurredAt,
    subject_version: r.subjectVersion,
  };
}

function patchOf(event: Exclude<InvocationEvent, { type: "invocation.requested" }>, at: string): Row {
  switch (event.type) {
    case "invocation.approved":
      return { status: "approved", ...(event.data.approval_id === undefined ? {} : { approval_id: event.data.approval_id }) };
    case "invocation.denied":
      return { status: "denied", reason_code: event.data.reason_code, ended_at: at };
    case "invocation.expired":
      return { status: "expired", ended_at: at };
    case "invocation.executing":
      return { status: "executing", executing_at: at };
    case "invocation.completed":
      return { status: "completed", result: event.data.result, error_code: null, error_message: null, ended_at: at };
    case "invocation.failed":
      return { status: "failed", error_code: event.data.code, error_message: event.data.message, ended_at: at };
    case "invocation.unknown":
      return { status: "unknown", error_code: "outcome_unknown", error_message: event.data.reason };
    default:
      return unreachable(event);
  }
}
