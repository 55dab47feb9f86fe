/*
 * Keeps `proj_approvals`, which is the inbox. One statement per kind for the whole batch, not one
 * per event: the batch holds its stream heads while it runs. `subject_version` guards every write,
 * so replaying what was already applied changes nothing and a rebuild may run beside the live
 * projector. Changes of one approval within a batch are merged; the last word on a column wins.
 */
import type { ApprovalEvent } from "@signalbox/contract/events/approvals";
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection, Recorded } from "@signalbox/eventlog/log";
import { unreachable } from "@signalbox/kernel/decider";

const ERASED = "[redacted]";

type Row = Record<string, unknown>;
type R = Recorded<ApprovalEvent>;
const COLUMNS = "status, held_by, decided_by, decided_at, reason, scope, used_by, expires_at, subject_version";

export const approvalInbox: Projection<ApprovalEvent> = {
  name: "approvals.inbox",
  types: ["approval.requested", "approval.held", "approval.approved", "approval.denied", "approval.expired", "approval.used"],
  imported: ["approval.requested", "approval.held", "approval.approved", "approval.denied", "approval.expired", "approval.used"],
  tables: ["proj_approvals"],

  async project(tx, batch) {
    const opened = batch.flatMap((r) => (r.event.type === "approval.requested" ? [openedRow(r, r.event.data)] : []));
    if (opened.length > 0) {
      await tx.query(
        "insert into proj_approvals select * from jsonb_populate_recordset(null::proj_approvals, $1::jsonb) on conflict (organization_id, id) do nothing",
        [JSON.stringify(opened)],
      );
    }
    const patches = new Map<string, Row>();
    for (const r of batch) {
      if (r.event.type === "approval.requested") continue;
      const key = `${r.organizationId}/${r.subjectId}`;
      patches.set(key, {
        ...patches.get(key),
        organization_id: r.organizationId,
        id: r.subjectId,
        ...patchOf(r.event),
        subject_version: r.subjectVersion,
      });
    }
    if (patches.size === 0) return;
    await tx.query(
      `update proj_approvals p set (${COLUMNS}) = (select ${COLUMNS} from jsonb_populate_record(p, c.patch))
         from jsonb_array_elements($1::jsonb) as c (patch)
        where p.organization_id = c.patch ->> 'organization_id' and p.id = c.patch ->> 'id'
          and p.subject_version < (c.patch ->> 'subject_version')::bigint`,
      [JSON.stringify([...patches.values()])],
    );
  },
};

/** A question that was open where it came from is not put to anybody here, and no answer given there allows anything. */
export const importedApprovals = importProjection({
  name: "approvals.imported",
  tables: ["proj_approvals"],
  end: [
    `update proj_approvals a set status = case when a.status = 'approved' then a.status else 'expired' end, used_by = coalesce(a.used_by, 'imported')
       from import i where a.organization_id = i.organization_id and a.room_id = any(i.rooms) and a.status in ('pending', 'held', 'approved')`,
  ],
  remove: ["delete from proj_approvals a using import i where a.organization_id = i.organization_id and a.room_id = any(i.rooms)"],
});

/** An erased question keeps its place in the list; its time is over. */
function openedRow(r: R, d: Partial<Extract<ApprovalEvent, { type: "approval.requested" }>["data"]>): Row {
  return {
    organization_id: r.organizationId,
    id: r.subjectId,
    status: "pending",
    action: d.action ?? ERASED,
    title: d.title ?? ERASED,
    target: d.target,
    params: d.params,
    request: d.request ?? {},
    call_hash: d.call_hash ?? ERASED,
    room_id: r.stream.type === "room" ? r.stream.id : null,
    session_id: d.session_id,
    run_id: d.run_id,
    invocation_id: d.invocation_id,
    requested_by: d.requested_by ?? r.principal.id,
    on_behalf_of: d.on_behalf_of,
    requested_at: d.at ?? r.occurredAt,
    expires_at: d.expires_at ?? r.occurredAt,
    subject_version: r.subjectVersion,
  };
}

function patchOf(event: Exclude<ApprovalEvent, { type: "approval.requested" }>): Row {
  switch (event.type) {
    case "approval.held":
      return { status: "held", held_by: event.data.by };
    case "approval.approved":
      return {
        status: "approved",
        decided_by: event.data.by,
        decided_at: event.data.at,
        reason: event.data.reason ?? null,
        scope: event.data.scope,
        expires_at: event.data.expires_at,
      };
    case "approval.denied":
      return { status: "denied", decided_by: event.data.by, decided_at: event.data.at, reason: event.data.reason ?? null };
    case "approval.expired":
      return { status: "expired" };
    case "approval.used":
      return { used_by: event.data.invocation_id };
    default:
      return unreachable(event);
  }
}
