/* Reading and answering what agents ask. Whoever answers also lets the session go on, in the same unit. */
import { answerQuestion, dismissQuestion, listQuestions, type QuestionView } from "@signalbox/contract/questions";
import type { EventLog, Origin, StreamRef, Unit } from "@signalbox/eventlog/log";
import { sql, type Kysely, type RawBuilder } from "kysely";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type RequestContext } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { Database } from "../../module.ts";
import { hasRoomRole, type RoomAccess } from "../rooms/public.ts";
import { question, type QuestionCommand, type QuestionRefusal } from "./question.ts";
import { session } from "./session.ts";

export type QuestionRecord = z.input<typeof QuestionView>;

interface Row {
  id: string;
  status: "open" | "answered" | "dismissed";
  session_id: string;
  room_id: string;
  run_id: string;
  body: string;
  asked_by: string;
  asked_at: Date;
  answer: string | null;
  closed_by: string | null;
  closed_at: Date | null;
  reason: string | null;
}

export const questionView = (row: Row): QuestionRecord => ({
  id: row.id,
  status: row.status,
  session_id: row.session_id,
  room_id: row.room_id,
  run_id: row.run_id,
  ...(JSON.parse(row.body) as Pick<QuestionRecord, "header" | "text" | "options" | "multiple" | "free_text">),
  asked_by: row.asked_by,
  asked_at: row.asked_at.toISOString(),
  answer: row.answer === null ? null : (JSON.parse(row.answer) as NonNullable<QuestionRecord["answer"]>),
  closed_by: row.closed_by,
  closed_at: row.closed_at?.toISOString() ?? null,
  reason: row.reason,
});

export interface Questions {
  readonly routes: readonly BoundRoute[];
  view(organizationId: string, id: string): Promise<QuestionRecord | null>;
  /** Newest first. Throws `InvalidCursor`. */
  list(
    organizationId: string,
    filter: { sessionId?: string | undefined; status?: string | undefined; rooms?: readonly string[] | null | undefined },
    paging: { limit: number; cursor?: string | undefined },
  ): Promise<{ items: QuestionRecord[]; next_cursor: string | null }>;
}

export interface QuestionDeps {
  readonly log: EventLog;
  readonly db: Database;
  readonly rooms: RoomAccess;
  /** Approvals that still wait: they keep the session waiting. */
  readonly openApprovals: (organizationId: string, sessionId: string) => Promise<number>;
}

const byTime = z.tuple([z.iso.datetime(), z.string()]);

export function createQuestions({ log, db, rooms, openApprovals }: QuestionDeps): Questions {
  const rows = (organizationId: string, query: RawBuilder<Row>): Promise<Row[]> =>
    db.inOrganization(organizationId, async (tx: Kysely<unknown>) => (await query.execute(tx)).rows);

  const view: Questions["view"] = async (organizationId, id) => {
    const [row] = await rows(organizationId, sql<Row>`select * from proj_questions where id = ${id}`);
    return row === undefined ? null : questionView(row);
  };
  const list: Questions["list"] = async (organizationId, { sessionId, status, rooms: visible }, { limit, cursor }) => {
    const after = decodeCursor(cursor, byTime);
    const found = await rows(
      organizationId,
      sql<Row>`select * from proj_questions where true
        ${sessionId === undefined ? sql`` : sql`and session_id = ${sessionId}`}
        ${status === undefined ? sql`` : sql`and status = ${status}`}
        ${visible ? sql`and room_id = any(${[...visible]}::text[])` : sql``}
        ${after === null ? sql`` : sql`and (asked_at, id) < (${after[0]}::timestamptz, ${after[1]})`}
        order by asked_at desc, id desc limit ${limit + 1}`,
    );
    return pageOf(found, limit, questionView, (row) => [row.asked_at.toISOString(), row.id]);
  };

  async function close({ caller, origin }: RequestContext, id: string, command: Exclude<QuestionCommand, { type: "ask" }>) {
    const found = await view(caller.organizationId, id);
    const role = found === null ? null : await rooms.roleIn(caller, found.room_id);
    if (found === null || role === null) return NO_QUESTION;
    if (!hasRoomRole(role, "member"))
      throw new ShellRefused("forbidden", "You may read this question, not answer it.", {
        fix: "Ask an owner of its room to make you a member.",
      });
    const stream = { type: "room", id: found.room_id } as const;
    const context = { ...origin, roomId: found.room_id, sessionId: found.session_id, runId: found.run_id };
    const { value } = await log.unit({ organizationId: caller.organizationId, origin: context }, async (unit) => {
      const decision = await unit.decide(question, stream, `question:${id}`, command);
      if (!decision.ok) return decision.refusal;
      const others = (await list(caller.organizationId, { sessionId: found.session_id, status: "open" }, { limit: 2 })).items;
      if (others.every((one) => one.id === id)) await goOn(unit, caller.organizationId, stream, found.session_id, context);
      return null;
    });
    return value === null ? ((await view(caller.organizationId, id)) ?? NO_QUESTION) : refusalOf(value);
  }

  async function goOn(unit: Unit, organizationId: string, stream: StreamRef, sessionId: string, origin: Origin): Promise<void> {
    if ((await openApprovals(organizationId, sessionId)) > 0) return;
    await unit.decide(session, stream, `session:${sessionId}`, { type: "continue" }, origin);
  }

  return {
    view,
    list,
    routes: [
      handle(listQuestions, async ({ caller, query }) =>
        list(
          caller.organizationId,
          { sessionId: query.session_id, status: query.status, rooms: await rooms.visibleRooms(caller) },
          { limit: query.limit, cursor: query.cursor },
        ),
      ),
      handle(answerQuestion, async (request) => {
        const { options = [], text } = request.body;
        return close(request, request.params.id, { type: "answer", options, text, by: request.caller.principal.id });
      }),
      handle(dismissQuestion, async (request) => {
        const done = await close(request, request.params.id, {
          type: "dismiss",
          by: request.caller.principal.id,
          reason: request.body.reason,
        });
        // `answer_not_possible` is a refusal of answers only.
        return done as Exclude<typeof done, { refusal: { code: "answer_not_possible" } }>;
      }),
    ],
  };
}

const NO_QUESTION = refused("question_not_found", {
  message: "There is no such question, or you are not in its room.",
  fix: "List what is asked with GET /v1/questions.",
});

function refusalOf(refusal: QuestionRefusal) {
  switch (refusal.code) {
    case "question_not_found":
      return NO_QUESTION;
    case "question_closed":
      return refused("question_closed", {
        message: `It was ${refusal.details.status} already.`,
        fix: "Send the agent a message instead.",
        details: refusal.details,
      });
    case "answer_not_possible":
      return refused("answer_not_possible", {
        message: refusal.details.why,
        fix: "Choose of the options as they are labelled.",
        details: refusal.details,
      });
  }
}
