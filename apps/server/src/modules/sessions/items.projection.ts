import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";
import { columns, jsonText } from "./columns.ts";
import { decisionOf, endsItem, erasedBody, erasedOutcome, isDecision, itemOf, outcomeOf, runOf, type ItemEvent } from "./items.ts";
import { ERASED } from "./session.ts";

/** Keeps `proj_session_items`. Ids are those of the events' own objects, so an item is one row however often it is replayed. */
export const itemsProjection: Projection<ItemEvent> = {
  name: "sessions.items",
  types: [
    "message.created",
    "step.thought",
    "step.plan_updated",
    "tool.invoked",
    "tool.succeeded",
    "tool.failed",
    "approval.requested",
    "approval.held",
    "approval.approved",
    "approval.denied",
    "approval.expired",
    "question.asked",
    "question.answered",
    "question.dismissed",
    "message.edited",
    "invocation.requested",
    "policy.denied",
    "session.model_changed",
    "session.deleted",
    "run.completed",
    "run.failed",
    "run.canceled",
    "run.needs_human",
    "run.timed_out",
    "session.paused",
    "session.resumed",
    "session.stopped",
    "session.failed",
    "session.committed",
    "egress.blocked",
    "event.redacted",
  ],
  tables: ["proj_session_items"],

  async project(tx, batch) {
    // A room without sessions has messages and runs too; only what belongs to a session is conversation.
    const sessionOf = await sessionsOfRuns(tx, batch);
    const mine = batch.flatMap((r) => {
      const sessionId = r.sessionId ?? sessionOf.get(runOf(r) ?? "");
      return sessionId === undefined || r.stream.type !== "room" ? [] : [{ r, sessionId, item: itemOf(r) }];
    });
    const items = mine.flatMap((m) => (m.item === null ? [] : [{ ...m, item: m.item }]));
    if (items.length > 0) {
      await tx.query(
        `insert into proj_session_items (organization_id, session_id, id, seq, at, type, run_id, body, event_id)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[])
         on conflict (session_id, id) do nothing`,
        columns(items, ({ r, sessionId, item }) => [
          r.organizationId,
          sessionId,
          item.id,
          r.seq,
          r.occurredAt,
          item.type,
          runOf(r) ?? null,
          jsonText(item.body),
          r.eventId,
        ]),
      );
    }
    await outcomes(tx, batch);
    await edits(tx, batch);
    await decisions(tx, mine);
    const deleted = batch.flatMap((r) => (r.event.type === "session.deleted" ? [r.subjectId] : []));
    if (deleted.length > 0) await tx.query(`delete from proj_session_items where session_id = any($1)`, [deleted]);
    const erased = batch.flatMap((r) =>
      r.event.type === "event.redacted" && r.event.data.level === "full" ? r.event.data.target_event_id : [],
    );
    if (erased.length > 0) await erase(tx, erased);
  },
};

/** A run may be ended by a route that knows nothing of sessions. */
async function sessionsOfRuns(tx: Tx, batch: readonly Recorded<ItemEvent>[]): Promise<Map<string, string>> {
  const runs = [...new Set(batch.filter((r) => r.sessionId === undefined).flatMap((r) => runOf(r) ?? []))];
  if (runs.length === 0) return new Map();
  const { rows } = await tx.query<{ run_id: string; session_id: string }>(
    `select run_id, session_id from proj_session_turns where run_id = any($1)`,
    [runs],
  );
  return new Map(rows.map((row) => [row.run_id, row.session_id]));
}

/** Ends are of the item with that id, whoever wrote them: a verdict does not name the session. */
async function outcomes(tx: Tx, batch: readonly Recorded<ItemEvent>[]): Promise<void> {
  // Within a batch only the last word on an item matters.
  const ended = new Map(batch.flatMap((r) => (outcomeOf(r) === null ? [] : [[endsItem(r), r] as const])));
  if (ended.size === 0) return;
  await tx.query(
    `update proj_session_items i set outcome = o.outcome, outcome_event = o.event, outcome_seq = o.seq
       from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) as o (id, outcome, event, seq, organization_id)
      where i.organization_id = o.organization_id and i.id = o.id and (i.outcome_seq is null or i.outcome_seq < o.seq)
        and (i.type <> 'tool_call' or i.outcome_seq is null)`,
    columns([...ended.entries()], ([id, r]) => [id, textOf(outcomeOf(r)!.value), r.eventId, r.seq, r.organizationId]),
  );
}

async function edits(tx: Tx, batch: readonly Recorded<ItemEvent>[]): Promise<void> {
  const edited = new Map(batch.filter((r) => r.event.type === "message.edited").map((r) => [r.subjectId, r]));
  if (edited.size === 0) return;
  await tx.query(
    `update proj_session_items i set edited = o.text, edited_at = o.at, edited_seq = o.seq, edited_event = o.event
       from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[]) as o (id, text, at, seq, event, organization_id)
      where i.organization_id = o.organization_id and i.id = o.id and (i.edited_seq is null or i.edited_seq < o.seq)`,
    columns([...edited.values()], (r) => [
      r.subjectId,
      r.event.type === "message.edited" ? (r.event.data.content_md ?? ERASED) : ERASED,
      r.occurredAt,
      r.seq,
      r.eventId,
      r.organizationId,
    ]),
  );
}

/** What the gate said while a tool call ran is about that call: the last one of its turn that had begun and not ended. */
async function decisions(tx: Tx, mine: readonly { r: Recorded<ItemEvent>; sessionId: string }[]): Promise<void> {
  const said = mine.filter(({ r }) => isDecision(r) && runOf(r) !== undefined);
  for (const { r, sessionId } of said) {
    await tx.query(
      `update proj_session_items i set decision = $4, decision_seq = $3, decision_event = $5
        where i.session_id = $1 and (i.decision_seq is null or i.decision_seq < $3)
          and i.id = (select c.id from proj_session_items c
                       where c.session_id = $1 and c.run_id = $2 and c.type = 'tool_call' and c.seq < $3
                         and (c.outcome_seq is null or c.outcome_seq > $3) order by c.seq desc limit 1)`,
      [sessionId, runOf(r), r.seq, textOf(decisionOf(r)), r.eventId],
    );
  }
}

const textOf = (value: object | null): string | null => (value === null ? null : jsonText(value));

/** Leaves what a replay of the erased events leaves (`itemOf`, `outcomeOf` and `decisionOf` with no data). */
async function erase(tx: Tx, events: readonly string[]): Promise<void> {
  await tx.query(
    `delete from proj_session_items where event_id = any($1) and type in ('thought', 'tool_call', 'plan', 'notice', 'question')`,
    [events],
  );
  await tx.query(`update proj_session_items set edited = $2 where edited_event = any($1)`, [events, ERASED]);
  await tx.query(`update proj_session_items set decision = null where decision_event = any($1)`, [events]);
  const { rows } = await tx.query<{ session_id: string; id: string; type: string; body: string; outcome: string | null; own: boolean }>(
    `select session_id, id, type, body, outcome, event_id = any($1) as own from proj_session_items
      where (event_id = any($1) and type in ('message', 'run_ended', 'approval')) or outcome_event = any($1)`,
    [events],
  );
  if (rows.length === 0) return;
  await tx.query(
    `update proj_session_items i set body = e.body, outcome = e.outcome,
            outcome_event = case when e.outcome is null then null else i.outcome_event end,
            outcome_seq = case when e.outcome is null then null else i.outcome_seq end
       from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as e (session_id, id, body, outcome)
      where i.session_id = e.session_id and i.id = e.id`,
    columns(rows, (row) => [
      row.session_id,
      row.id,
      row.own ? jsonText(erasedBody(row.type, JSON.parse(row.body) as object)) : row.body,
      row.own ? row.outcome : textOf(row.outcome === null ? null : erasedOutcome(row.type, JSON.parse(row.outcome) as { status: string })),
    ]),
  );
}
