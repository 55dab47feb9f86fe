/* Policy and audit in a real browser: the gate is asked, and the log is checked without believing the server. */
import { createClient } from "@signalbox/client/client";
import { createCheckpoint } from "@signalbox/contract/log";
import { createLoginCode } from "@signalbox/contract/identity";
import { createRoom } from "@signalbox/contract/rooms";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { openBrowser, openPage } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 60_000 });

let server: ServerProcess;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), openBrowser()]);
  const client = createClient({ baseUrl: server.url, token: server.token });
  await client.call(createRoom, { body: { title: "A room" } });
  await client.call(createCheckpoint, { body: {} });
  ({ page, complaints } = await openPage(browser));
  const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
  await page.goto(server.url + pathname + search);
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});
afterEach(() => {
  expect(complaints.splice(0)).toEqual([]);
});

test("the policies in force open to their text", async () => {
  await page.goto(`${server.url}/policy`);
  await page.getByRole("button", { name: /outside-writes/ }).click();
  await page.getByText('@decision("require_approval")').waitFor();
});

test("a push is asked about, a forced push denied, each with the policy that says so", async () => {
  await page.goto(`${server.url}/policy?tab=evaluate`);
  await page.getByRole("button", { name: "Push a branch" }).click();
  await page.getByRole("button", { name: "Ask the gate" }).click();
  const answer = page.getByRole("region", { name: "The gate's answer" });
  await answer.getByText("Asks a person", { exact: true }).waitFor();
  expect(await answer.getByRole("link", { name: "outside-writes" }).isVisible()).toBe(true);

  await page.getByRole("button", { name: "Force-push" }).click();
  await page.getByRole("button", { name: "Ask the gate" }).click();
  await answer.getByText("Denied", { exact: true }).waitFor();
  await answer.getByRole("link", { name: "danger" }).click();
  await page.getByText("forbid (principal, action, resource)").waitFor();
});

test("context that is not JSON is said below the field, and nothing is asked", async () => {
  await page.goto(`${server.url}/policy?tab=evaluate`);
  await page.getByRole("button", { name: "Push a branch" }).click();
  await page.getByLabel("Context").fill("{ nope");
  await page.getByText("This is not a JSON object.").waitFor();
  expect(await page.getByRole("button", { name: "Ask the gate" }).isDisabled()).toBe(true);
});

test("this browser finds the whole log whole", async () => {
  await page.goto(`${server.url}/audit`);
  await page.getByRole("button", { name: "Verify the whole log here" }).click();
  await page.getByText("The log is whole").waitFor();
});

test("a file in which one letter was changed is refused with the place", async () => {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-evidence-"));
  const exported = await fetch(`${server.url}/v1/audit/export`, { headers: { authorization: `Bearer ${server.token}` } });
  const text = await exported.text();
  expect(text).toContain("A room");
  const file = join(folder, "tampered.jsonl");
  await writeFile(file, text.replace("A room", "B room"));
  await page.goto(`${server.url}/audit`);
  await page.getByRole("button", { name: "Verify a file…" }).waitFor();
  await page.locator('input[type="file"]').setInputFiles(file);
  await page.getByText("The log does not hold").waitFor();
  await page.getByText(/seq 1 room\.created: data hash mismatch/).waitFor();
  await rm(folder, { recursive: true });
});

test("checkpoints show the signed note; a new one can be made", async () => {
  await page.goto(`${server.url}/audit?tab=checkpoints`);
  const list = page.getByRole("listitem").filter({ hasText: "Up to event" });
  await list.first().waitFor();
  const before = await list.count();
  await page.getByRole("button", { name: "Sign one now" }).click();
  await expect.poll(() => list.count()).toBeGreaterThanOrEqual(before);
  await list.first().getByRole("button").first().click();
  await page.getByText(/— signalbox\/ws_dev/).waitFor();
});
