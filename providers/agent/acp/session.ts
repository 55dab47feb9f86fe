/*
 * One conversation with an agent that speaks ACP on its standard streams.
 *
 * The agent outlives this object when it is only detached. Its output of the present turn is then heard again by the
 * next one from `record.offset`, which is why the record must be stored again after every prompt.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  client,
  methods,
  RequestError,
  type ClientConnection,
  type PermissionOption,
  type PromptResponse,
  type RequestPermissionResponse,
} from "@agentclientprotocol/sdk";
import type { Exit, SandboxProcess } from "@signalbox/sandboxd/host";
import { Outbox } from "../outbox.ts";
import {
  AgentBusyError,
  AgentGoneError,
  AgentModelError,
  type AgentEvent,
  type AgentRecord,
  type AgentSession,
  type PermissionOutcome,
  type TurnEnd,
  type TurnState,
} from "../port.ts";
import { AcpConversation } from "./conversation.ts";
import { jsonLines, type Answer, type Lines } from "./lines.ts";
import { chooseModel } from "./model.ts";

/** `usage` is still marked unstable in the protocol; agents send it all the same. */
type PromptAnswer = PromptResponse & {
  usage?: {
    inputTokens: number;
    outputTokens: number;
    thoughtTokens?: number | null;
    cachedReadTokens?: number | null;
    cachedWriteTokens?: number | null;
  } | null;
};

const CANCEL_MS = 10_000;

export type AcpRecord = AgentRecord & {
  harness: "acp";
  processId: string;
  /** Where in the agent's output the turn begins. */
  offset: number;
  /** The turn that was running when this was stored, and the request that its end answers. */
  promptId: string | null;
  promptRequest: string | null;
  instructed: boolean;
  /** What it runs on, and by which of its options it changes to another; null: it does not offer to. */
  modelId: string;
  modelOption: string | null;
};
type Ways = {
  /** What a prompt that names no model is for. */
  startModel: string;
  instructions: string | undefined;
  reattached: boolean;
  /** What the agent calls a model of ours. */
  modelValue: ((modelId: string) => string) | undefined;
};

type Asked = { options: PermissionOption[]; answer: (response: RequestPermissionResponse) => void };

/** The wire, from the start of the process (or of taking it over) to its end; the session is made once it has an id. */
export class AcpLine {
  readonly connection: ClientConnection;
  readonly lines: Lines;
  readonly outbox = new Outbox();
  readonly conversation: AcpConversation;
  readonly asked = new Map<string, Asked>();
  /** Updates are somebody else's history until it is set: a loaded session repeats all that was ever said. */
  sessionId: string | null = null;
  #promptSent: ((request: string) => void) | null = null;
  onForeignAnswer: (answer: Answer) => void = () => undefined;

  constructor(process: SandboxProcess, offset: number) {
    this.conversation = new AcpConversation(this.outbox);
    this.lines = jsonLines(process.stdin, process.stdout, {
      connection: Math.random().toString(36).slice(2, 8),
      offset,
      onRequestSent: (id, method) => {
        if (method === methods.agent.session.prompt) this.#promptSent?.(id);
      },
      onForeignAnswer: (answer) => this.onForeignAnswer(answer),
    });
    this.connection = client({ name: "signalbox" })
      .onNotification(methods.client.session.update, ({ params }) => {
        if (params.sessionId === this.sessionId) this.conversation.apply(params.update);
      })
      .onRequest(methods.client.session.requestPermission, ({ params, requestId }) => this.#ask(params, String(requestId)))
      .connect(this.lines.stream);
  }

  /** The name under which the next prompt goes out. */
  nextPromptRequest(): Promise<string> {
    return new Promise((resolve) => (this.#promptSent = resolve));
  }

  #ask(params: Parameters<AcpConversation["permission"]>[0], requestId: string): Promise<RequestPermissionResponse> {
    const turn = this.conversation.turn;
    if (!turn || turn.ended) return Promise.resolve({ outcome: { outcome: "cancelled" } });
    return new Promise((resolve) => {
      // Known before it is told: the answer may come from within the listener.
      const id = `${params.toolCall.toolCallId}:${requestId}`;
      this.asked.set(id, { options: params.options, answer: resolve });
      this.conversation.permission(params, requestId);
    });
  }
}

export class AcpSession implements AgentSession {
  readonly agentSessionId: string;
  readonly reattached: boolean;
  readonly #line: AcpLine;
  readonly #process: SandboxProcess;
  readonly #instructions: string | undefined;
  readonly #modelValue: Ways["modelValue"];
  readonly #startModel: string;
  #record: AcpRecord;
  #over = false;
  #canceling = false;
  #changing = false;
  #turnEnded: (() => void)[] = [];
  readonly #gone: Promise<Exit>;

  constructor(line: AcpLine, process: SandboxProcess, record: AcpRecord, { startModel, instructions, reattached, modelValue }: Ways) {
    this.#startModel = startModel;
    this.#modelValue = modelValue;
    this.agentSessionId = record.agentSessionId;
    this.#line = line;
    this.#process = process;
    this.#record = record;
    this.#instructions = instructions;
    this.reattached = reattached;
    line.sessionId = record.agentSessionId;
    line.onForeignAnswer = (answer) => this.#foreign(answer);
    process.stderr.on("error", () => undefined).resume(); // A full pipe would stop the agent.
    // The wire is the process: when the link to it is lost, what was said meanwhile is heard by whoever attaches next.
    this.#gone = process.exited.catch((): Exit => ({ code: null, signal: null, timedOut: false }));
    void this.#gone.then((exit) => this.#exited(exit));
  }

  get record(): AcpRecord {
    return this.#record;
  }

  onEvent(listener: (event: AgentEvent) => void): void {
    this.#line.outbox.listen(listener);
  }

  async prompt(prompt: { promptId: string; text: string; model?: string | undefined }): Promise<void> {
    if (this.#over) throw new AgentGoneError("the agent is not running");
    if (this.#live || this.#changing) throw new AgentBusyError("a turn is running");
    const { model = this.#startModel } = prompt;
    if (model !== this.#record.modelId) await this.#change(model);
    return this.#say(prompt);
  }

  async #change(modelId: string): Promise<void> {
    const { modelOption } = this.#record;
    if (modelOption === null || this.#modelValue === undefined) throw new AgentModelError("this agent changes its model at a start only");
    this.#changing = true;
    try {
      await chooseModel(this.#line.connection, this.agentSessionId, modelOption, this.#modelValue(modelId));
      this.#record = { ...this.#record, modelId };
    } finally {
      this.#changing = false;
    }
  }

  #say(prompt: { promptId: string; text: string }): Promise<void> {
    this.#canceling = false;
    const offset = this.#line.lines.offset();
    this.#line.conversation.begin(prompt.promptId);
    // ACP has no place for rules of the house: they go before the first prompt.
    const rules = this.#instructions !== undefined && !this.#record.instructed ? [{ type: "text" as const, text: this.#instructions }] : [];
    const sent = this.#line.nextPromptRequest();
    const answer: Promise<PromptResponse> = this.#line.connection.agent.request(methods.agent.session.prompt, {
      sessionId: this.agentSessionId,
      prompt: [...rules, { type: "text", text: prompt.text }],
    });
    const turn = this.#line.conversation.turn;
    answer.then(
      (response) => this.#answered(turn, response),
      (error: unknown) => this.#refused(turn, error),
    );
    // Its name is known once it is written; if it cannot be, the turn has failed and there is nothing to take over.
    return Promise.race([
      sent,
      answer.then(
        () => null,
        () => null,
      ),
    ]).then((promptRequest) => {
      this.#record = { ...this.#record, offset, promptId: prompt.promptId, promptRequest, instructed: true };
    });
  }

  async cancel(): Promise<void> {
    if (!this.#live) return;
    this.#canceling = true;
    const turn = this.#line.conversation.turn;
    const ended = new Promise<void>((resolve) => this.#turnEnded.push(resolve));
    const deadline = performance.now() + CANCEL_MS;
    while (this.#live && performance.now() < deadline) {
      this.#dismiss();
      await this.#line.connection.agent.notify(methods.agent.session.cancel, { sessionId: this.agentSessionId });
      await Promise.race([ended, sleep(500)]);
    }
    this.#end(turn, { reason: "canceled" });
  }

  answerPermission(id: string, outcome: PermissionOutcome): Promise<boolean> {
    const asked = this.#line.asked.get(id);
    const turn = this.#line.conversation.turn;
    if (!asked || !turn?.hasPermission(id)) return Promise.resolve(false);
    this.#line.asked.delete(id);
    asked.answer(choose(asked.options, outcome));
    turn.permissionClosed(id);
    return Promise.resolve(true);
  }

  resync(): Promise<TurnState | null> {
    return Promise.resolve(this.#line.conversation.turn?.state() ?? null);
  }

  async close(): Promise<void> {
    this.#process.kill("SIGTERM");
    const killer = setTimeout(() => this.#process.kill("SIGKILL"), 3_000);
    await this.#gone;
    clearTimeout(killer);
  }

  detach(): void {
    this.#over = true;
    this.#line.outbox.close();
    this.#process.detach();
  }

  get #live(): boolean {
    const turn = this.#line.conversation.turn;
    return turn !== null && !turn.ended;
  }

  /** The turn that was running when the server was killed has ended. */
  #foreign(answer: Answer): void {
    if (answer.id !== this.#record.promptRequest) return;
    const turn = this.#line.conversation.turn;
    if (answer.error) return this.#end(turn, { reason: "failed", error: { code: "agent_error", message: answer.error.message } });
    this.#answered(turn, answer.result as PromptResponse);
  }

  /** A wire that broke is mostly an agent that died: its exit comes a moment later and says so better. */
  async #refused(turn: AcpConversation["turn"], error: unknown): Promise<void> {
    if (!(error instanceof RequestError)) await Promise.race([this.#gone, sleep(2_000)]);
    this.#end(turn, {
      reason: "failed",
      error: { code: "agent_error", message: error instanceof Error ? error.message : "the agent refused the prompt" },
    });
  }

  #answered(turn: AcpConversation["turn"], response: PromptAnswer): void {
    const { usage } = response;
    if (usage) {
      turn?.usage("turn", {
        inputTokens: usage.inputTokens,
        outputTokens: usage.outputTokens,
        reasoningTokens: usage.thoughtTokens ?? 0,
        cacheReadTokens: usage.cachedReadTokens ?? 0,
        cacheWriteTokens: usage.cachedWriteTokens ?? 0,
      });
    }
    this.#end(turn, endOf(response));
  }

  #end(turn: AcpConversation["turn"], end: TurnEnd): void {
    if (!turn || turn.ended) return;
    this.#dismiss();
    turn.completeOpenTexts();
    turn.end(this.#canceling ? { reason: "canceled" } : end);
    for (const resolve of this.#turnEnded.splice(0)) resolve();
  }

  #dismiss(): void {
    for (const [id, asked] of this.#line.asked) {
      asked.answer({ outcome: { outcome: "cancelled" } });
      this.#line.conversation.turn?.permissionClosed(id);
    }
    this.#line.asked.clear();
  }

  #exited(exit: Exit): void {
    if (this.#over) return;
    this.#over = true;
    this.#canceling = false;
    const how = exit.signal ?? `code ${exit.code}`;
    this.#end(this.#line.conversation.turn, {
      reason: "failed",
      error: { code: "agent_exited", message: `The agent ended in the middle of the turn (${how}).` },
    });
    this.#line.outbox.emit({ type: "agent.exited", code: exit.code, signal: exit.signal });
  }
}

function endOf(response: PromptResponse): TurnEnd {
  switch (response.stopReason) {
    case "end_turn":
      return { reason: "completed" };
    case "cancelled":
      return { reason: "canceled" };
    case "max_tokens":
    case "max_turn_requests":
    case "refusal":
      return {
        reason: "failed",
        error: { code: response.stopReason, message: `The agent stopped: ${response.stopReason.replaceAll("_", " ")}.` },
      };
    default:
      return { reason: "completed" }; // A newer version's word for an end is an end.
  }
}

/** The option that is asked for, or the next weaker one; never a stronger one. */
function choose(options: readonly PermissionOption[], outcome: PermissionOutcome): RequestPermissionResponse {
  const wanted =
    outcome === "allow_once"
      ? ["allow_once"]
      : outcome === "allow_always"
        ? ["allow_always", "allow_once"]
        : ["reject_once", "reject_always"];
  for (const kind of wanted) {
    const option = options.find((one) => one.kind === kind);
    if (option) return { outcome: { outcome: "selected", optionId: option.optionId } };
  }
  return { outcome: { outcome: "cancelled" } };
}
