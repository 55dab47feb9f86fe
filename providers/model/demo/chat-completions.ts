/* OpenAI Chat Completions. */
import { isRecord, parseArguments, pieces, textOf, toolOffer, type Entry, type ToolOffer } from "./conversation.ts";
import { frame, type AnswerMeta, type Asked, type WireFormat } from "./wire.ts";

export const chatCompletions: WireFormat = {
  read(body): Asked {
    const messages = Array.isArray(body["messages"]) ? body["messages"].filter(isRecord) : [];
    const system: string[] = [];
    const entries: Entry[] = [];
    for (const message of messages) {
      const text = textOf(message["content"]);
      switch (message["role"]) {
        case "system":
        case "developer":
          system.push(text);
          break;
        case "user":
          entries.push({ role: "user", text });
          break;
        case "assistant":
          entries.push({ role: "assistant", text, calls: calls(message["tool_calls"]) });
          break;
        case "tool":
          entries.push({ role: "tool", callId: String(message["tool_call_id"]), output: text });
          break;
      }
    }
    return {
      conversation: { system: system.join("\n"), entries, tools: tools(body["tools"]) },
      model: String(body["model"] ?? ""),
      stream: body["stream"] === true,
      includeUsage: isRecord(body["stream_options"]) && body["stream_options"]["include_usage"] === true,
    };
  },

  whole(reply, meta) {
    return {
      id: `chatcmpl-${meta.id}`,
      object: "chat.completion",
      created: meta.createdS,
      model: meta.model,
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: reply.text === "" ? null : reply.text,
            ...(reply.thought !== undefined && { reasoning_content: reply.thought }),
            refusal: null,
            ...(reply.calls.length > 0 && {
              tool_calls: reply.calls.map((call, i) => ({
                id: `call_${meta.id}_${i}`,
                type: "function",
                function: { name: call.name, arguments: JSON.stringify(call.arguments) },
              })),
            }),
          },
          logprobs: null,
          finish_reason: reply.calls.length > 0 ? "tool_calls" : "stop",
        },
      ],
      usage: usage(meta),
    };
  },

  *frames(reply, meta) {
    const head = { id: `chatcmpl-${meta.id}`, object: "chat.completion.chunk", created: meta.createdS, model: meta.model };
    const chunk = (delta: unknown, finish: string | null = null): string =>
      frame({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] });
    yield chunk({ role: "assistant", content: "" });
    for (const piece of pieces(reply.thought ?? "")) yield chunk({ reasoning_content: piece });
    for (const piece of pieces(reply.text)) yield chunk({ content: piece });
    for (const [index, call] of reply.calls.entries()) {
      yield chunk({
        tool_calls: [{ index, id: `call_${meta.id}_${index}`, type: "function", function: { name: call.name, arguments: "" } }],
      });
      for (const piece of pieces(JSON.stringify(call.arguments))) yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
    yield chunk({}, reply.calls.length > 0 ? "tool_calls" : "stop");
    if (meta.includeUsage) yield frame({ ...head, choices: [], usage: usage(meta) });
    yield frame("[DONE]");
  },

  error: (code, message) => ({ error: { message, type: "invalid_request_error", param: null, code } }),
};

const usage = (meta: AnswerMeta): Record<string, number> => ({
  prompt_tokens: meta.inputTokens,
  completion_tokens: meta.outputTokens,
  total_tokens: meta.inputTokens + meta.outputTokens,
});

function calls(value: unknown): { id: string; name: string; arguments: Record<string, unknown> }[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isRecord).flatMap((call) => {
    const fn = call["function"];
    return isRecord(fn) ? [{ id: String(call["id"]), name: String(fn["name"]), arguments: parseArguments(fn["arguments"]) }] : [];
  });
}

function tools(value: unknown): ToolOffer[] {
  if (!Array.isArray(value)) return [];
  return value
    .filter(isRecord)
    .flatMap((tool) => (isRecord(tool["function"]) ? toolOffer(tool["function"]["name"], tool["function"]["parameters"]) : []));
}
