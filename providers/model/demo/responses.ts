/* OpenAI Responses. */
import { isRecord, parseArguments, pieces, textOf, toolOffer, type Entry, type Reply } from "./conversation.ts";
import { frame, type AnswerMeta, type Asked, type WireFormat } from "./wire.ts";

export const responses: WireFormat = {
  read(body): Asked {
    const entries: Entry[] = [];
    const system: string[] = typeof body["instructions"] === "string" ? [body["instructions"]] : [];
    const input = typeof body["input"] === "string" ? [{ role: "user", content: body["input"] }] : body["input"];
    for (const item of Array.isArray(input) ? input.filter(isRecord) : []) {
      if (item["type"] === "function_call") {
        const call = { id: String(item["call_id"]), name: String(item["name"]), arguments: parseArguments(item["arguments"]) };
        entries.push({ role: "assistant", text: "", calls: [call] });
      } else if (item["type"] === "function_call_output") {
        entries.push({ role: "tool", callId: String(item["call_id"]), output: textOf(item["output"]) });
      } else if (item["role"] === "user") entries.push({ role: "user", text: textOf(item["content"]) });
      else if (item["role"] === "assistant") entries.push({ role: "assistant", text: textOf(item["content"]), calls: [] });
      else if (item["role"] === "system" || item["role"] === "developer") system.push(textOf(item["content"]));
    }
    const tools = Array.isArray(body["tools"]) ? body["tools"].filter(isRecord) : [];
    return {
      conversation: { system: system.join("\n"), entries, tools: tools.flatMap((tool) => toolOffer(tool["name"], tool["parameters"])) },
      model: String(body["model"] ?? ""),
      stream: body["stream"] === true,
      includeUsage: true,
    };
  },

  whole: (reply, meta) => response(reply, meta, "completed"),

  *frames(reply, meta) {
    let sequence = 0;
    const send = (data: { type: string; [key: string]: unknown }): string => frame({ ...data, sequence_number: sequence++ }, data.type);
    yield send({ type: "response.created", response: response({ text: "", calls: [] }, meta, "in_progress") });
    yield send({ type: "response.in_progress", response: response({ text: "", calls: [] }, meta, "in_progress") });
    const items = output(reply, meta);
    for (const [output_index, item] of items.entries()) {
      const place = { item_id: item.id, output_index };
      if (item.type === "message") {
        yield send({ type: "response.output_item.added", output_index, item: { ...item, status: "in_progress", content: [] } });
        const part = { type: "output_text", text: "", annotations: [], logprobs: [] };
        yield send({ type: "response.content_part.added", ...place, content_index: 0, part });
        for (const delta of pieces(reply.text))
          yield send({ type: "response.output_text.delta", ...place, content_index: 0, delta, logprobs: [] });
        yield send({ type: "response.output_text.done", ...place, content_index: 0, text: reply.text, logprobs: [] });
        yield send({ type: "response.content_part.done", ...place, content_index: 0, part: { ...part, text: reply.text } });
      } else {
        yield send({ type: "response.output_item.added", output_index, item: { ...item, status: "in_progress", arguments: "" } });
        for (const delta of pieces(item.arguments)) yield send({ type: "response.function_call_arguments.delta", ...place, delta });
        yield send({ type: "response.function_call_arguments.done", ...place, name: item.name, arguments: item.arguments });
      }
      yield send({ type: "response.output_item.done", output_index, item });
    }
    yield send({ type: "response.completed", response: response(reply, meta, "completed") });
  },

  error: (code, message) => ({ error: { message, type: "invalid_request_error", param: null, code } }),
};

type Item =
  | { type: "message"; id: string; status: string; role: "assistant"; content: unknown[] }
  | { type: "function_call"; id: string; status: string; call_id: string; name: string; arguments: string };

function output(reply: Reply, meta: AnswerMeta): Item[] {
  const items: Item[] = [];
  if (reply.text !== "") {
    const content = [{ type: "output_text", text: reply.text, annotations: [], logprobs: [] }];
    items.push({ type: "message", id: `msg_${meta.id}`, status: "completed", role: "assistant", content });
  }
  for (const [i, call] of reply.calls.entries()) {
    items.push({
      type: "function_call",
      id: `fc_${meta.id}_${i}`,
      status: "completed",
      call_id: `call_${meta.id}_${i}`,
      name: call.name,
      arguments: JSON.stringify(call.arguments),
    });
  }
  return items;
}

function response(reply: Reply, meta: AnswerMeta, status: "completed" | "in_progress"): Record<string, unknown> {
  return {
    id: `resp_${meta.id}`,
    object: "response",
    created_at: meta.createdS,
    status,
    model: meta.model,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    top_p: 1,
    tool_choice: "auto",
    tools: [],
    output: output(reply, meta),
    usage:
      status === "in_progress"
        ? null
        : {
            input_tokens: meta.inputTokens,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: meta.outputTokens,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: meta.inputTokens + meta.outputTokens,
          },
  };
}
