/*
 * One turn, from the harness's events to the live stream and the log.
 *
 *   AgentEvent ──► live: deltas at once, redacted
 *             └──► facts (completed parts) ──► queue ──► one unit a batch ──► `part_done` with the event's seq
 *
 * Recorded once, whatever happens: ids are made of the run and the harness's stable part ids, so after a takeover the
 * same part has the same id; within the unit the fence is checked and what the conversation already has is left out.
 * A hub that was overtaken between those reads and its commit conflicts on the run's version and reads again.
 *
 * While the database is away facts wait in memory, bounded by what the harness keeps of one turn.
 */
import type { SessionDelta } from "@signalbox/contract/sync";
import type { Scanner, KnownSecret } from "@signalbox/eventlog/dlp";
import type { EventLog, Recorded, StreamRef, Unit } from "@signalbox/eventlog/log";
import type { Json } from "@signalbox/kernel/canonical";
import type { Clock } from "@signalbox/kernel/clock";
import { unreachable } from "@signalbox/kernel/decider";
import type { AgentEvent, PlanEntry, TurnState } from "@signalbox/providers/agent/port";
import type { Logger } from "pino";
import type pg from "pg";
import { setTimeout as sleep } from "node:timers/promises";
import type { RoomCommands } from "../rooms/public.ts";
import { isOpen, PLATFORM, run, type RunCommand, type RunsModule } from "../runs/public.ts";
import { boundArguments } from "./bounds.ts";
import { partId } from "./ids.ts";
import type { Leases } from "./lease.ts";
import type { LiveChannel } from "./live.ts";
import { RedactingText } from "./redact-stream.ts";

export interface Turn {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string;
  readonly threadId: string;
  readonly agentId: string;
  readonly runId: string;
  readonly epoch: number;
}
export interface RecorderDeps {
  readonly log: EventLog;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly leases: Leases;
  readonly scanner: Scanner;
  readonly secretsOf: (organizationId: string) => readonly KnownSecret[];
  readonly rooms: Pick<RoomCommands, "postMessage">;
  readonly runs: Pick<RunsModule, "boundOutput" | "artifactOf">;
}

/** Another process owns the session now: nothing of this hub may be written any more. */
export class HubOvertaken extends Error {
  override name = "HubOvertaken";
}

type Fact =
  | { kind: "message"; id: string; text: string }
  | { kind: "thought"; id: string; text: string }
  | { kind: "tool"; id: string; stepId: string; name: string; title: string | undefined; arguments: Json }
  | { kind: "tool_end"; id: string; error: string | null; output: string; truncated: boolean; durationMs: number }
  | { kind: "plan"; stepId: string; entries: PlanEntry[] };

interface OpenPart {
  readonly part: "text" | "thought" | "tool";
  readonly id: string;
  readonly redacting: RedactingText;
  /** As it was shown, redacted. */
  shown: string;
  raw: string;
  readonly startedMs: number;
  lastSnapshotMs: number;
}

const MAX_BATCH = 50;
/** A tool's live output beyond this is not streamed; the record has it. */
const LIVE_TOOL_CHARS = 64 * 1024;
const LIVE_WINDOW_CHARS = 16 * 1024;
const WINDOW_EVERY_MS = 250;
const RETRY_MS = [50, 200, 500, 1000, 2000];

export class TurnRecorder {
  readonly #deps: RecorderDeps;
  readonly #turn: Turn;
  readonly #channel: LiveChannel;
  readonly #open = new Map<string, OpenPart>();
  /** Parts whose completion was queued already. */
  readonly #done = new Set<string>();
  readonly #facts: Fact[] = [];
  readonly #stream: StreamRef;
  #stepId: string;
  #draining: Promise<void> | null = null;
  #failed: unknown = null;
  #aborted = false;
  #lastPlan = "";
  #lastMessage: string | null = null;

  constructor(deps: RecorderDeps, turn: Turn, channel: LiveChannel) {
    this.#deps = deps;
    this.#turn = turn;
    this.#channel = channel;
    this.#stream = { type: "room", id: turn.roomId };
    this.#stepId = partId("step", turn.runId, "first");
  }

  /** What the agent said last: the run's summary. */
  get lastMessage(): string | null {
    return this.#lastMessage;
  }

  /** Synchronous: deltas leave at once, facts are written behind it. */
  handle(event: AgentEvent): void {
    switch (event.type) {
      case "step.started":
        this.#stepId = partId("step", this.#turn.runId, event.stepId);
        return;
      case "text.delta":
        return this.#delta("text", event.partId, event.delta);
      case "thought.delta":
        return this.#delta("thought", event.partId, event.delta);
      case "message.completed":
        return this.#complete("text", event.partId, event.text);
      case "thought.completed":
        return this.#complete("thought", event.partId, event.text);
      case "tool.started":
        return this.#toolStarted(event);
      case "tool.progress":
        return this.#toolProgress(event.callId, event.mode, event.output);
      case "tool.completed":
        return this.#toolEnded(event.callId, null, event.output, event.truncated);
      case "tool.failed":
        return this.#toolEnded(event.callId, event.error, event.output, event.truncated);
      case "plan.updated":
        return this.#plan(event.entries);
      case "model.retrying":
        this.#deps.logger.warn(
          { session_id: this.#turn.sessionId, run_id: this.#turn.runId, attempt: event.attempt, said: event.message },
          "the model does not answer the agent; it tries again",
        );
        return this.#emit({
          kind: "progress",
          run_id: this.#turn.runId,
          text: `The model does not answer (${event.message}); trying again, attempt ${event.attempt}.`.slice(0, 1000),
        });
      case "turn.started":
      case "turn.ended":
      case "usage":
      case "permission.requested":
      case "permission.closed":
      case "questions.asked":
      case "questions.closed":
      case "agent.exited":
        return;
      default:
        unreachable(event);
    }
  }

  /** After a takeover: everything the turn has so far. Complete parts are recorded (or found recorded), open ones shown whole. */
  adopt(state: TurnState): void {
    for (const part of state.parts) {
      if (part.kind === "tool") {
        this.#toolStarted({ type: "tool.started", ...part });
        if (part.status === "running") this.#snapshot(this.#tool(part.callId), part.output, part.name);
        else this.#toolEnded(part.callId, part.status === "failed" ? (part.error ?? "it failed") : null, part.output, part.truncated);
      } else if (part.completed) {
        this.#complete(part.kind, part.partId, part.text);
      } else {
        const open = this.#text(part.kind, part.partId);
        open.raw = part.text;
        open.shown = open.redacting.push(part.text);
        this.#emit({
          kind: "snapshot",
          part_id: open.id,
          run_id: this.#turn.runId,
          part: part.kind,
          name: null,
          text: open.shown.slice(-200_000),
        });
      }
    }
    if (state.plan.length > 0) this.#plan(state.plan);
  }

  /** The turn is over: what was said but not completed counts as said, what ran did not finish. */
  closeOpen(reason: string): void {
    // A Map iterator lets entries go while it runs.
    for (const [key, open] of this.#open) {
      if (open.part === "tool") this.#toolEnded(key.slice("tool:".length), reason, open.raw, false);
      else if (open.raw.trim() !== "") this.#complete(open.part, key.slice(open.part.length + 1), open.raw);
      else this.#open.delete(key);
    }
  }

  /** Resolves when every fact so far is in the log; rejects when the hub may not write any more. */
  async settled(): Promise<void> {
    while (this.#draining !== null) await this.#draining;
    if (this.#failed !== null) throw this.#failed;
  }

  /** Nothing more is written. */
  abort(): void {
    this.#aborted = true;
  }

  #emit(delta: SessionDelta): void {
    this.#channel.emit(delta);
  }

  #text(part: "text" | "thought", harnessId: string): OpenPart {
    return this.#part(
      `${part}:${harnessId}`,
      part,
      part === "text" ? partId("msg", this.#turn.runId, harnessId) : partId("step", this.#turn.runId, `thought:${harnessId}`),
    );
  }
  #tool(callId: string): OpenPart {
    return this.#part(`tool:${callId}`, "tool", partId("tc", this.#turn.runId, callId));
  }
  #part(key: string, part: OpenPart["part"], id: string): OpenPart {
    let open = this.#open.get(key);
    if (open === undefined) {
      const { scanner, secretsOf, clock } = this.#deps;
      const { organizationId } = this.#turn;
      open = {
        part,
        id,
        redacting: new RedactingText(scanner, organizationId, secretsOf(organizationId)),
        shown: "",
        raw: "",
        startedMs: clock.nowMs(),
        lastSnapshotMs: 0,
      };
      this.#open.set(key, open);
    }
    return open;
  }

  #delta(part: "text" | "thought", harnessId: string, delta: string): void {
    if (this.#done.has(`${part}:${harnessId}`)) return;
    const open = this.#text(part, harnessId);
    open.raw += delta;
    const shown = open.redacting.push(delta);
    if (shown !== "") this.#emit({ kind: part, part_id: open.id, run_id: this.#turn.runId, delta: shown });
  }

  #complete(part: "text" | "thought", harnessId: string, text: string): void {
    const key = `${part}:${harnessId}`;
    if (this.#done.has(key)) return;
    this.#done.add(key);
    const open = this.#text(part, harnessId);
    const rest = open.redacting.end();
    if (rest !== "") this.#emit({ kind: part, part_id: open.id, run_id: this.#turn.runId, delta: rest });
    this.#open.delete(key);
    if (text.trim() === "") return this.#emit({ kind: "part_done", part_id: open.id, run_id: this.#turn.runId, seq: null });
    if (part === "text") this.#lastMessage = text;
    this.#record({ kind: part === "text" ? "message" : "thought", id: open.id, text });
  }

  #toolStarted(event: Extract<AgentEvent, { type: "tool.started" }>): void {
    const key = `tool:${event.callId}`;
    if (this.#done.has(key) || this.#open.has(key)) return;
    const open = this.#tool(event.callId);
    const args = boundArguments(event.arguments);
    const { data } = this.#deps.scanner.clean(this.#turn.organizationId, { title: event.title ?? null, arguments: args });
    this.#emit({
      kind: "tool_started",
      part_id: open.id,
      run_id: this.#turn.runId,
      name: event.name,
      title: data["title"] as string | null,
      arguments: data["arguments"] as Extract<SessionDelta, { kind: "tool_started" }>["arguments"],
    });
    this.#record({
      kind: "tool",
      id: open.id,
      stepId: partId("step", this.#turn.runId, event.stepId),
      name: event.name,
      title: event.title,
      arguments: args,
    });
  }

  #toolProgress(callId: string, mode: "append" | "replace", output: string): void {
    const open = this.#open.get(`tool:${callId}`);
    if (open === undefined) return;
    if (mode === "replace") {
      open.raw = output;
      const now = this.#deps.clock.nowMs();
      if (now - open.lastSnapshotMs < WINDOW_EVERY_MS) return;
      open.lastSnapshotMs = now;
      return this.#snapshot(open, output, null);
    }
    if (open.raw.length >= LIVE_TOOL_CHARS) return;
    const part = output.slice(0, LIVE_TOOL_CHARS - open.raw.length);
    open.raw += part;
    const shown = open.redacting.push(part);
    if (shown !== "") this.#emit({ kind: "tool_output", part_id: open.id, run_id: this.#turn.runId, delta: shown });
  }

  #snapshot(open: OpenPart, text: string, name: string | null): void {
    const { scanner } = this.#deps;
    const shown = scanner.scanText(this.#turn.organizationId, text).text.slice(-LIVE_WINDOW_CHARS);
    this.#emit({ kind: "snapshot", part_id: open.id, run_id: this.#turn.runId, part: "tool", name, text: shown });
  }

  #toolEnded(callId: string, error: string | null, output: string, truncated: boolean): void {
    const key = `tool:${callId}`;
    const open = this.#open.get(key);
    if (open === undefined || this.#done.has(key)) return;
    this.#done.add(key);
    this.#open.delete(key);
    this.#record({
      kind: "tool_end",
      id: open.id,
      error,
      output,
      truncated,
      durationMs: Math.max(0, this.#deps.clock.nowMs() - open.startedMs),
    });
  }

  #plan(entries: PlanEntry[]): void {
    const text = JSON.stringify(entries);
    if (text === this.#lastPlan) return;
    this.#lastPlan = text;
    this.#record({ kind: "plan", stepId: this.#stepId, entries });
  }

  #record(fact: Fact): void {
    this.#facts.push(fact);
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
    });
  }

  async #drain(): Promise<void> {
    for (let tries = 0; this.#facts.length > 0 && !this.#aborted && this.#failed === null;) {
      const batch = this.#facts.slice(0, MAX_BATCH);
      try {
        await this.#write(batch);
        this.#facts.splice(0, batch.length);
        tries = 0;
      } catch (error) {
        if (error instanceof HubOvertaken) {
          this.#failed = error;
          return;
        }
        // The database is away, or the disk is full: what was said is kept until it can be written.
        this.#deps.logger.warn({ err: error, session_id: this.#turn.sessionId, tries }, "what the agent said could not be recorded yet");
        await sleep(RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
      }
    }
  }

  async #write(batch: readonly Fact[]): Promise<void> {
    const { log, runs } = this.#deps;
    const { organizationId, sessionId, roomId, threadId, runId, agentId } = this.#turn;
    // Large outputs become blobs before the unit, whose closure may run more than once.
    const outputs = new Map<Fact, Awaited<ReturnType<RunsModule["boundOutput"]>>>();
    for (const fact of batch) {
      if (fact.kind === "tool_end" && fact.output !== "")
        outputs.set(fact, await runs.boundOutput(organizationId, fact.output, "output.txt"));
    }
    const origin = { principal: { id: agentId, type: "agent" as const }, zone: "sandbox" as const, roomId, threadId, sessionId, runId };
    const known = new Map<string, number>();
    const { events } = await log.unit({ organizationId, origin }, async (unit) => {
      const state = await unit.load(run, this.#stream, `run:${runId}`);
      await this.#fence();
      known.clear();
      for (const item of await this.#recorded(batch)) known.set(item.id, item.seq);
      const ended = await this.#ended(batch);
      for (const fact of batch) {
        if (fact.kind === "message") {
          if (!known.has(fact.id))
            await this.#deps.rooms.postMessage(unit, { id: fact.id, roomId, threadId, contentMd: fact.text.slice(0, 1_000_000) }, origin);
        } else if (isOpen(state)) {
          // A run that was canceled takes no more entries; what was said is said all the same.
          await this.#stage(unit, fact, known, ended, outputs.get(fact));
        }
      }
    });
    this.#announce(batch, known, events);
  }

  async #stage(
    unit: Unit,
    fact: Exclude<Fact, { kind: "message" }>,
    known: ReadonlyMap<string, number>,
    ended: ReadonlySet<string>,
    output: Awaited<ReturnType<RunsModule["boundOutput"]>> | undefined,
  ): Promise<void> {
    const base = { runId: this.#turn.runId as never, writer: PLATFORM, now: this.#deps.clock.now() };
    const decide = async (command: RunCommand, stepId?: string): Promise<void> => {
      const decision = await unit.decide(run, this.#stream, `run:${this.#turn.runId}`, command, stepId === undefined ? {} : { stepId });
      if (!decision.ok) this.#deps.logger.debug({ code: decision.refusal.code, run_id: this.#turn.runId }, "the run takes this no more");
    };
    switch (fact.kind) {
      case "thought":
        if (known.has(fact.id)) return;
        await decide({ ...base, type: "create_step", stepId: fact.id as never, kind: "thought" });
        return decide({ ...base, type: "think", stepId: fact.id as never, text: fact.text.slice(0, 200_000) }, fact.id);
      case "plan":
        await decide({ ...base, type: "create_step", stepId: fact.stepId as never, kind: "model" });
        return decide({ ...base, type: "plan", stepId: fact.stepId as never, entries: fact.entries.slice(0, 200) }, fact.stepId);
      case "tool":
        if (known.has(fact.id)) return;
        await decide({ ...base, type: "create_step", stepId: fact.stepId as never, kind: "model" });
        return decide(
          {
            ...base,
            type: "invoke_tool",
            toolCallId: fact.id as never,
            stepId: fact.stepId as never,
            name: fact.name,
            title: fact.title?.slice(0, 200),
            arguments: fact.arguments as never,
          },
          fact.stepId,
        );
      case "tool_end": {
        if (ended.has(fact.id)) return;
        const outcome = {
          ...base,
          toolCallId: fact.id as never,
          durationMs: Math.round(fact.durationMs),
          ...(output === undefined
            ? {}
            : { output: output.output, outputTruncated: output.outputTruncated || fact.truncated, artifact: output.artifact }),
        };
        return decide(
          fact.error === null
            ? { ...outcome, type: "succeed_tool" }
            : { ...outcome, type: "fail_tool", error: fact.error.slice(0, 10_000) },
        );
      }
      default:
        unreachable(fact);
    }
  }

  async #fence(): Promise<void> {
    if (this.#aborted || !(await this.#deps.leases.isCurrent(this.#turn.sessionId, this.#turn.epoch))) {
      throw new HubOvertaken(`another process owns ${this.#turn.sessionId} now`);
    }
  }

  async #recorded(batch: readonly Fact[]): Promise<{ id: string; seq: number }[]> {
    const ids = batch.flatMap((fact) => ("id" in fact && fact.kind !== "tool_end" ? [fact.id] : []));
    if (ids.length === 0) return [];
    const { rows } = await this.#deps.pool.query<{ id: string; seq: string }>({
      name: "session_items_known",
      text: `select id, seq from proj_session_items where session_id = $1 and id = any($2)`,
      values: [this.#turn.sessionId, ids],
    });
    return rows.map((row) => ({ id: row.id, seq: Number(row.seq) }));
  }

  async #ended(batch: readonly Fact[]): Promise<Set<string>> {
    const ids = batch.flatMap((fact) => (fact.kind === "tool_end" ? [fact.id] : []));
    if (ids.length === 0) return new Set();
    const { rows } = await this.#deps.pool.query<{ id: string }>({
      name: "session_items_ended",
      text: `select id from proj_session_items where session_id = $1 and id = any($2) and outcome is not null`,
      values: [this.#turn.sessionId, ids],
    });
    return new Set(rows.map((row) => row.id));
  }

  /** Readers replace what they streamed by the event of that seq. */
  #announce(batch: readonly Fact[], known: ReadonlyMap<string, number>, events: readonly Recorded[]): void {
    const seqs = new Map(known);
    for (const { event, seq } of events) {
      const data = event.data as { message_id?: string; tool_call_id?: string; step_id?: string };
      if (event.type === "message.created") seqs.set(data.message_id!, seq);
      else if (event.type === "tool.succeeded" || event.type === "tool.failed") seqs.set(data.tool_call_id!, seq);
      else if (event.type === "step.thought") seqs.set(data.step_id!, seq);
    }
    for (const fact of batch) {
      if (fact.kind === "tool" || fact.kind === "plan") continue;
      this.#emit({ kind: "part_done", part_id: fact.id, run_id: this.#turn.runId, seq: seqs.get(fact.id) ?? null });
    }
  }
}
