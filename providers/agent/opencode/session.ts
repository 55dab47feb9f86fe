/*
 * One conversation with a running `opencode serve`.
 *
 *   connecting ──► following ──(stream broke, 40 s of silence)──► connecting ──► … until closed, detached or exited
 *       │ each time: open the stream, then GET the messages, then what the stream said meanwhile, in this order
 *
 * A turn runs from our prompt to `session.idle`. Idle alone is not believed before an answer exists: between the
 * 204 of a prompt and `busy` the agent says idle for a second.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createParser } from "eventsource-parser";
import type { Exit, SandboxProcess } from "@signalbox/sandboxd/host";
import { Outbox } from "../outbox.ts";
import {
  AgentBusyError,
  AgentGoneError,
  AgentModelError,
  type AgentEvent,
  type AgentHost,
  type AgentRecord,
  type AgentSession,
  type PermissionOutcome,
  type TurnState,
} from "../port.ts";
import { watchExit } from "../process.ts";
import { OpenCodeConversation, PROMPT_MARK } from "./conversation.ts";
import { AgentHttpError, type AgentHttp } from "./http.ts";
import { PROVIDER } from "./settings.ts";
import { Messages, Permissions, Questions, readEvent, Statuses, type OpenCodeEvent } from "./wire.ts";

/** It sends a heartbeat every 10 s. */
const SILENCE_MS = 40_000;
const CANCEL_MS = 10_000;
/** How long an idle session without an answer may still be one that has not begun. */
const BEGIN_MS = 10_000;
const EVENT_BYTES = 64 * 1024 * 1024;

export type OpenCodeRecord = AgentRecord & {
  harness: "opencode";
  processId: string;
  port: number;
  password: string;
  /** Its configuration knows these; a prompt that names another one needs a new start. */
  models?: string[] | undefined;
};

export class OpenCodeSession implements AgentSession {
  readonly agentSessionId: string;
  readonly record: OpenCodeRecord;
  readonly reattached: boolean;
  readonly #http: AgentHttp;
  readonly #process: SandboxProcess;
  readonly #modelId: string;
  readonly #outbox = new Outbox();
  readonly #conversation: OpenCodeConversation;
  readonly #over = new AbortController();
  readonly #gone: Promise<Exit>;
  /** Events are held back while a snapshot is on its way, or a prompt's acceptance. */
  #held: OpenCodeEvent[] | null = null;
  #prompting = false;
  #canceling = false;
  #idleCheck: Promise<void> | null = null;
  #turnEnded: (() => void)[] = [];

  constructor(host: AgentHost, http: AgentHttp, process: SandboxProcess, record: OpenCodeRecord, modelId: string, reattached: boolean) {
    this.agentSessionId = record.agentSessionId;
    this.record = record;
    this.reattached = reattached;
    this.#http = http;
    this.#process = process;
    this.#modelId = modelId;
    this.#conversation = new OpenCodeConversation(record.agentSessionId, this.#outbox);
    this.#gone = watchExit(host, process, this.#over.signal);
    this.#gone.then(
      (exit) => this.#exited(exit),
      () => undefined,
    ); // Rejects only when we let go of it ourselves.
  }

  /** Connects and loads what the agent has stored, without an event for it. */
  async open(resumed: boolean, signal: AbortSignal): Promise<void> {
    this.#outbox.muted = true;
    let connected: () => void;
    const first = new Promise<void>((resolve) => (connected = resolve));
    void this.#follow(() => connected());
    await Promise.race([first, aborted(signal), this.#gone.then(() => Promise.reject(new AgentGoneError("the agent exited")))]);
    if (resumed && !this.reattached) await this.#endWhatWasCut();
    this.#outbox.muted = false;
  }

  onEvent(listener: (event: AgentEvent) => void): void {
    this.#outbox.listen(listener);
  }

  async prompt(prompt: { promptId: string; text: string; model?: string | undefined }): Promise<void> {
    if (this.#over.signal.aborted) throw new AgentGoneError("the agent is not running");
    const model = prompt.model ?? this.#modelId;
    if (!(this.record.models ?? [this.#modelId]).includes(model)) throw new AgentModelError(`the running agent does not know ${model}`);
    if (this.#prompting || this.#live) throw new AgentBusyError("a turn is running");
    this.#prompting = true;
    this.#held ??= [];
    try {
      await this.#submit(prompt).catch((error: unknown) => {
        throw this.#over.signal.aborted ? new AgentGoneError("the agent ended before it took the prompt", { cause: error }) : error;
      });
      if (this.#over.signal.aborted) throw new AgentGoneError("the agent ended before it took the prompt");
      this.#canceling = false;
      this.#conversation.begin(prompt.promptId);
    } finally {
      this.#prompting = false;
      this.#release();
    }
  }

  async cancel(): Promise<void> {
    if (!this.#live) return;
    this.#canceling = true;
    const ended = new Promise<void>((resolve) => this.#turnEnded.push(resolve));
    const deadline = performance.now() + CANCEL_MS;
    // An abort before the agent has begun is forgotten by it, so it is said until it is heard.
    while (this.#live && performance.now() < deadline) {
      await this.#http.json("POST", `/session/${this.agentSessionId}/abort`, { timeoutMs: 2_000 }).catch(ignoreWhileReconnecting);
      await Promise.race([ended, sleep(500)]);
      if (this.#live) await this.#checkIdle();
    }
    if (this.#live) this.#end();
  }

  async answerPermission(id: string, outcome: PermissionOutcome, message?: string): Promise<boolean> {
    const turn = this.#conversation.turn;
    if (!turn?.hasPermission(id)) return false;
    const reply = outcome === "allow_once" ? "once" : outcome === "allow_always" ? "always" : "reject";
    try {
      await this.#http.json("POST", `/permission/${id}/reply`, { body: { reply, ...(message !== undefined && { message }) } });
    } catch (error) {
      if (!(error instanceof AgentHttpError) || error.status !== 404) throw error;
      turn.permissionClosed(id);
      return false;
    }
    turn.permissionClosed(id);
    return true;
  }

  async answerQuestions(id: string, answers: readonly (readonly string[])[] | null): Promise<boolean> {
    const turn = this.#conversation.turn;
    if (!turn?.hasQuestions(id)) return false;
    try {
      if (answers === null) await this.#http.json("POST", `/question/${id}/reject`, { body: {} });
      else await this.#http.json("POST", `/question/${id}/reply`, { body: { answers } });
    } catch (error) {
      if (!(error instanceof AgentHttpError) || error.status !== 404) throw error;
      turn.questionsClosed(id);
      return false;
    }
    turn.questionsClosed(id);
    return true;
  }

  async resync(): Promise<TurnState | null> {
    if (!this.#over.signal.aborted) await this.#load().catch(ignoreWhileReconnecting);
    return this.#conversation.turn?.state() ?? null;
  }

  async close(): Promise<void> {
    this.#process.kill("SIGTERM");
    const killer = setTimeout(() => this.#process.kill("SIGKILL"), 3_000);
    await this.#gone.catch(() => undefined); // Rejects when it was let go of: then it is not ours to wait for.
    clearTimeout(killer);
    await this.#http.close();
  }

  detach(): void {
    this.#outbox.close();
    this.#over.abort();
    this.#process.detach();
    void this.#http.close();
  }

  get #live(): boolean {
    const turn = this.#conversation.turn;
    return turn !== null && !turn.ended;
  }

  async #submit(prompt: { promptId: string; text: string; model?: string | undefined }): Promise<void> {
    const body = {
      model: { providerID: PROVIDER, modelID: prompt.model ?? this.#modelId },
      parts: [{ type: "text", text: prompt.text, metadata: { [PROMPT_MARK]: prompt.promptId } }],
    };
    const path = `/session/${this.agentSessionId}/prompt_async`;
    try {
      await this.#http.json("POST", path, { body });
    } catch (error) {
      if (error instanceof AgentHttpError) throw error;
      // The line broke: it may or may not have been heard. A prompt that ran twice is worse than a second's wait.
      await sleep(1_500, undefined, { signal: this.#over.signal });
      const known = await this.#messages();
      if (known.some(({ parts }) => JSON.stringify(parts).includes(`"${prompt.promptId}"`))) return;
      await this.#http.json("POST", path, { body });
    }
  }

  async #follow(onConnected: () => void): Promise<void> {
    const over = this.#over.signal;
    for (let failures = 0; !over.aborted; failures += 1) {
      const line = new AbortController();
      const both = AbortSignal.any([over, line.signal]);
      let silence = setTimeout(() => line.abort(), 5_000);
      try {
        const body = await this.#http.stream("/event", both);
        const parser = createParser({ onEvent: ({ data }) => this.#heard(data), maxBufferSize: EVENT_BYTES });
        const decoder = new TextDecoder();
        this.#conversation.disconnected();
        const loaded = this.#load().then(onConnected, () => line.abort());
        for await (const chunk of body) {
          clearTimeout(silence);
          silence = setTimeout(() => line.abort(), SILENCE_MS);
          parser.feed(decoder.decode(chunk, { stream: true }));
          failures = 0;
        }
        await loaded;
      } catch {
        // Whatever broke the line, the answer is to connect again; an agent that is gone is noticed by its exit.
      } finally {
        clearTimeout(silence);
      }
      await sleep(Math.min(50 * 2 ** failures, 2_000), undefined, { signal: over }).catch(() => undefined); // Aborted: the loop ends.
    }
  }

  #heard(data: string): void {
    const event = readEvent(data);
    if (!event) return;
    if (this.#held) this.#held.push(event);
    else this.#apply(event);
  }

  #apply(event: OpenCodeEvent): void {
    this.#conversation.apply(event);
    if (event.type === "question.asked" && (event.properties.questions.length === 0 || !this.#live)) {
      void this.#http.json("POST", `/question/${event.properties.id}/reject`, { body: {} }).catch(ignoreWhileReconnecting);
    }
    const idle = event.type === "session.idle" || (event.type === "session.status" && event.properties.status.type === "idle");
    if (idle && "sessionID" in event.properties && event.properties.sessionID === this.agentSessionId && this.#live) void this.#checkIdle();
  }

  #release(): void {
    if (this.#prompting) return;
    const held = this.#held ?? [];
    this.#held = null;
    for (const event of held) this.#apply(event);
  }

  /** The snapshot first, then what the stream said while it was on its way. */
  async #load(): Promise<void> {
    this.#held ??= [];
    try {
      // The status before the messages: idle first means that the messages are all there are.
      const statuses = Statuses.parse(await this.#http.json("GET", "/session/status"));
      const [messages, permissions, questions] = await Promise.all([
        this.#messages(),
        this.#http.json("GET", "/permission").then((json) => Permissions.parse(json)),
        // An agent of before there were questions has no such list, or answers with something else: then the stream alone tells.
        this.#http
          .json("GET", "/question")
          .then((json) => Questions.parse(json))
          .catch(() => null),
      ]);
      const known = this.#conversation.load(messages);
      for (const asked of permissions) this.#conversation.permission(asked);
      this.#conversation.turn?.permissionsAre(new Set(permissions.map((asked) => asked.id)));
      for (const asked of questions ?? []) this.#conversation.questions(asked);
      if (questions !== null) this.#conversation.turn?.questionsAre(new Set(questions.map((asked) => asked.id)));
      const status = statuses[this.agentSessionId];
      const idle = status === undefined || status.type === "idle";
      if (idle && this.#live) {
        if (known?.answered) this.#end();
        else void this.#checkIdle();
      }
    } finally {
      this.#release();
    }
  }

  /** All of the present turn: the list is asked for backwards until our prompt is in it. */
  async #messages(): Promise<Messages> {
    for (let limit = 50; ; limit *= 4) {
      const messages = Messages.parse(await this.#http.json("GET", `/session/${this.agentSessionId}/message?limit=${limit}`));
      const complete =
        messages.length < limit || messages.some(({ info, parts }) => info.role === "user" && JSON.stringify(parts).includes(PROMPT_MARK));
      if (complete || limit > 10_000) return messages;
    }
  }

  /** Ends the turn if the agent really is idle and has answered, or has had time to begin and did not. */
  #checkIdle(): Promise<void> {
    return (this.#idleCheck ??= this.#waitForIdle().finally(() => (this.#idleCheck = null)));
  }

  async #waitForIdle(): Promise<void> {
    const deadline = performance.now() + BEGIN_MS;
    while (this.#live && !this.#over.signal.aborted) {
      const promptId = this.#conversation.turn?.promptId;
      try {
        const statuses = Statuses.parse(await this.#http.json("GET", "/session/status", { timeoutMs: 5_000 }));
        const status = statuses[this.agentSessionId];
        if (status !== undefined && status.type !== "idle") return;
        const known = this.#conversation.load(await this.#messages());
        const settled = known?.promptId === promptId && (known?.answered === true || this.#canceling);
        if (settled || performance.now() > deadline) return this.#end();
      } catch {
        return; // The line is down: the reconnect loads and checks again.
      }
      await sleep(100, undefined, { signal: this.#over.signal }).catch(() => undefined); // Aborted: the loop ends.
    }
  }

  #end(): void {
    this.#conversation.end(this.#canceling);
    this.#canceling = false;
    for (const resolve of this.#turnEnded.splice(0)) resolve();
  }

  /** A turn that was live in a process that is no more. */
  async #endWhatWasCut(): Promise<void> {
    const turn = this.#conversation.turn;
    if (!turn || turn.ended) return;
    const known = this.#conversation.load(await this.#messages());
    if (known?.answered) this.#end();
    else turn.end({ reason: "failed", error: { code: "agent_exited", message: "The agent ended in the middle of the turn." } });
  }

  #exited(exit: Exit): void {
    this.#over.abort();
    const turn = this.#conversation.turn;
    const how = exit.signal ?? `code ${exit.code}`;
    turn?.end({ reason: "failed", error: { code: "agent_exited", message: `The agent ended in the middle of the turn (${how}).` } });
    for (const resolve of this.#turnEnded.splice(0)) resolve();
    this.#outbox.emit({ type: "agent.exited", code: exit.code, signal: exit.signal });
    void this.#http.close();
  }
}

/** For requests whose effect the reconnect's snapshot shows anyway. */
function ignoreWhileReconnecting(error: unknown): void {
  if (error instanceof TypeError) throw error;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
