/*
 * From ACP's session updates to the turn. No I/O.
 *
 * ACP names neither steps nor parts. Here a step begins when the agent speaks, thinks or calls after its tools have
 * answered, and a part when it turns from one of these to another; both are numbered within the turn (or named after
 * the agent's message id), so hearing the same lines again gives the same ids.
 */
import type { RequestPermissionRequest, SessionUpdate, ToolCallContent, ToolCallUpdate } from "@agentclientprotocol/sdk";
import type { Outbox } from "../outbox.ts";
import { Turn, type ToolFact } from "../turn.ts";

type Tool = { stepId: string; name: string; title: string | undefined; kind: string | undefined; arguments: unknown; open: boolean };

export class AcpConversation {
  turn: Turn | null = null;
  readonly #outbox: Outbox;
  #steps = 0;
  #parts = 0;
  #step: string | null = null;
  #part: { id: string; kind: "text" | "thought"; messageId: string | undefined } | null = null;
  /** A tool answered since the step began: whatever the agent says next is another step. */
  #heard = false;
  readonly #tools = new Map<string, Tool>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  begin(promptId: string | undefined): Turn {
    this.#steps = 0;
    this.#parts = 0;
    this.#step = null;
    this.#part = null;
    this.#heard = false;
    this.#tools.clear();
    this.turn = new Turn(promptId, this.#outbox.emit);
    return this.turn;
  }

  apply(update: SessionUpdate): void {
    const turn = this.turn;
    if (!turn || turn.ended) return;
    switch (update.sessionUpdate) {
      case "agent_message_chunk":
      case "agent_thought_chunk": {
        if (update.content.type !== "text") return;
        const kind = update.sessionUpdate === "agent_message_chunk" ? "text" : "thought";
        return this.#say(turn, kind, update.content.text, update.messageId ?? undefined);
      }
      case "tool_call":
      case "tool_call_update":
        return this.#tool(turn, update);
      case "plan":
        return turn.plan(update.entries.map(({ content, status }) => ({ content, status })));
      default:
        return; // Commands, modes, titles: nothing that a turn is made of.
    }
  }

  permission(asked: RequestPermissionRequest, rpcId: string): string {
    const { toolCall } = asked;
    const id = `${toolCall.toolCallId}:${rpcId}`;
    if (!this.turn) return id;
    const tool = this.#tools.get(toolCall.toolCallId) ?? this.#newTool(this.turn, toolCall);
    this.#start(this.turn, toolCall.toolCallId, tool);
    this.turn.permission({
      id,
      callId: toolCall.toolCallId,
      tool: tool.name,
      title: toolCall.title ?? tool.title ?? tool.name,
      arguments: toolCall.rawInput ?? tool.arguments,
    });
    return id;
  }

  #say(turn: Turn, kind: "text" | "thought", text: string, messageId: string | undefined): void {
    const stepId = this.#currentStep(turn, messageId);
    const part = this.#part;
    if (!part || part.kind !== kind || part.messageId !== messageId) {
      turn.completeOpenTexts();
      this.#parts += 1;
      this.#part = { id: `${stepId}:${kind}:${this.#parts}`, kind, messageId };
    }
    turn.append(kind, stepId, this.#part!.id, text.toWellFormed());
  }

  #currentStep(turn: Turn, messageId: string | undefined): string {
    if (this.#step === null || this.#heard || (messageId !== undefined && this.#step !== messageId && !this.#step.includes(":step:"))) {
      this.#steps += 1;
      this.#step = messageId ?? `${turn.promptId ?? "turn"}:step:${this.#steps}`;
      this.#heard = false;
      this.#part = null;
      turn.completeOpenTexts();
      turn.step(this.#step);
    }
    return this.#step;
  }

  #newTool(turn: Turn, update: ToolCallUpdate): Tool {
    const open = [...this.#tools.values()].some((tool) => tool.open);
    const stepId = open && this.#step !== null ? this.#step : this.#currentStep(turn, undefined);
    const title = update.title ?? undefined;
    const kind = update.kind ?? undefined;
    // An agent that gives no name often gives the bare name as its first title.
    const name = update.name ?? (title !== undefined && /^[\w.-]{1,64}$/.test(title) ? title : (kind ?? "tool"));
    const tool: Tool = { stepId, name, title, kind, arguments: update.rawInput, open: true };
    this.#tools.set(update.toolCallId, tool);
    return tool;
  }

  #tool(turn: Turn, update: ToolCallUpdate): void {
    const tool = this.#tools.get(update.toolCallId) ?? this.#newTool(turn, update);
    if (update.title) tool.title = update.title;
    if (update.rawInput !== undefined && update.rawInput !== null) tool.arguments = update.rawInput;
    const output = update.content ? contentText(update.content) : undefined;
    const fact = this.#fact(update.toolCallId, tool);
    switch (update.status) {
      case "completed":
        this.#start(turn, update.toolCallId, tool);
        this.#answered(tool);
        return this.#done(turn, fact, output ?? rawText(update.rawOutput), metadataOf(update.rawOutput));
      case "failed":
        this.#start(turn, update.toolCallId, tool);
        this.#answered(tool);
        return turn.toolFailed(fact, output || rawText(update.rawOutput) || "the tool failed");
      case "in_progress":
        this.#start(turn, update.toolCallId, tool);
        if (output !== undefined) turn.toolOutput(fact, output);
        return;
      default:
        return; // Pending: its arguments are not known yet.
    }
  }

  #start(turn: Turn, callId: string, tool: Tool): void {
    turn.completeOpenTexts();
    this.#part = null;
    turn.tool(this.#fact(callId, tool));
  }

  #done(turn: Turn, fact: ToolFact, output: string, metadata: Record<string, unknown>): void {
    turn.toolDone(fact, output, metadata, metadata["truncated"] === true);
  }

  #answered(tool: Tool): void {
    tool.open = false;
    this.#heard = true;
  }

  #fact(callId: string, tool: Tool): ToolFact {
    return { stepId: tool.stepId, callId, name: tool.name, title: tool.title, arguments: tool.arguments };
  }
}

function contentText(content: readonly ToolCallContent[]): string {
  return content
    .map((one) => {
      if (one.type === "content") return one.content.type === "text" ? one.content.text : `[${one.content.type}]`;
      if (one.type === "diff") return "";
      return "[terminal]";
    })
    .filter((text) => text !== "")
    .join("\n");
}

function rawText(raw: unknown): string {
  if (typeof raw === "string") return raw;
  if (typeof raw !== "object" || raw === null) return "";
  const { output, error } = raw as { output?: unknown; error?: unknown };
  return typeof output === "string" ? output : typeof error === "string" ? error : "";
}

function metadataOf(raw: unknown): Record<string, unknown> {
  if (typeof raw !== "object" || raw === null || !("metadata" in raw)) return {};
  const { metadata } = raw;
  if (typeof metadata !== "object" || metadata === null) return {};
  const { output: _, ...rest } = metadata as Record<string, unknown>;
  return rest;
}
