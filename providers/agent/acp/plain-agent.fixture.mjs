// A small ACP agent of another make than OpenCode: no names for its tools, no message ids, no way to resume.
// The prompt's words choose what it does. Run as `node plain-agent.fixture.mjs [MODEL…]`: with models it offers them.
import { Readable, Writable } from "node:stream";
import { agent, methods, ndJsonStream, RequestError } from "@agentclientprotocol/sdk";

let cancel = () => {};
const models = process.argv.slice(2);
let model = models[0];
const configOptions = () => [
  { id: "tone", name: "Tone", category: "_tone", type: "select", currentValue: "kind", options: [{ value: "kind", name: "Kind" }] },
  {
    id: "brain",
    name: "Model",
    category: "model",
    type: "select",
    currentValue: model,
    options: [{ group: "own", name: "Own", options: models.map((value) => ({ value, name: value })) }],
  },
];
process.stdout.write("plain-agent 1.0: warming up\n"); // Agents print on their standard output now and then.

agent({ name: "plain" })
  .onRequest(methods.agent.initialize, () => ({ protocolVersion: 1, agentCapabilities: {}, agentInfo: { name: "plain", version: "1" } }))
  .onRequest(methods.agent.session.new, () => ({ sessionId: "plain-1", ...(models.length > 0 && { configOptions: configOptions() }) }))
  .onRequest(methods.agent.session.setConfigOption, ({ params }) => {
    if (params.configId !== "brain" || !models.includes(params.value)) throw RequestError.invalidParams({ value: params.value });
    // One that is asked for and not there stays what it is.
    if (params.value !== "stubborn") model = params.value;
    return { configOptions: configOptions() };
  })
  .onNotification(methods.agent.session.cancel, () => cancel())
  .onRequest(methods.agent.session.prompt, async ({ params, client }) => {
    const update = (update) => client.notify(methods.client.session.update, { sessionId: params.sessionId, update });
    const text = (sessionUpdate, text) => update({ sessionUpdate, content: { type: "text", text } });
    const prompt = params.prompt.map((block) => block.text).join("|");
    if (prompt.includes("which model")) {
      await text("agent_message_chunk", `I am ${model}.`);
      return { stopReason: "end_turn" };
    }
    if (prompt.includes("refuse")) return { stopReason: "refusal" };
    if (prompt.includes("break")) throw new Error("the plain agent is broken");
    if (prompt.includes("wait")) {
      await text("agent_message_chunk", "waiting");
      await new Promise((resolve) => (cancel = resolve));
      return { stopReason: "cancelled" };
    }
    await text("agent_thought_chunk", "I think ");
    await text("agent_thought_chunk", "hard.");
    await update({
      sessionUpdate: "plan",
      entries: [
        { content: "look", status: "in_progress", priority: "high" },
        { content: "tell", status: "pending", priority: "low" },
      ],
    });
    await text("agent_message_chunk", `You said ${prompt}.`);
    await update({
      sessionUpdate: "tool_call",
      toolCallId: "a",
      title: "Read the notes",
      kind: "read",
      status: "pending",
      rawInput: { path: "notes" },
    });
    await update({ sessionUpdate: "tool_call", toolCallId: "b", title: "Remove everything", kind: "delete", status: "pending" });
    await update({ sessionUpdate: "tool_call_update", toolCallId: "a", status: "completed", rawOutput: { output: "three notes" } });
    const { outcome } = await client.request(methods.client.session.requestPermission, {
      sessionId: params.sessionId,
      toolCall: { toolCallId: "b", title: "Remove everything", rawInput: { path: "/" } },
      options: [
        { optionId: "yes", name: "Yes, always", kind: "allow_always" },
        { optionId: "no", name: "Never", kind: "reject_always" },
      ],
    });
    const chosen = outcome.outcome === "selected" ? outcome.optionId : outcome.outcome;
    await update({
      sessionUpdate: "tool_call_update",
      toolCallId: "b",
      status: chosen === "yes" ? "completed" : "failed",
      content: [{ type: "content", content: { type: "text", text: `chosen: ${chosen}` } }],
    });
    await text("agent_message_chunk", "That is all.");
    return { stopReason: "end_turn", usage: { totalTokens: 30, inputTokens: 20, outputTokens: 10 } };
  })
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
