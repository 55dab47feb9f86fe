import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { systemClock } from "@signalbox/kernel/clock";
import { createDemoUpstream, DEMO_MODEL_ID } from "@signalbox/providers/model/demo/upstream";
import { databaseTest } from "@signalbox/testkit/database";
import OpenAI from "openai";
import pino from "pino";
import { fetch as undiciFetch, ProxyAgent } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { createEgress } from "../egress/public.ts";
import { MODEL_HOST } from "./public.ts";
import { ORGANIZATION, startBench } from "./proxy.fixture.ts";

const database = databaseTest();

/** As from within a sandbox: HTTP_PROXY on the loopback, carried to the sandbox's own socket. */
async function sandbox(options: { cap?: number } = {}) {
  const bench = await startBench(database, [
    createDemoUpstream({ chunkDelayMs: 0, script: () => ({ text: "Hello from outside.", calls: [] }) }),
  ]);
  const session = await bench.session({ ...options, models: [DEMO_MODEL_ID] });
  const egress = createEgress({
    log: bench.log,
    db: bench.db,
    clock: systemClock,
    logger: pino({ enabled: false }),
    gate: bench.gate,
    internal: { [MODEL_HOST]: bench.models.handler },
    sessionOf: async () => ({ agentId: "agt_1", roomId: null, hasEnded: false }),
  });
  const directory = mkdtempSync(path.join(tmpdir(), "egress-"));
  await egress.proxy.listen(
    { sandboxId: "sbx_01J00000000000000000000001", sessionId: session.id, organizationId: ORGANIZATION },
    directory,
  );
  const bridge = createServer((socket) => {
    const out = connect(path.join(directory, "egress.sock"));
    socket.pipe(out).pipe(socket);
    socket.on("error", () => out.destroy());
    out.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => bridge.listen(0, "127.0.0.1", resolve));
  const dispatcher = new ProxyAgent(`http://127.0.0.1:${(bridge.address() as AddressInfo).port}`);
  onTestFinished(async () => {
    await dispatcher.destroy();
    bridge.close();
    await egress.stop?.();
    await bench.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const fetch = ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  return { bench, session, fetch };
}

test("the official clients reach the model from a sandbox with a placeholder for a key, and its session pays", async () => {
  const { bench, session, fetch } = await sandbox();
  const openai = new OpenAI({ apiKey: "placeholder", baseURL: `http://${MODEL_HOST}/llm/v1`, fetch, maxRetries: 0 });
  const stream = await openai.chat.completions.create({ model: DEMO_MODEL_ID, messages: [{ role: "user", content: "hi" }], stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  expect(text).toBe("Hello from outside.");
  const anthropic = new Anthropic({ apiKey: "placeholder", baseURL: `http://${MODEL_HOST}/llm`, fetch, maxRetries: 0 });
  const message = await anthropic.messages
    .stream({ model: DEMO_MODEL_ID, max_tokens: 100, messages: [{ role: "user", content: "hi" }] })
    .finalMessage();
  expect(message.content).toMatchObject([{ type: "text", text: "Hello from outside." }]);
  expect((await openai.models.list()).data.map(({ id }) => id)).toEqual([DEMO_MODEL_ID]);
  await expect.poll(async () => (await bench.ledger.usage(ORGANIZATION, session.id))?.calls, { timeout: 10_000 }).toBe(2);
  await expect
    .poll(() => database.rows("select distinct host, decision from egress_requests where session_id = $1", [session.id]), {
      timeout: 10_000,
    })
    .toEqual([{ host: MODEL_HOST, decision: "allow" }]);
});

test("when its session has ended the socket opens nothing any more", async () => {
  const { bench, session, fetch } = await sandbox();
  const openai = new OpenAI({ apiKey: "placeholder", baseURL: `http://${MODEL_HOST}/llm/v1`, fetch, maxRetries: 0 });
  const ask = () =>
    openai.chat.completions.create({ model: DEMO_MODEL_ID, messages: [{ role: "user", content: "hi" }] }).then(
      () => "answered",
      (error: { code?: string }) => error.code,
    );
  expect(await ask()).toBe("answered");
  await bench.endSession(session.id);
  await expect.poll(ask, { timeout: 2_000, interval: 50 }).toBe("session_ended");
});
