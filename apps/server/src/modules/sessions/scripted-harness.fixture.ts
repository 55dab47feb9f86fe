/*
 * A harness whose agent is this process: tests say what the agent does, event by event. It keeps the port's promises:
 * one turn at a time, one `turn.started` and one `turn.ended` each, stable ids, `resync` tells the whole turn.
 */
import {
  AgentBusyError,
  AgentGoneError,
  AgentModelError,
  type AgentEvent,
  type AgentQuestion,
  type AgentSession,
  type Harness,
  type PartState,
  type TurnEnd,
  type TurnState,
} from "@signalbox/providers/agent/port";

export interface ScriptedAgent {
  readonly harness: Harness;
  readonly sessions: ScriptedSession[];
  /** The newest one. */
  readonly session: ScriptedSession;
}

export class ScriptedSession implements AgentSession {
  readonly agentSessionId: string;
  readonly record;
  readonly reattached: boolean;
  readonly prompts: { promptId: string; text: string; model?: string | undefined }[] = [];
  readonly answers: { id: string; answers: readonly (readonly string[])[] | null }[] = [];
  readonly #modelId: string | undefined;
  /** Asked to stop the turn; ends it as canceled unless this is replaced. */
  onCancel: () => void = () => this.end({ reason: "canceled" });
  /** What it does before `prompt` has even returned. */
  onPrompt: () => void = () => undefined;
  #listener: (event: AgentEvent) => void = () => undefined;
  #turn: TurnState | null;
  #gone = false;

  constructor(id: string, turn: TurnState | null, reattached: boolean, modelId?: string) {
    this.#modelId = modelId;
    this.agentSessionId = id;
    this.record = { harness: "scripted", agentSessionId: id };
    this.#turn = turn;
    this.reattached = reattached;
  }

  get turn(): TurnState | null {
    return this.#turn;
  }
  get isWorking(): boolean {
    return this.#turn?.status === "running";
  }

  say(partId: string, text: string, complete = true): void {
    for (const delta of text.match(/.{1,5}/gs) ?? []) this.emit({ type: "text.delta", stepId: "s1", partId, delta });
    this.#part({ kind: "text", stepId: "s1", partId, text, completed: complete });
    if (complete) this.emit({ type: "message.completed", stepId: "s1", partId, role: "assistant", text });
  }
  tool(callId: string, output: string): void {
    this.emit({ type: "tool.started", stepId: "s1", callId, name: "bash", title: "a tool", arguments: { command: callId } });
    this.#part({
      kind: "tool",
      stepId: "s1",
      callId,
      name: "bash",
      title: "a tool",
      arguments: { command: callId },
      status: "completed",
      output,
      truncated: false,
      error: undefined,
      metadata: {},
    });
    this.emit({ type: "tool.completed", callId, title: "a tool", output, truncated: false, metadata: {} });
  }
  end(end: TurnEnd): void {
    if (this.#turn?.status !== "running") return;
    this.#turn = { ...this.#turn, status: "ended", end };
    this.emit({ type: "turn.ended", promptId: this.#turn.promptId!, end });
  }
  exit(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.end({ reason: "failed", error: { code: "agent_exited", message: "the agent ended" } });
    this.emit({ type: "agent.exited", code: 1, signal: null });
  }
  emit(event: AgentEvent): void {
    this.#listener(event);
  }
  /** What another server's harness would find of it. */
  leftBehind(): { id: string; turn: TurnState | null } {
    return { id: this.agentSessionId, turn: this.#turn };
  }

  ask(id: string, questions: AgentQuestion[]): void {
    this.#turn = { ...this.#turn!, questions: [...(this.#turn!.questions ?? []), { id, questions }] };
    this.emit({ type: "questions.asked", id, questions });
  }
  answerQuestions(id: string, answers: readonly (readonly string[])[] | null): Promise<boolean> {
    this.answers.push({ id, answers });
    this.emit({ type: "questions.closed", id });
    return Promise.resolve(true);
  }

  async prompt(prompt: { promptId: string; text: string; model?: string | undefined }): Promise<void> {
    if (prompt.model !== undefined && this.#modelId !== undefined && prompt.model !== this.#modelId)
      throw new AgentModelError("not while it runs");
    if (this.#gone) throw new AgentGoneError("it ended");
    if (this.isWorking) throw new AgentBusyError("a turn is under way");
    this.prompts.push(prompt);
    this.#turn = {
      promptId: prompt.promptId,
      status: "running",
      end: undefined,
      parts: [],
      plan: [],
      permissions: [],
      usage: { inputTokens: 0, outputTokens: 0, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    };
    this.emit({ type: "turn.started", promptId: prompt.promptId });
    this.emit({ type: "step.started", stepId: "s1" });
    this.onPrompt();
  }
  async cancel(): Promise<void> {
    if (this.isWorking) this.onCancel();
  }
  answerPermission(): Promise<boolean> {
    return Promise.resolve(false);
  }
  resync(): Promise<TurnState | null> {
    return Promise.resolve(this.#turn);
  }
  onEvent(listener: (event: AgentEvent) => void): void {
    this.#listener = listener;
  }
  async close(): Promise<void> {
    this.exit();
  }
  detach(): void {
    this.#listener = () => undefined;
  }

  #part(part: PartState): void {
    const key = (p: PartState): string => (p.kind === "tool" ? p.callId : p.partId);
    this.#turn!.parts = [...this.#turn!.parts.filter((p) => key(p) !== key(part)), part];
  }
}

/** `found`: the agent that a server before left behind, still working. */
export function scriptedAgent(found?: { id: string; turn: TurnState | null }): ScriptedAgent {
  const sessions: ScriptedSession[] = [];
  return {
    sessions,
    get session() {
      const last = sessions.at(-1);
      if (last === undefined) throw new Error("no agent was started yet");
      return last;
    },
    harness: {
      name: "scripted",
      choosesModel: true,
      start(_host, options) {
        const taken = found !== undefined && options.resume?.agentSessionId === found.id && sessions.length === 0;
        const session = taken
          ? new ScriptedSession(found.id, found.turn, true)
          : new ScriptedSession(options.resume?.agentSessionId ?? `agent-${sessions.length + 1}`, null, false, options.model.modelId);
        sessions.push(session);
        return Promise.resolve(session);
      },
    },
  };
}
