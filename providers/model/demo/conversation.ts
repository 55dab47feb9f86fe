/* What a script sees of a request, whichever wire format it came in, and what it answers. Pure data. */

export type Conversation = {
  system: string;
  entries: Entry[];
  tools: ToolOffer[];
};

export type Entry =
  | { role: "user"; text: string }
  | { role: "assistant"; text: string; calls: ToolCall[] }
  | { role: "tool"; callId: string; output: string };

export type ToolCall = { id: string; name: string; arguments: Record<string, unknown> };

/** A tool that the client offered, with its JSON Schema's properties. */
export type ToolOffer = { name: string; properties: string[]; required: string[] };

/** `thought` comes before the text, in formats that know such a thing. */
export type Reply = { text: string; thought?: string; calls: { name: string; arguments: Record<string, unknown> }[] };

/** Pure: the same conversation gives the same reply. */
export type Script = (conversation: Conversation) => Reply;

/** A call of the present turn with its result, in order. */
export type Done = { name: string; arguments: Record<string, unknown>; output: string };

/** The last prompt of a person, and what was called since. */
export function currentTurn(conversation: Conversation): { prompt: string; done: Done[] } {
  const { entries } = conversation;
  const from = entries.findLastIndex((entry) => entry.role === "user");
  const prompt = entries[from];
  const outputs = new Map<string, string>();
  for (const entry of entries.slice(from + 1)) if (entry.role === "tool") outputs.set(entry.callId, entry.output);
  const done: Done[] = [];
  for (const entry of entries.slice(from + 1)) {
    if (entry.role !== "assistant") continue;
    for (const call of entry.calls) {
      const output = outputs.get(call.id);
      if (output !== undefined) done.push({ name: call.name, arguments: call.arguments, output });
    }
  }
  return { prompt: prompt?.role === "user" ? prompt.text : "", done };
}

/** Roughly four characters a token, as a stated approximation: a script has no tokenizer. */
export const countTokens = (text: string): number => Math.ceil(text.length / 4);

/** Pieces as a model would stream them: a few words each, concatenating to the text exactly. */
export function pieces(text: string): string[] {
  return text.match(/(?:\S+\s*){1,4}|\s+/g) ?? [];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Text of a content field in any of the formats: a string, or parts with `text`. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (isRecord(part) && typeof part["text"] === "string" ? part["text"] : "")).join("");
}

export function parseArguments(text: unknown): Record<string, unknown> {
  if (isRecord(text)) return text;
  if (typeof text !== "string") return {};
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {}; // A client may send back a call that was cut; the script then sees a call without arguments.
  }
}

export function toolOffer(name: unknown, schema: unknown): ToolOffer[] {
  if (typeof name !== "string") return [];
  const properties = isRecord(schema) && isRecord(schema["properties"]) ? Object.keys(schema["properties"]) : [];
  const required = isRecord(schema) && Array.isArray(schema["required"]) ? schema["required"].filter((r) => typeof r === "string") : [];
  return [{ name, properties, required }];
}
