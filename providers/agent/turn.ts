/*
 * The state of one turn, and what of it was already told.
 *
 * Every harness says what it sees in whatever order and as often as it sees it (a delta, then the whole part, then
 * after a reconnect everything again); this keeps the union and emits each fact once. That is the whole reason
 * why a reconnect neither loses nor repeats: nobody has to know what came before the line broke.
 *
 *   begin ──► text, tool, plan, permission … ──► end        (a fact after `end` is ignored: it belongs to nobody)
 */
import {
  OUTPUT_LIMIT,
  type AgentEvent,
  type PartState,
  type PendingPermission,
  type PendingQuestions,
  type PlanEntry,
  type TurnEnd,
  type TurnState,
  type Usage,
} from "./port.ts";

type TextPart = Extract<PartState, { kind: "text" | "thought" }>;
type ToolPart = Extract<PartState, { kind: "tool" }>;

export type ToolFact = {
  stepId: string;
  callId: string;
  name: string;
  title: string | undefined;
  arguments: unknown;
};

/** Text that a model goes on with after a tool call, under the part id of before. */
const continuationOf = (partId: string): string => `${partId}+`;

const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

export class Turn {
  readonly promptId: string | undefined;
  #end: TurnEnd | undefined;
  #plan: PlanEntry[] = [];
  readonly #parts = new Map<string, PartState>();
  readonly #permissions = new Map<string, PendingPermission>();
  readonly #questions = new Map<string, PendingQuestions>();
  readonly #closedQuestions = new Set<string>();
  readonly #usage = new Map<string, Usage>();
  readonly #steps = new Set<string>();
  readonly #emit: (event: AgentEvent) => void;
  readonly #closedPermissions = new Set<string>();

  constructor(promptId: string | undefined, emit: (event: AgentEvent) => void) {
    this.promptId = promptId;
    this.#emit = emit;
    if (promptId !== undefined) emit({ type: "turn.started", promptId });
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  step(stepId: string): void {
    if (this.ended || this.#steps.has(stepId)) return;
    this.#steps.add(stepId);
    this.#emit({ type: "step.started", stepId });
  }

  append(kind: "text" | "thought", stepId: string, partId: string, delta: string): void {
    if (this.ended || delta === "") return;
    const part = this.#text(kind, stepId, partId);
    if (part.completed) return this.append(kind, stepId, continuationOf(partId), delta);
    part.text += delta;
    this.#emit({ type: kind === "text" ? "text.delta" : "thought.delta", stepId, partId, delta });
  }

  /** The whole text so far: what is missing of it goes out as a delta. */
  whole(kind: "text" | "thought", stepId: string, partId: string, text: string, completed: boolean): void {
    if (this.ended || (text === "" && !this.#parts.has(partId))) return;
    const part = this.#text(kind, stepId, partId);
    if (part.completed) {
      const rest = text.startsWith(part.text) ? text.slice(part.text.length) : "";
      if (rest.trim() !== "") this.whole(kind, stepId, continuationOf(partId), rest, completed);
      return;
    }
    if (text.length > part.text.length && text.startsWith(part.text)) this.append(kind, stepId, partId, text.slice(part.text.length));
    // A trimmed end is usual; the completion is what counts, deltas were a preview of it.
    if (completed) this.#complete(part, text === "" ? part.text : text);
  }

  tool(fact: ToolFact): ToolPart {
    const known = this.#parts.get(fact.callId);
    if (known?.kind === "tool") return known;
    this.step(fact.stepId);
    const part: ToolPart = { kind: "tool", ...fact, status: "running", output: "", truncated: false, error: undefined, metadata: {} };
    if (this.ended) return part;
    this.#parts.set(fact.callId, part);
    this.#emit({ type: "tool.started", ...fact });
    return part;
  }

  toolOutput(fact: ToolFact, output: string): void {
    const part = this.tool(fact);
    if (this.ended || part.status !== "running") return;
    const cut = cutOutput(output);
    if (cut.text === part.output) return;
    const grown = cut.text.startsWith(part.output);
    const delta = grown ? cut.text.slice(part.output.length) : cut.text;
    part.output = cut.text;
    part.truncated ||= cut.truncated;
    this.#emit({ type: "tool.progress", callId: part.callId, mode: grown ? "append" : "replace", output: delta });
  }

  toolDone(fact: ToolFact, output: string, metadata: Record<string, unknown>, truncated = false): void {
    const part = this.tool(fact);
    if (this.ended || part.status !== "running") return;
    const cut = cutOutput(output);
    part.status = "completed";
    part.output = cut.text;
    part.truncated = cut.truncated || truncated;
    part.title = fact.title ?? part.title;
    part.metadata = metadata;
    this.#closePermissionsOf(part.callId);
    this.#emit({
      type: "tool.completed",
      callId: part.callId,
      title: part.title,
      output: part.output,
      truncated: part.truncated,
      metadata,
    });
  }

  toolFailed(fact: ToolFact, error: string): void {
    const part = this.tool(fact);
    if (this.ended || part.status !== "running") return;
    this.#fail(part, error);
  }

  plan(entries: PlanEntry[]): void {
    if (this.ended || JSON.stringify(entries) === JSON.stringify(this.#plan)) return;
    this.#plan = entries;
    this.#emit({ type: "plan.updated", entries });
  }

  usage(stepId: string, usage: Usage): void {
    if (this.ended || JSON.stringify(this.#usage.get(stepId)) === JSON.stringify(usage)) return;
    this.#usage.set(stepId, usage);
    this.#emit({ type: "usage", stepId, usage });
  }

  retrying(attempt: number, message: string): void {
    if (!this.ended) this.#emit({ type: "model.retrying", attempt, message });
  }

  permission(request: PendingPermission): void {
    if (this.ended || this.#permissions.has(request.id) || this.#closedPermissions.has(request.id)) return;
    this.#permissions.set(request.id, request);
    this.#emit({ type: "permission.requested", ...request });
  }

  permissionClosed(id: string): void {
    if (!this.#permissions.delete(id)) return;
    this.#closedPermissions.add(id);
    this.#emit({ type: "permission.closed", id });
  }

  questions(asked: PendingQuestions): void {
    if (this.ended || this.#questions.has(asked.id) || this.#closedQuestions.has(asked.id)) return;
    this.#questions.set(asked.id, asked);
    this.#emit({ type: "questions.asked", ...asked });
  }

  questionsClosed(id: string): void {
    if (!this.#questions.delete(id)) return;
    this.#closedQuestions.add(id);
    this.#emit({ type: "questions.closed", id });
  }

  hasQuestions(id: string): boolean {
    return this.#questions.has(id);
  }

  questionsAre(ids: ReadonlySet<string>): void {
    for (const id of this.#questions.keys()) if (!ids.has(id)) this.questionsClosed(id);
  }

  hasPermission(id: string): boolean {
    return this.#permissions.has(id);
  }

  /** What is asked now, according to the agent: what is not in it was answered while nobody listened. */
  permissionsAre(ids: ReadonlySet<string>): void {
    for (const id of this.#permissions.keys()) if (!ids.has(id)) this.permissionClosed(id);
  }

  end(end: TurnEnd): void {
    if (this.ended) return;
    for (const part of this.#parts.values()) {
      if (part.kind === "tool" && part.status === "running")
        this.#fail(part, end.reason === "canceled" ? "canceled" : "the turn ended before the tool did");
      else if (part.kind !== "tool" && !part.completed) this.#complete(part, part.text);
    }
    for (const id of this.#permissions.keys()) this.permissionClosed(id);
    for (const id of this.#questions.keys()) this.questionsClosed(id);
    this.#end = end;
    if (this.promptId !== undefined) this.#emit({ type: "turn.ended", promptId: this.promptId, end });
  }

  state(): TurnState {
    const usage = { ...NO_USAGE };
    for (const one of this.#usage.values()) for (const key of Object.keys(usage) as (keyof Usage)[]) usage[key] += one[key];
    return {
      promptId: this.promptId,
      status: this.ended ? "ended" : "running",
      end: this.#end,
      parts: [...this.#parts.values()].map((part) => ({ ...part })),
      plan: [...this.#plan],
      permissions: [...this.#permissions.values()],
      questions: [...this.#questions.values()],
      usage,
    };
  }

  knows(callId: string): boolean {
    return this.#parts.has(callId);
  }

  /**
   * For agents that never say that a text is complete, or say it late: it is, once something else begins.
   * Should more of it come all the same, that is a part of its own. `which` by part id; default all.
   */
  completeOpenTexts(which: (partId: string) => boolean = () => true): void {
    for (const part of this.#parts.values()) {
      if (part.kind !== "tool" && !part.completed && part.text !== "" && which(part.partId)) this.#complete(part, part.text);
    }
  }

  #text(kind: "text" | "thought", stepId: string, partId: string): TextPart {
    const known = this.#parts.get(partId);
    if (known && known.kind !== "tool") return known;
    this.step(stepId);
    const part: TextPart = { kind, stepId, partId, text: "", completed: false };
    this.#parts.set(partId, part);
    return part;
  }

  #complete(part: TextPart, text: string): void {
    part.completed = true;
    part.text = text;
    const { stepId, partId } = part;
    if (part.kind === "text") this.#emit({ type: "message.completed", stepId, partId, role: "assistant", text });
    else this.#emit({ type: "thought.completed", stepId, partId, text });
  }

  #fail(part: ToolPart, error: string): void {
    part.status = "failed";
    part.error = error;
    this.#closePermissionsOf(part.callId);
    this.#emit({ type: "tool.failed", callId: part.callId, error, output: part.output, truncated: part.truncated });
  }

  #closePermissionsOf(callId: string): void {
    for (const request of this.#permissions.values()) if (request.callId === callId) this.permissionClosed(request.id);
  }
}

/** Head and tail of what is too long. Cut between characters, never inside one. */
export function cutOutput(output: string): { text: string; truncated: boolean } {
  if (output.length <= OUTPUT_LIMIT) return { text: output.toWellFormed(), truncated: false };
  const half = Math.floor(OUTPUT_LIMIT / 2) - 64;
  const text = `${output.slice(0, half)}\n… ${output.length - 2 * half} characters left out …\n${output.slice(-half)}`;
  return { text: text.toWellFormed(), truncated: true };
}
