/* A small ACP agent for the engine's tests: speaks the real protocol over its standard streams. What it does follows from the prompt. */
import { agent, methods, ndJsonStream, type SessionNotification } from "@agentclientprotocol/sdk";
import { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

agent({ name: "fixture" })
  .onRequest(methods.agent.initialize, () => ({ protocolVersion: 1, agentCapabilities: {} }))
  .onRequest(methods.agent.session.new, () => ({ sessionId: "s1" }))
  .onRequest(methods.agent.session.prompt, async ({ params, client }) => {
    const text = params.prompt.map((part) => (part.type === "text" ? part.text : "")).join("");
    const update = (of: SessionNotification["update"]) =>
      client.notify(methods.client.session.update, { sessionId: params.sessionId, update: of });
    if (text.includes("hang")) await sleep(120_000);
    if (text.includes("die")) process.exit(7);
    await update({
      sessionUpdate: "tool_call",
      toolCallId: "t1",
      title: "Look around",
      kind: "read",
      status: "in_progress",
      rawInput: { path: "." },
    });
    await update({
      sessionUpdate: "tool_call_update",
      toolCallId: "t1",
      status: "completed",
      content: [{ type: "content", content: { type: "text", text: "a.txt" } }],
    });
    await update({ sessionUpdate: "agent_message_chunk", content: { type: "text", text: `Did: ${text}` } });
    return { stopReason: "end_turn" as const };
  })
  .connect(
    ndJsonStream(Writable.toWeb(process.stdout) as WritableStream<Uint8Array>, Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>),
  );
