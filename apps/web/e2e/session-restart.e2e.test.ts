/* A server that dies while an agent speaks: the page goes on by itself, and shows everything once. */
import { createClient } from "@signalbox/client/client";
import { createLoginCode } from "@signalbox/contract/identity";
import { createSession, getConversation } from "@signalbox/contract/sessions";
import { createSample } from "@signalbox/contract/system";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { borrowBrowser, giveBack, openPage } from "./browser.ts";

const ROOT = join(import.meta.dirname, "../../..");

let dataDir: string;
let child: ChildProcess | undefined;
let browser: Browser;

interface Ready {
  readonly url: string;
  readonly token: string;
}
async function start(port: string): Promise<Ready> {
  const started = spawn(process.execPath, [join(ROOT, "apps/server/src/main.ts"), "--json", "--port", port, "--data-dir", dataDir], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "ignore"],
  });
  child = started;
  for await (const line of createInterface({ input: started.stdout }))
    if (line.startsWith('{"event":"ready"')) return JSON.parse(line) as Ready;
  throw new Error("the server ended before it was ready");
}
async function end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  const ending = child;
  if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
  const gone = new Promise((resolve) => ending.once("exit", resolve));
  ending.kill(signal);
  await gone;
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "signalbox-restart-"));
  browser = await borrowBrowser();
});
afterAll(async () => {
  await giveBack(browser);
  await end("SIGTERM");
  await rm(dataDir, { recursive: true, force: true });
}, 120_000);

test("a server killed while the agent speaks comes back without loss or repeat, and without a reload", { timeout: 900_000 }, async () => {
  // Of a try before.
  await end("SIGKILL");
  const before = await start("0");
  const client = createClient({ baseUrl: before.url, token: before.token });
  const { page } = await openPage(browser);
  const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
  await page.goto(before.url + pathname + search);
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
  const sample = await client.call(createSample, { body: {} });
  const session = await client.call(createSession, {
    body: { source: { type: "repository", url: sample.repository_url }, title: "Cut short", prompt: sample.prompt },
  });
  await page.goto(`${before.url}/sessions/${session.id}`);
  const conversation = page.getByRole("region", { name: "Conversation" });
  await conversation.waitFor();
  const history = () => client.call(getConversation, { params: { id: session.id }, query: { limit: 200 } });
  // Of the page only what is in view is drawn: while it opens on a slow machine the agent's first words may have left it.
  await expect.poll(async () => JSON.stringify((await history()).items), { timeout: 300_000 }).toContain("First I look at the repository.");
  let loads = 0;
  page.on("load", () => loads++);

  await end("SIGKILL");
  const after = await start(new URL(before.url).port);
  expect(after.url).toBe(before.url);

  await page.getByRole("article", { name: /^Approval: Push/ }).waitFor({ timeout: 300_000 });
  await page.keyboard.press("a");
  await conversation.getByText("Turn complete").waitFor({ timeout: 300_000 });
  expect(loads).toBe(0);

  // Everything that the server has is on the page, once each: the conversation is short enough to be drawn whole.
  const { items } = await history();
  const said = items.flatMap((item) => (item.type === "message" ? [item.id] : []));
  const seen = new Set<string>();
  await conversation.hover();
  for (let at = 0; at < 30; at++) {
    const keys = await conversation.locator("li[data-key]").evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset["key"]!));
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) seen.add(key);
    await page.mouse.wheel(0, -250);
    await page.waitForTimeout(60);
  }
  expect(said.filter((id) => !seen.has(id))).toEqual([]);
  expect(await conversation.locator(".arriving").count()).toBe(0);
});
