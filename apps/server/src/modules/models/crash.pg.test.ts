import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { databaseTest } from "@signalbox/testkit/database";
import { expect, test } from "vitest";
import { chatChunk, ORGANIZATION, scriptedUpstream, startBench } from "./proxy.fixture.ts";

const database = databaseTest();

test("a server killed with -9 while streaming: its reservation is settled in full by the next one, once", async () => {
  const upstream = await scriptedUpstream((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chatChunk("never finished"));
  });
  const connections = JSON.stringify({ sb_log: database.connection("sb_log"), sb_app: database.connection("sb_app") });
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "crash-server.fixture.ts"), connections, upstream.origin], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const { origin, id, key } = JSON.parse(line) as { origin: string; id: string; key: string };
    const answer = await fetch(`${origin}/llm/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "gpt-4o", stream: true, max_tokens: 100, messages: [{ role: "user", content: "hi" }] }),
    });
    const reader = answer.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain("never finished");
    child.kill("SIGKILL");
    await once(child, "exit");
    await reader.read().catch(() => undefined); // the connection broke with the process

    const next = await startBench(database, [], { ttlMs: 300 });
    const before = await next.ledger.usage(ORGANIZATION, id);
    expect(before?.reserved_micro_usd, "held, not lost").toBeGreaterThan(0);
    expect(before?.spent_micro_usd).toBe(0);
    await expect.poll(() => next.ledger.reconcile(), { timeout: 10_000, interval: 50 }).toBe(1);
    const after = await next.ledger.usage(ORGANIZATION, id);
    expect(after).toMatchObject({ spent_micro_usd: before?.reserved_micro_usd, reserved_micro_usd: 0, calls: 1 });
    expect(await next.ledger.reconcile()).toBe(0);
    await next.close();
  } finally {
    child.kill("SIGKILL");
    await upstream.close();
  }
});
