/* Anthropic Messages. */
import { isRecord, parseArguments, pieces, textOf, toolOffer, type Entry, type ToolCall } from "./conversation.ts";
import { frame, type Asked, type WireFormat } from "./wire.ts";

export const messages: WireFormat = {
  read(body): Asked {
    const entries: Entry[] = [];
    for (const message of Array.isArray(body["messages"]) ? body["messages"].filter(isRecord) : []) {
      const blocks = Array.isArray(message["content"])
        ? message["content"].filter(isRecord)
        : [{ type: "text", text: textOf(message["content"]) }];
      const text = blocks.map((block) => (block["type"] === "text" ? String(block["text"]) : "")).join("");
      if (message["role"] === "assistant") {
        const calls: ToolCall[] = blocks.flatMap((block) =>
          block["type"] === "tool_use"
            ? [{ id: String(block["id"]), name: String(block["name"]), arguments: parseArguments(block["input"]) }]
            : [],
        );
        entries.push({ role: "assistant", text, calls });
        continue;
      }
      for (const block of blocks) {
        if (block["type"] === "tool_result")
          entries.push({ role: "tool", callId: String(block["tool_use_id"]), output: textOf(block["content"]) });
      }
      if (text !== "") entries.push({ role: "user", text });
    }
    const tools = Array.isArray(body["tools"]) ? body["tools"].filter(isRecord) : [];
    return {
      conversation: {
        system: textOf(body["system"]),
        entries,
        tools: tools.flatMap((tool) => toolOffer(tool["name"], tool["input_schema"])),
      },
      model: String(body["model"] ?? ""),
      stream: body["stream"] === true,
      includeUsage: true,
    };
  },

  whole(reply, meta) {
    return {
      id: `msg_${meta.id}`,
      type: "message",
      role: "assistant",
      model: meta.model,
      content: [
        ...(reply.text === "" ? [] : [{ type: "text", text: reply.text }]),
        ...reply.calls.map((call, i) => ({ type: "tool_use", id: `toolu_${meta.id}_${i}`, name: call.name, input: call.arguments })),
      ],
      stop_reason: reply.calls.length > 0 ? "tool_use" : "end_turn",
      stop_sequence: null,
      usage: { input_tokens: meta.inputTokens, output_tokens: meta.outputTokens },
    };
  },

  *frames(reply, meta) {
    const send = (data: { type: string; [key: string]: unknown }): string => frame(data, data.type);
    yield send({
      type: "message_start",
      message: {
        id: `msg_${meta.id}`,
        type: "message",
        role: "assistant",
        model: meta.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: meta.inputTokens, output_tokens: 1 },
      },
    });
    let index = 0;
    if (reply.text !== "") {
      yield send({ type: "content_block_start", index, content_block: { type: "text", text: "" } });
      for (const text of pieces(reply.text)) yield send({ type: "content_block_delta", index, delta: { type: "text_delta", text } });
      yield send({ type: "content_block_stop", index });
      index += 1;
    }
    for (const [i, call] of reply.calls.entries()) {
      yield send({
        type: "content_block_start",
        index,
        content_block: { type: "tool_use", id: `toolu_${meta.id}_${i}`, name: call.name, input: {} },
      });
      for (const piece of pieces(JSON.stringify(call.arguments))) {
        yield send({ type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json: piece } });
      }
      yield send({ type: "content_block_stop", index });
      index += 1;
    }
    yield send({
      type: "message_delta",
      delta: { stop_reason: reply.calls.length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
      usage: { output_tokens: meta.outputTokens },
    });
    yield send({ type: "message_stop" });
  },

  error: (code, message) => ({
    type: "error",
    error: { type: code === "not_found" ? "not_found_error" : "invalid_request_error", message },
  }),
};
