/*
 * What an agent asks in the middle of a turn, and of whom.
 *
 *   permission ──► the gate ──► allow once, or deny                       (inside the sandbox: nobody is asked)
 *   questions ───► one `question.asked` each; the session waits ──► a person answers or dismisses ──► the agent
 *
 * A question's id is made of the run and the agent's own id, so that after a takeover the same question is the same
 * record, and an answer that was given meanwhile is handed on. What the agent asked in one go it gets in one go; one
 * that was dismissed turns the whole of it down. With the turn its questions end.
 */
import type { EventLog } from "@signalbox/eventlog/log";
import type { AgentQuestion, AgentSession } from "@signalbox/providers/agent/port";
import type { Logger } from "pino";
import type pg from "pg";
import type { GateModule } from "../gate/public.ts";
import { SYSTEM } from "../identity/public.ts";
import { partId } from "./ids.ts";
import { question } from "./question.ts";
import { session, type SessionFacts } from "./session.ts";
import type { SessionLog } from "./session-log.ts";

export interface AskDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly logger: Logger;
  readonly gate: Pick<GateModule, "decide">;
}
interface Of {
  readonly own: SessionLog;
  readonly facts: SessionFacts;
  readonly agent: () => AgentSession | null;
}

const MAX_TEXT = 10_000;
const MAX_OPTIONS = 50;

export class Asks {
  readonly #deps: AskDeps;
  readonly #of: Of;
  /** By the agent's id of what it asked in one go: our ids, in its order. */
  readonly #open = new Map<string, readonly string[]>();
  #recording: Promise<void> = Promise.resolve();

  constructor(deps: AskDeps, of: Of) {
    this.#deps = deps;
    this.#of = of;
  }

  /** The harness asks; the gate answers. Inside the sandbox only what the harness was told to ask for gets here. */
  permission(asked: { readonly id: string; readonly tool: string }, runId: string | undefined): void {
    const { own, facts } = this.#of;
    void (async () => {
      const agent = this.#of.agent();
      try {
        const ruling = await this.#deps.gate.decide({
          organizationId: own.organizationId,
          stream: own.stream,
          origin: own.origin(runId),
          input: {
            principal: { id: facts.about.agent_id, type: "agent" },
            action: `tool.${asked.tool}`.slice(0, 200),
            resource: { type: "session", id: own.sessionId },
            context: {},
            zone: "sandbox",
            session_id: facts.about.session_id,
          },
        });
        const allowed = ruling.decision === "allow";
        await agent?.answerPermission(asked.id, allowed ? "allow_once" : "deny", allowed ? undefined : ruling.reason);
      } catch (error) {
        // Fails closed; an agent that is gone needs no answer.
        this.#deps.logger.warn({ err: error, session_id: own.sessionId }, "a permission request could not be put to the gate; denied");
        await agent?.answerPermission(asked.id, "deny", "The gate did not answer.").catch(() => false);
      }
    })();
  }

  /** Recorded once `said` resolves: what the agent said before it asked stands before the question. */
  questions(id: string, asked: readonly AgentQuestion[], runId: string, said: () => Promise<void>): void {
    if (this.#open.has(id)) return;
    const ids = asked.map((_, i) => partId("qst", runId, `${id}:${i}`));
    this.#open.set(id, ids);
    this.#recording = this.#recording
      .then(said)
      .then(() => this.#record(ids, asked, runId))
      .catch(async (error: unknown) => {
        this.#deps.logger.warn(
          { err: error, session_id: this.#of.own.sessionId },
          "a question could not be recorded; the agent goes on without an answer",
        );
        this.#open.delete(id);
        await this.#of
          .agent()
          ?.answerQuestions?.(id, null)
          .catch(() => false);
      });
  }

  async #record(ids: readonly string[], asked: readonly AgentQuestion[], runId: string): Promise<void> {
    const { own, facts } = this.#of;
    const agent = { id: facts.about.agent_id, type: "agent" as const };
    await this.#deps.log.unit({ organizationId: own.organizationId, origin: own.origin(runId) }, async (unit) => {
      await unit.load(session, own.stream, own.subject);
      await own.fence();
      let first: string | null = null;
      for (const [i, one] of asked.entries()) {
        const decision = await unit.decide(
          question,
          own.stream,
          `question:${ids[i]}`,
          {
            type: "ask",
            data: {
              question_id: ids[i],
              session_id: own.sessionId,
              run_id: runId,
              thread_id: facts.about.thread_id,
              ...(one.header === undefined ? {} : { header: one.header.slice(0, 200) }),
              text: one.text.slice(0, MAX_TEXT),
              options: one.options.slice(0, MAX_OPTIONS).map(({ label, description }) => ({
                label: label.slice(0, 500),
                ...(description === undefined ? {} : { description: description.slice(0, 2000) }),
              })),
              multiple: one.multiple,
              free_text: one.freeText || one.options.length === 0,
              asked_by: agent.id,
            } as never,
          },
          { principal: agent },
        );
        if (decision.ok && decision.events.length > 0) first ??= one.text;
      }
      if (first !== null)
        await unit.decide(session, own.stream, own.subject, { type: "wait", reason: `The agent asks: ${first.slice(0, 200)}` });
    });
  }

  /** Hands on what was answered since. Cheap when nothing is asked. */
  async settle(): Promise<void> {
    if (this.#open.size === 0) return;
    await this.#recording;
    const { rows } = await this.#deps.pool.query<{ id: string; status: string; answer: string | null }>(
      `select id, status, answer from proj_questions where id = any($1)`,
      [[...this.#open.values()].flat()],
    );
    const known = new Map(rows.map((row) => [row.id, row]));
    for (const [id, ids] of this.#open) {
      const all = ids.map((one) => known.get(one));
      if (all.some((row) => row === undefined || row.status === "open")) continue;
      this.#open.delete(id);
      const turnedDown = all.some((row) => row!.answer === null);
      const answers = turnedDown ? null : all.map((row) => answerOf(row!.answer!));
      await this.#of
        .agent()
        ?.answerQuestions?.(id, answers)
        .catch((error: unknown) =>
          this.#deps.logger.warn({ err: error, session_id: this.#of.own.sessionId }, "the agent could not be given its answer"),
        );
    }
  }

  /** The agent does not ask any more: by itself, or because its turn is over. */
  async drop(runId: string, reason: string, only?: string): Promise<void> {
    const gone = [...this.#open].filter(([id]) => only === undefined || id === only);
    if (gone.length === 0) return;
    for (const [id] of gone) this.#open.delete(id);
    await this.#recording;
    const { own } = this.#of;
    await this.#deps.log.unit({ organizationId: own.organizationId, origin: own.origin(runId) }, async (unit) => {
      await unit.load(session, own.stream, own.subject);
      await own.fence();
      for (const id of gone.flatMap(([, ids]) => ids)) {
        // One that was answered in the same moment stays answered.
        await unit.decide(question, own.stream, `question:${id}`, { type: "dismiss", by: SYSTEM.id, reason });
      }
    });
  }
}

function answerOf(text: string): string[] {
  const { options, text: said } = JSON.parse(text) as { options: string[]; text: string | null };
  return said === null ? options : [...options, said];
}
