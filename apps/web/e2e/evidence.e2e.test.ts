/* Policy and audit in a real browser: the gate is asked, and the log is checked without believing the server. */
import { createClient } from "@signalbox/client/client";
import { createCheckpoint } from "@signalbox/contract/log";
import { createLoginCode } from "@signalbox/contract/identity";
import { archiveRoom } from "@signalbox/contract/room-reading";
import { createRoom } from "@signalbox/contract/rooms";
import { databaseTest } from "@signalbox/testkit/database";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack, openPage } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer({ database }), borrowBrowser()]);
  const client = createClient({ baseUrl: server.url, token: server.token });
  await client.call(createRoom, { body: { title: "A room" } });
  await client.call(createCheckpoint, { body: {} });
  ({ page, complaints } = await openPage(browser, { serviceWorkers: "block" }));
  const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
  await page.goto(server.url + pathname + search);
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
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
  await page.locator('input[aria-label="An exported log"]').setInputFiles(file);
  await page.getByText("The log does not hold").waitFor();
  await page.getByText(/seq 1 room\.created: data hash mismatch/).waitFor();
  await rm(folder, { recursive: true });
});

test("a checkpoint that was kept: the log continues it, a log that lost its tail does not, and what is no checkpoint is said", async () => {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const { note } = await client.call(createCheckpoint, { body: {} });
  await page.goto(`${server.url}/audit`);
  const kept = page.getByLabel("A checkpoint that you kept");
  await page
    .locator('input[aria-label="A kept checkpoint"]')
    .setInputFiles({ name: "kept.txt", mimeType: "text/plain", buffer: Buffer.from(note) });
  await expect.poll(() => kept.inputValue()).toBe(note);
  await page.getByRole("button", { name: "Verify the whole log here" }).click();
  await page.getByText("It continues the checkpoint that you kept").waitFor();
  // The same server's log without its newest room, signed anew by nobody: as a file.
  const exported = await fetch(`${server.url}/v1/audit/export`, { headers: { authorization: `Bearer ${server.token}` } });
  const lines = (await exported.text()).trim().split("\n");
  const last = lines.findLastIndex((line) => line.includes('"kind":"event"'));
  const cut = Buffer.from(lines.filter((_, i) => i !== last).join("\n"));
  await page
    .locator('input[aria-label="An exported log"]')
    .setInputFiles({ name: "cut.jsonl", mimeType: "application/x-ndjson", buffer: cut });
  await page.getByText("The log does not hold").waitFor();
  await page
    .getByText(/the kept checkpoint/)
    .first()
    .waitFor();
  await kept.fill("something else");
  await page.getByRole("button", { name: "Verify the whole log here" }).click();
  await page.getByText(/What was kept is not a checkpoint/).waitFor();
});

test("an event is proved from the timeline, its proof downloaded and checked again, and a changed one refused", async () => {
  await page.goto(`${server.url}/timeline?type=conversation`);
  await page.getByRole("button", { name: /room\.created.*A room/ }).click();
  await page.getByRole("link", { name: "Prove it" }).click();
  await page.getByText("The proof holds").waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the proof" }).click();
  const proof = await readFile(await (await saved).path(), "utf8");
  const give = (text: string) =>
    page
      .locator('input[aria-label="A proof"]')
      .setInputFiles({ name: "proof.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await give(proof.replace("A room", "B room"));
  await page.getByText("The proof does not hold").waitFor();
  await page.getByText(/room:room_\w+ 1: data_hash_mismatch/).waitFor();
  await give(proof);
  await page.getByText("The proof holds").waitFor();
  expect(await violations(page)).toEqual([]);
});

test("a key hands over to the next; this browser follows, and the log stays whole", async () => {
  await page.goto(`${server.url}/audit?tab=keys`);
  const keys = page.getByRole("list", { name: "Signing keys" });
  const first = (await keys.locator("p > .font-mono").first().textContent())!;
  await page.getByRole("button", { name: "Rotate…" }).click();
  await page.getByRole("alertdialog").getByLabel("Why").fill("Once a year");
  await page.getByRole("alertdialog").getByRole("button", { name: "Rotate the key" }).click();
  await keys.getByText("This browser followed the signatures").waitFor();
  expect(await keys.locator("p > .font-mono").first().textContent()).not.toBe(first);
  expect(await violations(page)).toEqual([]);
  await page.getByRole("tab", { name: "Verify" }).click();
  await page.getByRole("button", { name: "Verify the whole log here" }).click();
  await page.getByText("The log is whole").waitFor();
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

test("a question to the gate can be sent by its address, and leads back to the same answer", async () => {
  await page.goto(`${server.url}/policy?tab=evaluate`);
  await page.getByRole("button", { name: "Reach the metadata address" }).click();
  await page.getByRole("button", { name: "Ask the gate" }).click();
  const answer = page.getByRole("region", { name: "The gate's answer" });
  await answer.getByText("Denied", { exact: true }).waitFor();
  const hash = await answer.getByText(/^sha256:/).textContent();
  const address = page.url();
  expect(new URL(address).searchParams.get("resource")).toBe("169.254.169.254");
  await page.goto("about:blank");
  await page.goto(address);
  await answer.getByText("Denied", { exact: true }).waitFor();
  expect(await answer.getByText(/^sha256:/).textContent()).toBe(hash);
  // What is changed and not asked yet is not what the answer is about.
  await page.getByLabel("With (which)").fill("example.com");
  await page.getByText("this one has not been asked yet").waitFor();
});

test("one event is erased with a reason, from the timeline; the log stays whole", async () => {
  const client = createClient({ baseUrl: server.url, token: server.token });
  await client.call(createRoom, { body: { title: "A name that must go" } });
  await page.goto(`${server.url}/timeline?type=conversation`);
  await page.getByRole("button", { name: /room\.created.*A name that must go/ }).click();
  await page.getByRole("link", { name: "Erase what it says…" }).click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByText("A name that must go").waitFor();
  await dialog.getByLabel("Why").fill("A person asked for it");
  await dialog.getByRole("button", { name: "Erase it" }).click();
  await page.getByRole("list", { name: "Redactions" }).getByText("A person asked for it").waitFor();
  await page.getByRole("list", { name: "Redactions" }).getByRole("link").first().click();
  await page.getByRole("region", { name: "The entry of the link" }).getByText("erased").waitFor();
  await page.goto(`${server.url}/audit`);
  await page.getByRole("button", { name: "Verify the whole log here" }).click();
  await page.getByText("The log is whole").waitFor();
  await page.getByText(/1 payload erased/).waitFor();
});

test("the timeline is narrowed by who, by when and by what it is about, and what is shown is saved", async () => {
  await page.goto(`${server.url}/timeline`);
  await page.getByRole("button", { name: "More filters" }).click();
  await page.getByLabel("After").fill("2100-01-01T00:00");
  await page.getByText("No event like that among those read so far").waitFor();
  await page.getByRole("button", { name: "No filters" }).click();
  const client = createClient({ baseUrl: server.url, token: server.token });
  const room = await client.call(createRoom, { body: { title: "Only this one" } });
  await page.goto(`${server.url}/timeline?subject=room:${room.id}`);
  await page.getByRole("button", { name: /room\.created.*Only this one/ }).waitFor();
  expect(await page.getByRole("list", { name: "Events" }).getByText("A room").count()).toBe(0);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Save \d+ shown/ }).click();
  const file = await (await saved).path();
  const events = (await readFile(file, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { subject: string });
  expect(events.length).toBeGreaterThan(0);
  expect(events.every(({ subject }) => subject === `room:${room.id}`)).toBe(true);
});

test("what is over is archived once it was said what would go, leads to its room, and is verified where it lies", async () => {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const room = await client.call(createRoom, { body: { title: "Long over" } });
  await client.call(archiveRoom, { params: { id: room.id }, body: {} });
  await page.goto(`${server.url}/audit?tab=archives`);
  await page.getByText("Nothing was archived").waitFor();
  await page.getByRole("button", { name: "Archive now…" }).click();
  const dialog = page.getByRole("alertdialog");
  const days = dialog.getByLabel("Nothing happened in it for so many days");
  await days.fill("1000");
  await dialog.getByText("Nothing is that old and over").waitFor();
  expect(await dialog.getByRole("button", { name: "Archive", exact: true }).isDisabled()).toBe(true);
  await days.fill("0");
  await dialog.getByText("Long over").waitFor();
  await dialog.getByRole("button", { name: "Archive 1 stream" }).click();
  const list = page.getByRole("list", { name: "Archives" });
  await list.getByText("Archived, verified").waitFor();
  await list.getByRole("button", { name: "Verify Long over" }).click();
  await list.getByText(/read back, and every hash follows from the one before/).waitFor();
  expect(await violations(page)).toEqual([]);
  await list.getByRole("link", { name: "Long over" }).click();
  await page.getByRole("heading", { level: 1, name: "Long over" }).waitFor();
});

test("what was imported is listed with whose key signed it, or that there is nothing", async () => {
  await page.goto(`${server.url}/audit?tab=imports`);
  await page.getByText("Nothing was imported").waitFor();
  expect(await violations(page)).toEqual([]);
});
