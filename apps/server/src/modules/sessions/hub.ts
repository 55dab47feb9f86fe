/*
 * The hub owns a live session's connection and fan-out, and decides nothing: what a person wants is in the log, the
 * hub looks there and does it; what the agent says, it records through the deciders.
 *
 *                    ┌────────────────────────── poke (something about the session was appended) ─┐
 *   boot ──► look ───┤ a turn was under way (takeover) ──► resync ──► carry on ─┐                  │
 *              ▲     ├ a prompt is queued ───────────────► start ──► prompt ────┤ ── end of turn ──┤
 *              │     ├ nothing ──► wait for a poke ─────────────────────────────┘                  │
 *              │     ├ its organization is suspended ──► end the turn, pause ──► gone              │
 *              │     └ the session ended ──► end sandbox and agent ──► gone                        │
 *              └───────────────────────────────────────────────────────────────────────────────────┘
 *
 * Invariants
 * - One hub a session, fenced by its lease's epoch; an overtaken hub lets go of the sandbox and writes nothing.
 * - Turns run in the order in which they were asked for, one at a time.
 * - Every turn that was started is ended in the log, also when agent, sandbox or server die in the middle.
 * - The hub goes when its session ends, is paused, or the server stops; nothing of it stays behind. Handed over, it
 *   leaves sandbox and agent running: whoever takes them resyncs, as after a crash.
 */
import type { EventLog } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";
import type { AgentSession } from "@signalbox/providers/agent/port";
import type { Logger } from "pino";
import type pg from "pg";
import type { GateModule } from "../gate/public.ts";
import { PLATFORM, run } from "../runs/public.ts";
import { Asks } from "./asks.ts";
import { lookAt, type Look } from "./look.ts";
import type { Lease } from "./lease.ts";
import type { Live, LiveChannel } from "./live.ts";
import { HubOvertaken } from "./recorder.ts";
import { isEnded, session, type SessionFacts } from "./session.ts";
import { SessionLog } from "./session-log.ts";
import { Signal } from "./signal.ts";
import { type Closing, Turns, type TurnsDeps } from "./turns.ts";
import { sandboxEndMessage, StartFailed, Workplace, type WorkplaceDeps } from "./workplace.ts";

export interface HubDeps extends TurnsDeps, WorkplaceDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly live: Live;
  readonly forge: TurnsDeps["forge"] & WorkplaceDeps["forge"];
  readonly gate: Pick<GateModule, "decide">;
}

const PAUSED_BY: Readonly<Record<Exclude<Closing, "overtaken">, string>> = {
  server_stops: "The server was shut down; the session goes on when you send a message.",
  suspended: "The organization is suspended by the operator; the session goes on when it is let in again and you send a message.",
};

export class Hub {
  readonly #deps: HubDeps;
  readonly #lease: Lease;
  readonly #channel: LiveChannel;
  readonly #signal = new Signal();
  /** Whoever waits for an agent's first answer, which may take minutes, need not once the server stops. */
  readonly #ending = new AbortController();
  readonly #own: SessionLog;
  readonly #facts: SessionFacts;
  readonly #place: Workplace;
  readonly #asks: Asks;
  readonly #turns: Turns;
  #closing: Closing | null = null;
  #handsOver = false;
  #shownState = "";
  #shownCost = "";

  constructor(deps: HubDeps, lease: Lease, facts: SessionFacts) {
    this.#deps = deps;
    this.#lease = lease;
    this.#facts = facts;
    this.#own = new SessionLog(deps, lease, facts, () => this.#closing === null);
    this.#channel = deps.live.open(lease.organizationId, lease.sessionId, lease.epoch);
    this.#place = new Workplace(deps, lease, facts, {
      onProgress: (text) => this.#channel.emit({ kind: "progress", run_id: this.#turns.runId, text }),
      onSandboxEnd: () => this.#signal.set(),
    });
    this.#asks = new Asks(deps, { own: this.#own, facts, agent: () => this.#place.agent });
    this.#turns = new Turns(deps, this.#own, {
      place: this.#place,
      asks: this.#asks,
      channel: this.#channel,
      signal: this.#signal,
      facts,
      epoch: lease.epoch,
      closing: () => this.#closing,
      ensureAgent: () => this.#ensureAgent(),
      startAgent: () => this.#startAgent(),
      goOn: () => this.#goOn(),
      showAgain: () => void (this.#shownState = ""),
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
    this.#ending.abort();
    this.#signal.set();
  }

  /** The server stops and another one goes on: let go at once, and give the lease free. */
  handOver(): void {
    if (this.#closing !== null) return;
    this.#handsOver = true;
    this.overtaken();
  }

  /** The lease is lost: let go at once. */
  overtaken(): void {
    this.#closing = "overtaken";
    this.#ending.abort();
    this.#turns.abort();
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
    // Nothing is started for it; what a killed server left is ended with the pause.
    if (look.suspended) await this.#place.adoptSandbox();
    else
      await this.#boot(look, this.#ending.signal).catch((error: unknown) => {
        // Given up because this process ends: the next one, or the next message, starts it again.
        if (this.#closing === null) throw error;
      });
    for (
      look = await this.#look();
      this.#closing === null && !isEnded(look.status) && look.status !== "paused";
      look = await this.#look()
    ) {
      if (look.current !== null) await this.#turns.carryOn(look.current);
      else if (look.next !== null) await this.#turns.take(look.next);
      else if (this.#place.lastEnd !== null) return this.#pause(sandboxEndMessage(this.#place.lastEnd));
      else await this.#signal.wait();
    }
    if (this.#closing !== null && this.#closing !== "overtaken" && !isEnded(look.status)) await this.#pause(PAUSED_BY[this.#closing]);
  }

  /** Takes over what still runs, or makes it (again). Also in the middle of a session's life. */
  async #boot(look: Look, signal?: AbortSignal): Promise<void> {
    const started = this.#deps.clock.nowMs();
    const { sandboxId } = this.#place;
    const mustBoot = !(this.#place.sandbox?.alive() ?? (await this.#place.adoptSandbox()));
    if (mustBoot) {
      await this.#own.decide({ type: "boot", sandboxId, provider: this.#deps.sandboxes.name, epoch: this.#lease.epoch });
      this.#showState(await this.#look());
      await this.#place.createSandbox();
    }
    const sandboxMs = Math.round(this.#deps.clock.nowMs() - started);
    const agent = await this.#startAgent(signal);
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
      await this.#own.decide({
        type: "ready",
        sandboxId,
        epoch: this.#lease.epoch,
        agentSessionId: agent.agentSessionId,
        ...(baseCommit === null ? {} : { baseCommit }),
        bootMs: Math.round(this.#deps.clock.nowMs() - started),
      });
      if (look.pendingApprovals > 0)
        await this.#own.decide({ type: "wait", reason: "Something that the agent asked for awaits approval." });
    }
  }

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
  async #startAgent(signal?: AbortSignal): Promise<AgentSession> {
    const { state } = await this.#deps.log.state(session, this.organizationId, this.#own.subject);
    const facts = state.status === "none" ? this.#facts : state;
    const agent = await this.#place.startAgent({ model: facts.model, models: facts.models, signal });
    agent.onEvent((event) => this.#turns.hear(event));
    return agent;
  }

  /** In the middle of a turn: answers reach the agent, and what nobody is asked about any more does not wait. */
  async #goOn(): Promise<void> {
    const look = await this.#look();
    await this.#asks.settle();
    if (look.status === "waiting" && look.pendingApprovals === 0 && look.pendingQuestions === 0)
      await this.#own.decide({ type: "continue" });
  }

  async #look(): Promise<Look> {
    const look = await this.#own.patiently(() => lookAt(this.#deps.pool, this.sessionId));
    if (look.suspended) this.#closing ??= "suspended";
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

  async #pause(reason: string): Promise<void> {
    await this.#own.decide({ type: "pause", reason });
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
      await log.unit({ organizationId: this.organizationId, origin: this.#own.origin() }, async (unit) => {
        await unit.load(session, this.#own.stream, this.#own.subject);
        await this.#own.fence();
        const look = await lookAt(this.#deps.pool, this.sessionId);
        for (const { runId } of look.open) {
          await unit.decide(
            run,
            this.#own.stream,
            `run:${runId}`,
            { type: "fail", runId: runId as never, writer: PLATFORM, now: clock.now(), code: "session_failed", message },
            { runId },
          );
        }
        await unit.decide(session, this.#own.stream, this.#own.subject, {
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
        await this.#place.letGo();
        // Ours to give: a hub that was really overtaken is fenced by its epoch, and frees nothing.
        if (this.#handsOver) await this.#deps.leases.release(this.#lease);
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

/** What the forge or the sandbox said is for the person too: their messages hold no secrets, by contract. */
const withCause = (error: StartFailed): string =>
  error.cause instanceof Error && error.cause.message !== "" ? `${error.message} ${error.cause.message.slice(0, 500)}` : error.message;
