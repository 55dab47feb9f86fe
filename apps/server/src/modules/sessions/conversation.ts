/*
 * Windows of a conversation, and the conversation as it was.
 *
 * Rows are the newest state of each item, with the seq at which each part of it became so. Right after an earlier
 * event S, items above S were not there; what ended above S was still open. Only a message that was edited and an
 * approval that was held have more than two states: theirs at S are read from the log.
 */
import type { Hydrate } from "@signalbox/eventlog/archived";
import { dataRead } from "@signalbox/eventlog/envelope";
import type { ConversationItem, ConversationQuery } from "@signalbox/contract/sessions";
import { type Kysely, sql } from "kysely";
import { z } from "zod";
import { decodeCursor, encodeCursor } from "../../http/cursor.ts";
import type { Refused } from "../../http/handle.ts";
import type { Database } from "../../module.ts";
import { ERASED } from "./session.ts";

export type Item = z.input<typeof ConversationItem>;
export interface ConversationPage {
  readonly items: Item[];
  readonly next_cursor: string | null;
  readonly prev_cursor: string | null;
  readonly last_seq: number;
}

/** With the room's head in sight: a moment that has not come yet is refused. */
export type ConversationReader = (
  of: { readonly organizationId: string; readonly sessionId: string; readonly roomId: string },
  query: ConversationQuery,
) => Promise<ConversationPage | Refused<"cursor_in_future">>;

interface Row {
  id: string;
  seq: string;
  at: Date;
  type: string;
  run_id: string | null;
  body: string;
  outcome: string | null;
  outcome_seq: string | null;
  edited: string | null;
  edited_at: Date | null;
  edited_seq: string | null;
  decision: string | null;
  decision_seq: string | null;
}
const COLUMNS = sql`id, seq, at, type, run_id, body, outcome, outcome_seq, edited, edited_at, edited_seq, decision, decision_seq`;

/** `[seq]` is a cursor of before there were directions. */
const Key = z.union([z.tuple([z.int().min(0)]), z.tuple([z.enum(["after", "before"]), z.int().min(0)])]);
type Side = { readonly side: "after" | "before"; readonly seq: number };

function sideOf({ cursor, order, before_seq, after_seq }: ConversationQuery): Side {
  const key = decodeCursor(cursor, Key);
  if (key !== null) return key.length === 1 ? { side: "after", seq: key[0] } : { side: key[0], seq: key[1] };
  if (before_seq !== undefined) return { side: "before", seq: before_seq };
  if (after_seq !== undefined) return { side: "after", seq: after_seq };
  return order === "oldest" ? { side: "after", seq: 0 } : { side: "before", seq: Number.MAX_SAFE_INTEGER };
}

/** `lastSeq` is the newest event of the session's room that this may know of. */
export async function readConversation(
  db: Database,
  hydrate: Hydrate,
  organizationId: string,
  sessionId: string,
  query: ConversationQuery,
  lastSeq: number,
): Promise<ConversationPage> {
  const asOf = query.as_of_seq;
  return db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
    const until = asOf === undefined ? sql`` : sql`and seq <= ${asOf}`;
    const read = async ({ side, seq }: Side, limit: number): Promise<Row[]> => {
      const { rows } =
        side === "after"
          ? await sql<Row>`select ${COLUMNS} from proj_session_items where session_id = ${sessionId} and seq > ${seq} ${until} order by seq limit ${limit}`.execute(
              tx,
            )
          : await sql<Row>`select ${COLUMNS} from proj_session_items where session_id = ${sessionId} and seq < ${seq} ${until} order by seq desc limit ${limit}`.execute(
              tx,
            );
      return side === "after" ? rows : rows.toReversed();
    };
    let rows: Row[];
    let more: { before: boolean; after: boolean };
    if (query.around_seq !== undefined && query.cursor === undefined) {
      const half = Math.ceil(query.limit / 2);
      const before = await read({ side: "before", seq: query.around_seq + 1 }, half + 1);
      const after = await read({ side: "after", seq: query.around_seq }, query.limit - half + 1);
      more = { before: before.length > half, after: after.length > query.limit - half };
      rows = [...before.slice(-half), ...after.slice(0, query.limit - half)];
    } else {
      const side = sideOf(query);
      const found = await read(side, query.limit + 1);
      const beyond = found.length > query.limit;
      rows = side.side === "after" ? found.slice(0, query.limit) : found.slice(-query.limit);
      const edge = side.side === "after" ? rows[0] : rows.at(-1);
      // Whoever begins at an end has nothing behind him.
      const behind =
        edge !== undefined && side.seq !== 0 && side.seq !== Number.MAX_SAFE_INTEGER
          ? (await read({ side: side.side === "after" ? "before" : "after", seq: Number(edge.seq) }, 1)).length > 0
          : false;
      more = side.side === "after" ? { after: beyond, before: behind } : { before: beyond, after: behind };
    }
    const items = asOf === undefined ? rows.map(itemOf) : await asTheyWere(tx, hydrate, organizationId, rows, asOf);
    const forward = more.after ? encodeCursor(["after", Number(rows.at(-1)!.seq)]) : null;
    const backward = more.before ? encodeCursor(["before", Number(rows[0]!.seq)]) : null;
    const newestFirst = query.order === "newest";
    return {
      items,
      next_cursor: newestFirst ? backward : forward,
      prev_cursor: newestFirst ? forward : backward,
      last_seq: Math.max(lastSeq, Number(rows.at(-1)?.seq ?? 0)),
    };
  });
}

async function asTheyWere(
  tx: Kysely<unknown>,
  hydrate: Hydrate,
  organizationId: string,
  rows: readonly Row[],
  asOf: number,
): Promise<Item[]> {
  const later = (seq: string | null): boolean => seq !== null && Number(seq) > asOf;
  const then = rows.map((row) => ({
    ...row,
    ...(later(row.outcome_seq) ? { outcome: null, outcome_seq: null } : {}),
    ...(later(row.edited_seq) ? { edited: null, edited_at: null } : {}),
    ...(later(row.decision_seq) ? { decision: null } : {}),
  }));
  const changed = rows.filter(
    (row) => (row.type === "message" && later(row.edited_seq)) || (row.type === "approval" && later(row.outcome_seq)),
  );
  if (changed.length > 0) {
    const subjects = changed.map((row) => `${row.type}:${row.id}`);
    const { rows: found } = await sql<{
      position: string;
      header: string;
      subject: string;
      type: string;
      data: string | null;
      at: Date;
      seq: string;
    }>`
      select e.position, e.header, e.subject, e.type, p.data, e.recorded_at as at, e.seq from evt_events e left join evt_payloads p using (position)
       where e.organization_id = ${organizationId} and e.subject = any(${subjects}::text[]) and e.seq <= ${asOf}
         and e.type in ('message.edited', 'approval.held') order by e.subject, e.subject_version`.execute(tx);
    const byId = new Map(then.map((row) => [row.id, row]));
    for (const { subject, type, header, data, at, seq } of await hydrate(found)) {
      const version = /"version":([0-9]+),"zone"/.exec(header)?.[1] ?? null;
      const row = byId.get(subject.slice(subject.indexOf(":") + 1))!;
      if (type === "approval.held") Object.assign(row, { outcome: JSON.stringify({ status: "held", decided_by: null }), outcome_seq: seq });
      else
        Object.assign(row, {
          edited: data === null ? ERASED : (dataRead({ type, version, data }) as { content_md: string }).content_md,
          edited_at: at,
        });
    }
  }
  return then.map(itemOf);
}

const NOT_ENDED = { status: "invoked", output: null, output_truncated: false, error: null, artifact_id: null, duration_ms: null };

function itemOf(row: Row): Item {
  const { id, type, run_id, outcome, edited } = row;
  const base = { type, seq: Number(row.seq), at: row.at.toISOString(), id, run_id };
  const own = JSON.parse(row.body) as Record<string, unknown>;
  const end = outcome === null ? null : (JSON.parse(outcome) as Record<string, unknown>);
  const ended_seq = end === null || row.outcome_seq === null ? null : Number(row.outcome_seq);
  switch (type) {
    case "tool_call":
      return {
        step_id: null,
        ...base,
        ...own,
        ...(end ?? NOT_ENDED),
        ended_seq,
        decision: row.decision === null ? null : (JSON.parse(row.decision) as object),
      } as unknown as Item;
    case "approval":
      return {
        ...base,
        approval_id: id,
        title: own["title"] ?? null,
        status: "pending",
        decided_by: null,
        ...end,
        ended_seq,
      } as unknown as Item;
    case "question":
      return { ...base, question_id: id, ...own, status: "open", answer: null, closed_by: null, ...end, ended_seq } as unknown as Item;
    case "message":
      return {
        ...base,
        role: own["role"],
        author: own["author"],
        content_md: edited ?? own["content_md"] ?? "",
        edited_at: row.edited_at?.toISOString() ?? null,
      } as unknown as Item;
    default:
      return { ...base, ...own } as unknown as Item;
  }
}
