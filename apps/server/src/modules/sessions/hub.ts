/*
 * The hub owns a live session's connection and fan-out, and decides nothing: what a person wants is in the log, the
 * hub looks there and does it; what the agent says, it records through the deciders.
 *
 *                    ┌────────────────────────── poke (something about the session was appended) ─┐
 *   boot ──► look ───┤ a turn was under way (takeover) ──► resync ──► carry on ─┐                  │
 *              ▲     ├ a prompt is queued ───────────────► start ──► prompt ────┤ ── end of turn ──┤
 *              │     ├ nothing ──► wait for a poke ─────────────────────────────┘                  │
 *              │     └ the session ended ──► end sandbox and agent ──► gone                        │
 *              └───────────────────────────────────────────────────────────────────────────────────┘
 *
 * Invariants
 * - One hub a session, fenced by its lease's epoch; an overtaken hub lets go of the sandbox and writes nothing.
 * - Turns run in the order in which they were asked for, one at a time.
 * - Every turn that was started is ended in the log, also when agent, sandbox or server die in the middle.
 * - The hub goes when its session ends, is paused, or the server stops; nothing of it stays behind.
 */
import type { EventLog, Origin, StreamRef } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";
import { AgentModelError, type AgentEvent, type AgentSession, type TurnEnd } from "@signalbox/providers/agent/port";
import type { Logger } from "pino";
import type pg from "pg";
import type { GateModule } from "../gate/public.ts";
import { SYSTEM } from "../identity/public.ts";
import { isOpen, PLATFORM, run } from "../runs/public.ts";
import { Asks } from "./asks.ts";
import { changesOf, type TurnChanges } from "./changes.ts";
import { patiently } from "./patience.ts";
import { lookAt, promptText, turnStatus, type Look, type TurnRow } from "./look.ts";
import type { Lease } from "./lease.ts";
import type { Live, LiveChannel } from "./live.ts";
import { HubOvertaken, TurnRecorder, type RecorderDeps } from "./recorder.ts";
import { isEnded, session, type SessionFacts } from "./session.ts";
import { Signal } from "./signal.ts";
import { sandboxEndMessage, StartFailed, Workplace, type WorkplaceDeps } from "./workplace.ts";

export interface HubDeps extends RecorderDeps, WorkplaceDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly live: Live;
  readonly gate: Pick<GateModule, "decide">;
  readonly displayName: (organizationId: string, principalId: string) => Promise<string>;
  /** Pins what left the sandbox during the turn. */
  readonly digest: (run: { organizationId: string; sessionId: string; runId: string; origin: Origin }) => Promise<void>;
}

/** How long a canceled or cut turn may take to say that it ended, before it counts as ended. */
const END_WITHIN_MS = 10_000;

/** A turn under way, as the loop sees it. */
interface Running {
  readonly turn: TurnRow;
  readonly recorder: TurnRecorder;
  end: TurnEnd | null;
  cancelSent: boolean;
}

export class Hub {
  readonly #deps: HubDeps;
  readonly #lease: Lease;
  readonly #channel: LiveChannel;
  readonly #signal = new Signal();
  readonly #stream: StreamRef;
  readonly #facts: SessionFacts;
  readonly #place: Workplace;
  readonly #asks: Asks;
  #running: Running | null = null;
  #closing: "server_stops" | "overtaken" | null = null;
  #shownState = "";
  #shownCost = "";

  constructor(deps: HubDeps, lease: Lease, facts: SessionFacts) {
    this.#deps = deps;
    this.#lease = lease;
    this.#facts = facts;
    this.#stream = { type: "room", id: facts.about.room_id };
    this.#channel = deps.live.open(lease.organizationId, lease.sessionId, lease.epoch);
    this.#place = new Workplace(deps, lease, facts, {
      onProgress: (text) => this.#channel.emit({ kind: "progress", run_id: this.#running?.turn.runId ?? null, text }),
      onSandboxEnd: () => this.#signal.set(),
    });
    this.#asks = new Asks(deps, {
      organizationId: lease.organizationId,
      sessionId: lease.sessionId,
      facts,
      stream: this.#stream,
      origin: (runId) => this.#origin(runId),
      fence: () => this.#fence(),
      agent: () => this.#place.agent,
    });
  }

  get sessionId(): string {
    return this.#lease.sessionId;
  }
  get organizationId(): string {
    return this.#lease.organizationId;
  }
  get roomId(): string {
    return this.#facts.about.room_id;
  }
  get lease(): Lease {
    return this.#lease;
  }
  get workplace(): Workplace {
    return this.#place;
  }

  /** Something may have changed. Cheap; again is harmless. */
  poke(): void {
    this.#signal.set();
  }

  /** The server stops: the turn under way is ended, the session paused. */
  shutDown(): void {
    this.#closing ??= "server_stops";
    this.#signal.set();
  }

  /** The lease is lost: let go at once. */
  overtaken(): void {
    this.#closing = "overtaken";
    this.#running?.recorder.abort();
    this.#signal.set();
  }

  /** Resolves when the hub is gone. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#live();
    } catch (error) {
      if (error instanceof HubOvertaken) this.#closing = "overtaken";
      else await this.#fail(error);
    } finally {
      await this.#leave();
    }
  }

  async #live(): Promise<void> {
    let look = await this.#look();
    // Stopped between the job and now: only what was left behind is ended.
    if (isEnded(look.status)) {
      await this.#place.adoptSandbox();
      return;
    }
    await this.#boot(look);
    for (
      look = await this.#look();
      this.#closing === null && !isEnded(look.status) && look.status !== "paused";
      look = await this.#look()
    ) {
      if (look.current !== null) await this.#carryOn(look.current);
      else if (look.next !== null) await this.#take(look.next);
      else if (this.#place.lastEnd !== null) return this.#pause(sandboxEndMessage(this.#place.lastEnd));
      else await this.#signal.wait();
    }
    if (this.#closing === "server_stops" && !isEnded(look.status))
      await this.#pause("The server was shut down; the session goes on when you send a message.");
  }

  /** Takes over what still runs, or makes it (again). Also in the middle of a session's life. */
  async #boot(look: Look): Promise<void> {
    const started = this.#deps.clock.nowMs();
    const { sandboxId } = this.#place;
    const mustBoot = !(this.#place.sandbox?.alive() ?? (await this.#place.adoptSandbox()));
    if (mustBoot) {
      await this.#decide({ type: "boot", sandboxId, provider: this.#deps.sandboxes.name, epoch: this.#lease.epoch });
      this.#showState(await this.#look());
      await this.#place.createSandbox();
    }
    const sandboxMs = Math.round(this.#deps.clock.nowMs() - started);
    const agent = await this.#startAgent();
    const agentMs = Math.round(this.#deps.clock.nowMs() - started - sandboxMs);
    this.#deps.logger.info(
      {
        session_id: this.sessionId,
        epoch: this.#lease.epoch,
        adopted: !mustBoot,
        reattached: agent.reattached,
        sandbox_ms: sandboxMs,
        agent_ms: agentMs,
      },
      "a session is ready",
    );
    if (mustBoot || look.status === "creating" || look.status === "resuming") {
      const { baseCommit } = await this.#deps.forge.diff(this.#place.sandbox!, { sessionId: this.sessionId }).catch((error: unknown) => {
        this.#deps.logger.warn({ err: error, session_id: this.sessionId }, "the state of the repository could not be read");
        return { baseCommit: null };
      });
      await this.#decide({
        type: "ready",
        sandboxId,
        epoch: this.#lease.epoch,
        agentSessionId: agent.agentSessionId,
        ...(baseCommit === null ? {} : { baseCommit }),
        bootMs: Math.round(this.#deps.clock.nowMs() - started),
      });
      if (look.pendingApprovals > 0) await this.#decide({ type: "wait", reason: "Something that the agent asked for awaits approval." });
    }
  }

  // ── One turn ───────────────────────────────────────────────────────────────────────────────────

  async #take(turn: TurnRow): Promise<void> {
    await this.#ensureAgent();
    const { log, clock } = this.#deps;
    const { value: begun } = await this.#patiently((tries) =>
      log.unit({ organizationId: this.organizationId, origin: this.#origin(turn.runId) }, async (unit) => {
        await this.#fence();
        const state = await unit.load(run, this.#stream, `run:${turn.runId}`);
        // After an outage in the middle of the commit it may be our own start that we see.
        if (state.status !== "queued") return tries > 0 && state.status === "running";
        return (
          await unit.decide(run, this.#stream, `run:${turn.runId}`, {
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
    const { agent, sandbox } = this.#place;
    const text = await this.#patiently(() => promptText(this.#deps.pool, this.sessionId, turn));
    if (text === null)
      return { reason: "failed", error: { code: "message_erased", message: "The message was erased before the agent got it." } };
    try {
      // When the platform speaks, the work still is that of whoever spoke last.
      if (turn.requestedBy.startsWith("usr_")) {
        const name = await this.#deps.displayName(this.organizationId, turn.requestedBy);
        await this.#deps.forge.setPerson(sandbox!, { name, email: `${turn.requestedBy}@signalbox.invalid` });
      }
      const { model } = await this.#patiently(() => lookAt(this.#deps.pool, this.sessionId));
      try {
        await agent!.prompt({ promptId: turn.runId, text, model });
      } catch (error) {
        if (!(error instanceof AgentModelError)) throw error;
        // It keeps its conversation; only the program is begun anew.
        await agent!.close();
        await (await this.#startAgent()).prompt({ promptId: turn.runId, text, model });
      }
      await this.#place.rememberAgent();
      return null;
    } catch (error) {
      this.#deps.logger.warn({ err: error, session_id: this.sessionId, run_id: turn.runId }, "the agent did not take the message");
      return {
        reason: "failed",
        error: { code: "agent_lost", message: "The agent ended before it took the message. Send it again to go on." },
      };
    }
  }

  /** The log says that this turn runs, and this hub did not start it. */
  async #carryOn(turn: TurnRow): Promise<void> {
    const agent = this.#place.agent;
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
      for (const asked of state.permissions) this.#asks.permission(asked, turn.runId);
      for (const { id, questions } of state.questions ?? []) this.#asks.questions(id, questions, turn.runId);
    } else {
      running.end = LOST;
    }
    await this.#untilEnd(running);
  }

  #begin(turn: TurnRow): Running {
    this.#channel.mark();
    const about = this.#facts.about;
    const recorder = new TurnRecorder(
      this.#deps,
      {
        organizationId: this.organizationId,
        sessionId: this.sessionId,
        roomId: about.room_id,
        threadId: about.thread_id,
        agentId: about.agent_id,
        runId: turn.runId,
        epoch: this.#lease.epoch,
      },
      this.#channel,
    );
    this.#running = { turn, recorder, end: null, cancelSent: false };
    return this.#running;
  }

  async #untilEnd(running: Running): Promise<void> {
    let deadline = Infinity;
    while (running.end === null && this.#closing !== "overtaken") {
      await this.#signal.wait(Math.min(deadline - this.#deps.clock.nowMs(), 60_000));
      if (running.end !== null) break;
      const end = this.#place.lastEnd;
      if (end !== null && this.#place.sandbox?.alive() !== true) {
        running.end = { reason: "failed", error: { code: "sandbox_lost", message: sandboxEndMessage(end) } };
        break;
      }
      const status = await this.#patiently(() => turnStatus(this.#deps.pool, running.turn.runId, this.sessionId));
      if (running.end !== null) break;
      await this.#goOn(await this.#look());
      const unwanted = status?.turn !== "running" || isEnded(status.session) || this.#closing !== null;
      if (unwanted && !running.cancelSent) {
        running.cancelSent = true;
        deadline = this.#deps.clock.nowMs() + END_WITHIN_MS;
        this.#place.agent
          ?.cancel()
          .catch((error: unknown) =>
            this.#deps.logger.warn({ err: error, session_id: this.sessionId }, "the agent could not be told to stop"),
          );
      }
      if (this.#deps.clock.nowMs() >= deadline) running.end = { reason: "canceled" };
    }
    await this.#finish(running);
  }

  async #finish(running: Running): Promise<void> {
    const { recorder, turn } = running;
    if (this.#closing === "overtaken") throw new HubOvertaken(`another process owns ${this.sessionId} now`);
    const end: TurnEnd =
      this.#closing === "server_stops" && running.end?.reason !== "completed"
        ? {
            reason: "failed",
            error: { code: "server_stopped", message: "The server was shut down in the middle of this turn. Send a message to go on." },
          }
        : running.end!;
    recorder.closeOpen(
      end.reason === "completed" ? "the turn ended without its outcome" : end.reason === "canceled" ? "canceled" : end.error.message,
    );
    await recorder.settled();
    await this.#patiently(() => this.#asks.drop(turn.runId, "The turn that asked has ended."));
    const changes = this.#place.sandbox?.alive() === true ? await this.#changes(turn) : null;
    const { log, clock } = this.#deps;
    await this.#patiently(() =>
      this.#deps.digest({
        organizationId: this.organizationId,
        sessionId: this.sessionId,
        runId: turn.runId,
        origin: this.#origin(turn.runId),
      }),
    );
    const write = { runId: turn.runId as never, writer: PLATFORM, now: clock.now() } as const;
    await this.#patiently(() =>
      log.unit({ organizationId: this.organizationId, origin: this.#origin(turn.runId) }, async (unit) => {
        const subject = `run:${turn.runId}`;
        const state = await unit.load(run, this.#stream, subject);
        await this.#fence();
        if (changes !== null) await this.#stageChanges(unit, turn, changes, isOpen(state));
        // Canceled from outside: the log said so before the agent did.
        if (!isOpen(state)) return;
        if (end.reason === "completed")
          await unit.decide(run, this.#stream, subject, { ...write, type: "complete", summary: recorder.lastMessage?.slice(0, 2000) });
        else if (end.reason === "failed")
          await unit.decide(run, this.#stream, subject, {
            ...write,
            type: "fail",
            code: end.error.code,
            message: end.error.message.slice(0, 10_000),
          });
        else
          await unit.decide(run, this.#stream, subject, {
            type: "cancel",
            runId: turn.runId as never,
            by: turn.requestedBy as never,
            reason: "The agent stopped.",
          });
      }),
    );
    this.#running = null;
    this.#channel.mark();
    this.#shownState = "";
    await this.#goOn(await this.#look());
  }

  async #changes(turn: TurnRow): Promise<TurnChanges | null> {
    try {
      const { state } = await this.#deps.log.state(session, this.organizationId, `session:${this.sessionId}`);
      return await changesOf(this.#deps, this.#place.sandbox!, {
        organizationId: this.organizationId,
        sessionId: this.sessionId,
        state,
        turn,
      });
    } catch (error) {
      // The turn's outcome matters more than the list of what it changed; the next turn lists it again.
      this.#deps.logger.warn({ err: error, session_id: this.sessionId }, "what the turn changed could not be read");
      return null;
    }
  }

  async #stageChanges(
    unit: Parameters<Parameters<EventLog["unit"]>[1]>[0],
    turn: TurnRow,
    changes: TurnChanges,
    runIsOpen: boolean,
  ): Promise<void> {
    const subject = `session:${this.sessionId}`;
    const { patch, commit } = changes;
    if (patch !== null && runIsOpen) {
      await unit.decide(run, this.#stream, `run:${turn.runId}`, {
        type: "create_artifact",
        runId: turn.runId as never,
        writer: PLATFORM,
        now: this.#deps.clock.now(),
        artifact: patch,
      });
    }
    await unit.decide(session, this.#stream, subject, {
      type: "record_changes",
      runId: turn.runId,
      files: changes.files,
      headCommit: changes.headCommit ?? undefined,
      patchArtifactId: runIsOpen ? patch?.artifactId : undefined,
    });
    if (commit !== null)
      await unit.decide(session, this.#stream, subject, {
        type: "record_commit",
        ...commit,
        coAuthor: turn.requestedBy.startsWith("usr_") ? turn.requestedBy : undefined,
      });
  }

  #hear(event: AgentEvent): void {
    const running = this.#running;
    switch (event.type) {
      case "turn.ended":
        if (running !== null && event.promptId === running.turn.runId) running.end ??= event.end;
        return this.#signal.set();
      case "agent.exited":
        this.#place.agent = null;
        if (running !== null)
          running.end ??= {
            reason: "failed",
            error: {
              code: "agent_lost",
              message: "The agent ended in the middle of this turn. Send a message to go on; it remembers what was said.",
            },
          };
        return this.#signal.set();
      case "permission.requested":
        return this.#asks.permission(event, running?.turn.runId);
      case "questions.asked":
        if (running !== null) this.#asks.questions(event.id, event.questions, running.turn.runId);
        return;
      case "questions.closed":
        // Answered, mostly, and by us; what went otherwise is noticed with the turn's end.
        return;
      default:
        running?.recorder.handle(event);
    }
  }

  // ── Around it ──────────────────────────────────────────────────────────────────────────────────

  /** Before a turn: an agent that ended is started again, in a new sandbox if that ended too. */
  async #ensureAgent(): Promise<void> {
    if (this.#place.ready) return;
    if (this.#place.sandbox?.alive() !== true) {
      await this.#place.end();
      return this.#boot(await this.#look());
    }
    await this.#startAgent();
  }

  /** With the model of now, and knowing those that it had before. */
  async #startAgent(): Promise<AgentSession> {
    const { state } = await this.#deps.log.state(session, this.organizationId, `session:${this.sessionId}`);
    const facts = state.status === "none" ? this.#facts : state;
    const agent = await this.#place.startAgent({ model: facts.model, models: facts.models });
    agent.onEvent((event) => this.#hear(event));
    return agent;
  }

  /** In the middle of a turn: answers reach the agent, and what nobody is asked about any more does not wait. */
  async #goOn(look: Look): Promise<void> {
    this.#showState(look);
    await this.#asks.settle();
    if (look.status === "waiting" && look.pendingApprovals === 0 && look.pendingQuestions === 0) await this.#decide({ type: "continue" });
  }

  async #look(): Promise<Look> {
    const look = await this.#patiently(() => lookAt(this.#deps.pool, this.sessionId));
    this.#showState(look);
    return look;
  }

  #showState(look: Look): void {
    const text = `${look.status}\n${look.reason ?? ""}`;
    if (text !== this.#shownState) {
      this.#shownState = text;
      this.#channel.emit({ kind: "state", status: look.status, reason: look.reason });
    }
    const cost = `${look.cost} ${look.budget}`;
    if (cost !== this.#shownCost) {
      this.#shownCost = cost;
      this.#channel.emit({ kind: "cost", spent_micro_usd: look.cost, reserved_micro_usd: 0, cap_micro_usd: look.budget });
    }
  }

  #origin(runId?: string): Origin {
    const { room_id: roomId, thread_id: threadId } = this.#facts.about;
    return {
      principal: SYSTEM,
      zone: "supervised",
      roomId,
      threadId,
      sessionId: this.sessionId,
      ...(runId === undefined ? {} : { runId }),
    };
  }

  async #fence(): Promise<void> {
    if (!(await this.#deps.leases.isCurrent(this.sessionId, this.#lease.epoch)))
      throw new HubOvertaken(`another process owns ${this.sessionId} now`);
  }

  /** Through outages of the database: the agent works on meanwhile, and nothing of it may be lost. */
  #patiently<T>(work: (tries: number) => Promise<T>): Promise<T> {
    return patiently(
      () => this.#closing === null,
      (error) => this.#deps.logger.warn({ err: error, session_id: this.sessionId }, "the database is away; the session waits for it"),
      work,
    );
  }

  async #decide(command: Parameters<typeof session.decide>[1]): Promise<boolean> {
    const { value } = await this.#patiently(() =>
      this.#deps.log.unit({ organizationId: this.organizationId, origin: this.#origin() }, async (unit) => {
        await unit.load(session, this.#stream, `session:${this.sessionId}`);
        await this.#fence();
        const decision = await unit.decide(session, this.#stream, `session:${this.sessionId}`, command);
        return decision.ok ? null : decision.refusal.code;
      }),
    );
    if (value === "session_epoch_passed") throw new HubOvertaken(`another process owns ${this.sessionId} now`);
    return value === null;
  }

  async #pause(reason: string): Promise<void> {
    await this.#decide({ type: "pause", reason });
  }

  /** The session cannot go on: said once, with every prompt that waited for it. */
  async #fail(error: unknown): Promise<void> {
    const known = error instanceof StartFailed;
    const message = known
      ? withCause(error)
      : "Something went wrong in Signalbox itself; the server's log has it. The files are kept: resume the session to try again.";
    this.#deps.logger.error({ err: error, session_id: this.sessionId }, "the session failed");
    try {
      const { log, clock } = this.#deps;
      await log.unit({ organizationId: this.organizationId, origin: this.#origin() }, async (unit) => {
        await unit.load(session, this.#stream, `session:${this.sessionId}`);
        await this.#fence();
        const look = await lookAt(this.#deps.pool, this.sessionId);
        for (const { runId } of look.open) {
          await unit.decide(
            run,
            this.#stream,
            `run:${runId}`,
            { type: "fail", runId: runId as never, writer: PLATFORM, now: clock.now(), code: "session_failed", message },
            { runId },
          );
        }
        await unit.decide(session, this.#stream, `session:${this.sessionId}`, {
          type: "fail",
          code: known ? error.code : "internal_error",
          message,
        });
        const payload = { session_id: this.sessionId };
        unit.enqueue({ kind: "session.teardown", organizationId: this.organizationId, payload, key: this.sessionId });
      });
    } catch (again) {
      this.#deps.logger.error(
        { err: again, session_id: this.sessionId },
        "and that could not be recorded; it is tried again by whoever takes the session over",
      );
    }
  }

  async #leave(): Promise<void> {
    try {
      if (this.#closing === "overtaken") {
        this.#place.letGo();
      } else {
        this.#shownState = "";
        await this.#look().catch((error: unknown) => this.#deps.logger.debug({ err: error }, "the last state could not be shown"));
        await this.#place.end();
        await this.#deps.leases.release(this.#lease);
      }
    } catch (error) {
      this.#deps.logger.error({ err: error, session_id: this.sessionId }, "a sandbox could not be ended; it is swept later");
    } finally {
      this.#channel.close();
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

/** What the forge or the sandbox said is for the person too: their messages hold no secrets, by contract. */
const withCause = (error: StartFailed): string =>
  error.cause instanceof Error && error.cause.message !== "" ? `${error.message} ${error.cause.message.slice(0, 500)}` : error.message;
