/*
 * One turn after the other, each from its start to its end in the log.
 *
 *   take ────► run.started ──► prompt ──► the agent has it ─┐        ┌► turn.ended, agent.exited
 *                                 └► it did not take it ────┼► end ◄─┼► the sandbox ended
 *   carryOn ─► resync ──► adopted ─────────────────────────┤        ├► canceled, and silent for 10 s
 *                 └► the agent was lost, or never heard of it          └► the server stops
 *                                                           └► finish: what it changed, digest, run ended
 *
 * - At most one is under way; what the agent says meanwhile goes into its recorder.
 * - The first end that is heard is the end; a turn that the log ended before is only tidied up.
 */
import type { EventLog, Origin } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";
import { AgentModelError, type AgentEvent, type AgentQuestion, type AgentSession, type TurnEnd } from "@signalbox/providers/agent/port";
import type { Logger } from "pino";
import type pg from "pg";
import type { ForgeModule } from "../forge/public.ts";
import { isOpen, PLATFORM, run } from "../runs/public.ts";
import type { Asks } from "./asks.ts";
import { changesOf, type TurnChanges } from "./changes.ts";
import type { LiveChannel } from "./live.ts";
import { lookAt, promptText, turnStatus, type TurnRow } from "./look.ts";
import { TurnRecorder, type RecorderDeps } from "./recorder.ts";
import { isEnded, session, type SessionFacts } from "./session.ts";
import type { SessionLog } from "./session-log.ts";
import type { Signal } from "./signal.ts";
import { sandboxEndMessage, type Workplace } from "./workplace.ts";

export interface TurnsDeps extends RecorderDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly forge: Pick<ForgeModule, "setPerson" | "diff">;
  readonly displayName: (organizationId: string, principalId: string) => Promise<string>;
  /** Pins what left the sandbox during the turn. */
  readonly digest: (run: { organizationId: string; sessionId: string; runId: string; origin: Origin }) => Promise<void>;
}

/** What turns need of the hub that they run in. */
export interface TurnsHub {
  readonly place: Workplace;
  readonly asks: Asks;
  readonly channel: LiveChannel;
  readonly signal: Signal;
  readonly facts: SessionFacts;
  readonly epoch: number;
  closing(): Closing | null;
  ensureAgent(): Promise<void>;
  startAgent(): Promise<AgentSession>;
  /** Looks again, and hands on what was answered meanwhile. */
  goOn(): Promise<void>;
  /** The state is shown again although it is the same. */
  showAgain(): void;
}

/** How long a canceled or cut turn may take to say that it ended, before it counts as ended. */
const END_WITHIN_MS = 10_000;
/** Why a hub goes though its session has not ended. */
export type Closing = "server_stops" | "suspended" | "overtaken";
const CUT_SHORT: Readonly<Record<Exclude<Closing, "overtaken">, { readonly code: string; readonly message: string }>> = {
  server_stops: { code: "server_stopped", message: "The server was shut down in the middle of this turn. Send a message to go on." },
  suspended: {
    code: "organization_suspended",
    message: "The organization was suspended in the middle of this turn. Send a message to go on when it is let in again.",
  },
};

/** A turn under way, as the loop sees it. */
interface Running {
  readonly turn: TurnRow;
  readonly recorder: TurnRecorder;
  end: TurnEnd | null;
  cancelSent: boolean;
}

export class Turns {
  readonly #deps: TurnsDeps;
  readonly #own: SessionLog;
  readonly #hub: TurnsHub;
  #running: Running | null = null;

  constructor(deps: TurnsDeps, own: SessionLog, hub: TurnsHub) {
    this.#deps = deps;
    this.#own = own;
    this.#hub = hub;
  }

  /** The one under way. */
  get runId(): string | null {
    return this.#running?.turn.runId ?? null;
  }

  /** Nothing more of it is recorded: another process does. */
  abort(): void {
    this.#running?.recorder.abort();
  }

  /** Starts one that was queued, and sees it to its end. */
  async take(turn: TurnRow): Promise<void> {
    await this.#hub.ensureAgent();
    const { log, clock } = this.#deps;
    const { value: begun } = await this.#own.patiently((tries) =>
      log.unit({ organizationId: this.#own.organizationId, origin: this.#own.origin(turn.runId) }, async (unit) => {
        await this.#own.fence();
        const state = await unit.load(run, this.#own.stream, `run:${turn.runId}`);
        // After an outage in the middle of the commit it may be our own start that we see.
        if (state.status !== "queued") return tries > 0 && state.status === "running";
        return (
          await unit.decide(run, this.#own.stream, `run:${turn.runId}`, {
            type: "start",
            runId: turn.runId as never,
            writer: PLATFORM,
            now: clock.now(),
          })
        ).ok;
      }),
    );
    // Canceled while it was queued.
    if (begun) await this.#prompt(turn);
  }

  async #prompt(turn: TurnRow): Promise<void> {
    const running = this.#begin(turn);
    const untaken = await this.#hand(turn);
    // Not `??= await`: that looks before it waits, and would undo the end of a turn that was over by then.
    running.end ??= untaken;
    await this.#untilEnd(running);
  }

  /** Gives the agent its message. Not null: it did not take it, and the turn ends like that. */
  async #hand(turn: TurnRow): Promise<TurnEnd | null> {
    const { agent, sandbox } = this.#hub.place;
    const text = await this.#own.patiently(() => promptText(this.#deps.pool, this.#own.sessionId, turn));
    if (text === null)
      return { reason: "failed", error: { code: "message_erased", message: "The message was erased before the agent got it." } };
    try {
      // When the platform speaks, the work still is that of whoever spoke last.
      if (turn.requestedBy.startsWith("usr_")) {
        const name = await this.#deps.displayName(this.#own.organizationId, turn.requestedBy);
        await this.#deps.forge.setPerson(sandbox!, { name, email: `${turn.requestedBy}@signalbox.invalid` });
      }
      const { model } = await this.#own.patiently(() => lookAt(this.#deps.pool, this.#own.sessionId));
      try {
        await agent!.prompt({ promptId: turn.runId, text, model });
      } catch (error) {
        if (!(error instanceof AgentModelError)) throw error;
        // It keeps its conversation; only the program is begun anew.
        await agent!.close();
        await (await this.#hub.startAgent()).prompt({ promptId: turn.runId, text, model });
      }
      await this.#hub.place.rememberAgent();
      return null;
    } catch (error) {
      this.#deps.logger.warn({ err: error, session_id: this.#own.sessionId, run_id: turn.runId }, "the agent did not take the message");
      return {
        reason: "failed",
        error: { code: "agent_lost", message: "The agent ended before it took the message. Send it again to go on." },
      };
    }
  }

  /** The log says that this turn runs, and this hub did not start it. */
  async carryOn(turn: TurnRow): Promise<void> {
    const agent = this.#hub.place.agent;
    const state = agent === null ? null : await agent.resync();
    if (agent !== null && state?.promptId !== turn.runId && agent.reattached && state?.status !== "running") {
      // The server died between the start and the prompt: the agent never heard of it.
      return this.#prompt(turn);
    }
    const running = this.#begin(turn);
    if (state !== null && state.promptId === turn.runId) {
      running.recorder.adopt(state);
      if (state.status === "ended") running.end = state.end ?? { reason: "completed" };
      else if (agent !== null && !agent.reattached) running.end = LOST;
      for (const asked of state.permissions) this.#hub.asks.permission(asked, turn.runId);
      for (const { id, questions } of state.questions ?? []) this.#ask(running, id, questions);
      // What was answered while nobody had the session is in the log already: no append will wake us for it.
      if ((state.questions ?? []).length > 0) this.#hub.signal.set();
    } else {
      running.end = LOST;
    }
    await this.#untilEnd(running);
  }

  #begin(turn: TurnRow): Running {
    this.#hub.channel.mark();
    const about = this.#hub.facts.about;
    const recorder = new TurnRecorder(
      this.#deps,
      {
        organizationId: this.#own.organizationId,
        sessionId: this.#own.sessionId,
        roomId: about.room_id,
        threadId: about.thread_id,
        agentId: about.agent_id,
        runId: turn.runId,
        epoch: this.#hub.epoch,
      },
      this.#hub.channel,
    );
    this.#running = { turn, recorder, end: null, cancelSent: false };
    return this.#running;
  }

  #ask({ recorder, turn }: Running, id: string, questions: readonly AgentQuestion[]): void {
    this.#hub.asks.questions(id, questions, turn.runId, () => recorder.settled());
  }

  async #untilEnd(running: Running): Promise<void> {
    let deadline = Infinity;
    while (running.end === null && this.#hub.closing() !== "overtaken") {
      await this.#hub.signal.wait(Math.min(deadline - this.#deps.clock.nowMs(), 60_000));
      if (running.end !== null) break;
      const end = this.#hub.place.lastEnd;
      if (end !== null && this.#hub.place.sandbox?.alive() !== true) {
        running.end = { reason: "failed", error: { code: "sandbox_lost", message: sandboxEndMessage(end) } };
        break;
      }
      const status = await this.#own.patiently(() => turnStatus(this.#deps.pool, running.turn.runId, this.#own.sessionId));
      if (running.end !== null) break;
      await this.#hub.goOn();
      const unwanted = status?.turn !== "running" || isEnded(status.session) || this.#hub.closing() !== null;
      if (unwanted && !running.cancelSent) {
        running.cancelSent = true;
        deadline = this.#deps.clock.nowMs() + END_WITHIN_MS;
        this.#hub.place.agent
          ?.cancel()
          .catch((error: unknown) =>
            this.#deps.logger.warn({ err: error, session_id: this.#own.sessionId }, "the agent could not be told to stop"),
          );
      }
      if (this.#deps.clock.nowMs() >= deadline) running.end = { reason: "canceled" };
    }
    await this.#finish(running);
  }

  async #finish(running: Running): Promise<void> {
    const { recorder, turn } = running;
    const closing = this.#hub.closing();
    if (closing === "overtaken") throw this.#own.overtaken();
    const end: TurnEnd =
      closing !== null && running.end?.reason !== "completed" ? { reason: "failed", error: CUT_SHORT[closing] } : running.end!;
    recorder.closeOpen(
      end.reason === "completed" ? "the turn ended without its outcome" : end.reason === "canceled" ? "canceled" : end.error.message,
    );
    await recorder.settled();
    await this.#own.patiently(() => this.#hub.asks.drop(turn.runId, "The turn that asked has ended."));
    const changes = this.#hub.place.sandbox?.alive() === true ? await this.#changes(turn) : null;
    const { log, clock } = this.#deps;
    await this.#own.patiently(() =>
      this.#deps.digest({
        organizationId: this.#own.organizationId,
        sessionId: this.#own.sessionId,
        runId: turn.runId,
        origin: this.#own.origin(turn.runId),
      }),
    );
    const write = { runId: turn.runId as never, writer: PLATFORM, now: clock.now() } as const;
    await this.#own.patiently(() =>
      log.unit({ organizationId: this.#own.organizationId, origin: this.#own.origin(turn.runId) }, async (unit) => {
        const subject = `run:${turn.runId}`;
        const state = await unit.load(run, this.#own.stream, subject);
        await this.#own.fence();
        if (changes !== null) await this.#stageChanges(unit, turn, changes, isOpen(state));
        // Canceled from outside: the log said so before the agent did.
        if (!isOpen(state)) return;
        if (end.reason === "completed")
          await unit.decide(run, this.#own.stream, subject, { ...write, type: "complete", summary: recorder.lastMessage?.slice(0, 2000) });
        else if (end.reason === "failed")
          await unit.decide(run, this.#own.stream, subject, {
            ...write,
            type: "fail",
            code: end.error.code,
            message: end.error.message.slice(0, 10_000),
          });
        else
          await unit.decide(run, this.#own.stream, subject, {
            type: "cancel",
            runId: turn.runId as never,
            by: turn.requestedBy as never,
            reason: "The agent stopped.",
          });
      }),
    );
    this.#running = null;
    this.#hub.channel.mark();
    this.#hub.showAgain();
    await this.#hub.goOn();
  }

  async #changes(turn: TurnRow): Promise<TurnChanges | null> {
    try {
      const { state } = await this.#deps.log.state(session, this.#own.organizationId, this.#own.subject);
      return await changesOf(this.#deps, this.#hub.place.sandbox!, {
        organizationId: this.#own.organizationId,
        sessionId: this.#own.sessionId,
        state,
        turn,
      });
    } catch (error) {
      // The turn's outcome matters more than the list of what it changed; the next turn lists it again.
      this.#deps.logger.warn({ err: error, session_id: this.#own.sessionId }, "what the turn changed could not be read");
      return null;
    }
  }

  async #stageChanges(
    unit: Parameters<Parameters<EventLog["unit"]>[1]>[0],
    turn: TurnRow,
    changes: TurnChanges,
    runIsOpen: boolean,
  ): Promise<void> {
    const subject = this.#own.subject;
    const { patch, commit } = changes;
    if (patch !== null && runIsOpen) {
      await unit.decide(run, this.#own.stream, `run:${turn.runId}`, {
        type: "create_artifact",
        runId: turn.runId as never,
        writer: PLATFORM,
        now: this.#deps.clock.now(),
        artifact: patch,
      });
    }
    await unit.decide(session, this.#own.stream, subject, {
      type: "record_changes",
      runId: turn.runId,
      files: changes.files,
      headCommit: changes.headCommit ?? undefined,
      patchArtifactId: runIsOpen ? patch?.artifactId : undefined,
    });
    if (commit !== null)
      await unit.decide(session, this.#own.stream, subject, {
        type: "record_commit",
        ...commit,
        coAuthor: turn.requestedBy.startsWith("usr_") ? turn.requestedBy : undefined,
      });
  }

  hear(event: AgentEvent): void {
    const running = this.#running;
    switch (event.type) {
      case "turn.ended":
        if (running !== null && event.promptId === running.turn.runId) running.end ??= event.end;
        return this.#hub.signal.set();
      case "agent.exited":
        this.#hub.place.agent = null;
        if (running !== null)
          running.end ??= {
            reason: "failed",
            error: {
              code: "agent_lost",
              message: "The agent ended in the middle of this turn. Send a message to go on; it remembers what was said.",
            },
          };
        return this.#hub.signal.set();
      case "permission.requested":
        return this.#hub.asks.permission(event, running?.turn.runId);
      case "questions.asked":
        if (running !== null) this.#ask(running, event.id, event.questions);
        return;
      case "questions.closed":
        // Answered, mostly, and by us; what went otherwise is noticed with the turn's end.
        return;
      default:
        running?.recorder.handle(event);
    }
  }
}

const LOST: TurnEnd = {
  reason: "failed",
  error: {
    code: "agent_lost",
    message: "The agent was lost in the middle of this turn. Send a message to go on; it remembers what was said.",
  },
};
