/*
 * From OpenCode's events and message lists to the turn. No I/O.
 *
 * Deltas carry no offset, so one can only be placed if the beginning of its part was seen on the same connection;
 * all others are left out, and the whole text that comes at the end of the part fills the gap.
 */
import type { PlanEntry, TurnEnd } from "../port.ts";
import type { Outbox } from "../outbox.ts";
import { Turn, type ToolFact } from "../turn.ts";
import {
  readPart,
  type Message,
  type MessageError,
  type Messages,
  type OpenCodeEvent,
  type Part,
  type Permission,
  type Question,
} from "./wire.ts";

/** In the metadata of the prompt's text part, so that a turn is known again after everything but the files was lost. */
export const PROMPT_MARK = "signalbox_prompt_id";

export class OpenCodeConversation {
  turn: Turn | null = null;
  readonly #sessionId: string;
  readonly #outbox: Outbox;
  /** Messages of the present turn that speak: answers of the model, not its own summaries. */
  readonly #answers = new Set<string>();
  readonly #live = new Map<string, "text" | "thought">();
  #lastError: MessageError | undefined;

  constructor(sessionId: string, outbox: Outbox) {
    this.#sessionId = sessionId;
    this.#outbox = outbox;
  }

  begin(promptId: string | undefined): Turn {
    this.#answers.clear();
    this.#live.clear();
    this.#lastError = undefined;
    this.turn = new Turn(promptId, this.#outbox.emit);
    return this.turn;
  }

  /** A new connection: what was begun on the old one cannot be continued from deltas. */
  disconnected(): void {
    this.#live.clear();
  }

  apply(event: OpenCodeEvent): void {
    switch (event.type) {
      case "message.updated":
        return this.#message(event.properties.info);
      case "message.part.updated": {
        const part = readPart(event.properties.part);
        if (part) this.#part(part, true);
        return;
      }
      case "message.part.delta": {
        const { messageID, partID, field, delta } = event.properties;
        const kind = this.#live.get(partID);
        if (kind && field === "text" && this.#answers.has(messageID)) this.turn?.append(kind, messageID, partID, delta);
        return;
      }
      case "session.status":
        if (event.properties.sessionID !== this.#sessionId) return;
        if (event.properties.status.type === "retry") this.turn?.retrying(event.properties.status.attempt, event.properties.status.message);
        return;
      case "session.error":
        if (event.properties.sessionID === this.#sessionId) this.#lastError = event.properties.error;
        return;
      case "todo.updated":
        if (event.properties.sessionID === this.#sessionId) this.turn?.plan(event.properties.todos.map(planEntry));
        return;
      case "permission.asked":
        return this.permission(event.properties);
      case "permission.replied":
        return this.turn?.permissionClosed(event.properties.requestID);
      case "question.asked":
        return this.questions(event.properties);
      case "question.replied":
      case "question.rejected":
        return this.turn?.questionsClosed(event.properties.requestID);
      case "session.idle":
      case "server.connected":
        return; // The session's business.
    }
  }

  /** Of any session of this agent: a subagent asks under its own id. */
  permission(asked: Permission): void {
    this.turn?.permission({
      id: asked.id,
      callId: asked.tool?.callID,
      tool: asked.permission,
      title: asked.patterns.length > 0 ? `${asked.permission}: ${asked.patterns.join(", ").slice(0, 500)}` : asked.permission,
      arguments: asked.metadata,
    });
  }

  questions({ id, questions }: Question): void {
    if (questions.length === 0) return; // Nothing that a person could answer: the session turns it down.
    this.turn?.questions({
      id,
      questions: questions.map(({ question, header, options, multiple, custom }) => ({
        header,
        text: question,
        options: options.map(({ label, description }) => ({ label, description })),
        multiple: multiple ?? false,
        freeText: custom ?? true,
      })),
    });
  }

  /** What the agent has stored, newest last. Says whether the last answer is complete, and null when no prompt of ours is in it. */
  load(messages: Messages): { promptId: string; answered: boolean } | null {
    // A prompt is stored a second after it was accepted: until then the list ends with the turn before it.
    const wanted = this.turn?.ended === false ? this.turn.promptId : undefined;
    const from = messages.findLastIndex(({ info, parts }) => {
      const mark = info.role === "user" ? promptMark(parts) : undefined;
      return wanted === undefined ? mark !== undefined : mark === wanted;
    });
    const prompt = messages[from];
    const promptId = prompt && promptMark(prompt.parts);
    if (promptId === undefined) return null;
    if (this.turn?.promptId !== promptId) this.begin(promptId);
    let answered = false;
    for (const { info, parts } of messages.slice(from + 1)) {
      this.#message(info);
      for (const raw of parts) {
        const part = readPart(raw);
        if (part) this.#part(part, false);
      }
      if (info.role === "assistant") answered = info.time?.completed !== undefined || info.error !== undefined;
    }
    return { promptId, answered };
  }

  end(canceled: boolean): void {
    this.turn?.end(canceled ? { reason: "canceled" } : this.#outcome());
  }

  #outcome(): TurnEnd {
    const error = this.#lastError;
    if (!error) return { reason: "completed" };
    if (error.name === "MessageAbortedError") return { reason: "canceled" };
    return { reason: "failed", error: { code: snake(error.name), message: error.data?.message ?? error.name } };
  }

  #message(info: Message): void {
    if (info.sessionID !== this.#sessionId || info.role !== "assistant" || !this.turn || this.turn.ended) return;
    if (info.summary === true) return;
    this.#answers.add(info.id);
    // A later answer means that the agent got over an earlier error.
    this.#lastError = info.error;
  }

  #part(part: Part, live: boolean): void {
    const turn = this.turn;
    if (!turn || !this.#answers.has(part.messageID)) return;
    switch (part.type) {
      case "text":
      case "reasoning": {
        if (part.type === "text" && (part.synthetic || part.ignored)) return;
        const kind = part.type === "text" ? "text" : "thought";
        if (live && part.text === "" && part.time?.end === undefined) this.#live.set(part.id, kind);
        return turn.whole(kind, part.messageID, part.id, part.text, part.time?.end !== undefined);
      }
      case "tool":
        return this.#tool(turn, part);
      case "step-finish": {
        const { input, output, reasoning, cache } = part.tokens;
        return turn.usage(part.messageID, {
          inputTokens: input,
          outputTokens: output,
          reasoningTokens: reasoning,
          cacheReadTokens: cache.read,
          cacheWriteTokens: cache.write,
        });
      }
    }
  }

  #tool(turn: Turn, part: Extract<Part, { type: "tool" }>): void {
    const { state } = part;
    // The arguments are not known before it runs.
    if (state.status === "pending") return;
    const fact: ToolFact = {
      stepId: part.messageID,
      callId: part.callID,
      name: part.tool,
      title: "title" in state && state.title ? state.title : undefined,
      arguments: state.input,
    };
    // What was said before the call stands before it: OpenCode ends a text only with the whole answer. But
    // only where no delta can be missing; otherwise the end of the part brings the whole of it.
    if (!turn.knows(part.callID)) turn.completeOpenTexts((partId) => this.#live.has(partId));
    const shown = state.metadata?.["output"];
    if (typeof shown === "string" && state.status !== "completed") turn.toolOutput(fact, shown);
    else turn.tool(fact);
    if (state.status === "completed") {
      const { output: _, ...metadata } = state.metadata ?? {};
      turn.toolDone(fact, state.output, metadata, state.metadata?.["truncated"] === true);
    } else if (state.status === "error") turn.toolFailed(fact, state.error);
  }
}

function promptMark(parts: readonly unknown[]): string | undefined {
  for (const raw of parts) {
    const part = readPart(raw);
    const mark = part?.type === "text" ? part.metadata?.[PROMPT_MARK] : undefined;
    if (typeof mark === "string") return mark;
  }
  return undefined;
}

function planEntry(todo: { content: string; status: string }): PlanEntry {
  const status = todo.status === "in_progress" || todo.status === "pending" ? todo.status : "completed";
  return { content: todo.content, status };
}

const snake = (name: string): string => name.replaceAll(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, "$1$3_$2$4").toLowerCase();
