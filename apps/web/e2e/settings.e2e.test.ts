/* The settings, on the real server: models by a real check, tokens that end, logs in and out. */
import { createClient } from "@signalbox/client/client";
import { listTokens } from "@signalbox/contract/identity";
import { listImports } from "@signalbox/contract/imports";
import { listModelConnections } from "@signalbox/contract/model-connections";
import { databaseTest } from "@signalbox/testkit/database";
import { startModelApi, type ModelApi } from "@signalbox/testkit/model-api";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack } from "./browser.ts";
import { personAt, type Person } from "./person.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const KEY = "sk-right-0123456789";
const SAMPLE = join(import.meta.dirname, "../../server/samples/first-session.jsonl");
const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let person: Person;
let api: ModelApi;
let client: ReturnType<typeof createClient>;

beforeAll(async () => {
  [server, browser, api] = await Promise.all([startServer({ database }), borrowBrowser(), startModelApi({ key: KEY })]);
  client = createClient({ baseUrl: server.url, token: server.token });
  person = personAt(server, browser);
}, 120_000);
afterEach(() => person.leave());
afterAll(async () => {
  await giveBack(browser);
  await api?.close();
  await server?.stop();
});

test("a model is connected, checked, and removed with its key; the demo says what it is and cannot be removed", async () => {
  const page = await person.visit("/settings/models");
  const list = page.getByRole("list", { name: "Connections" });
  await list.getByText("scripted, not an AI").waitFor();
  expect(await page.getByRole("button", { name: "Remove demo" }).count()).toBe(0);
  await page.getByRole("button", { name: "Connect a model" }).click();
  await page.getByRole("menuitem", { name: "Any OpenAI-compatible address" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("here");
  await dialog.getByRole("textbox", { name: "Address" }).fill(`${api.origin}/v1`);
  await dialog.getByLabel("API key").fill(KEY);
  await dialog.getByRole("button", { name: "Check and connect" }).click();
  await dialog.waitFor({ state: "detached" });
  await list.getByText(/key ends in 6789/).waitFor();
  await page.getByRole("table").getByText("gpt-5-mini").waitFor();

  api.mode = "faulty";
  await page.getByRole("button", { name: "Check here" }).click();
  await list.getByText(/\(\d+ ms\)|\([\d.]+ s\)/).waitFor();
  expect(await list.getByText("It works").count()).toBe(0);
  api.mode = "well";
  await page.getByRole("button", { name: "Check here" }).click();
  await list.getByText("It works: 2 models.").waitFor();

  await page.getByRole("button", { name: "Remove here" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove here" }).click();
  await list.getByText("here", { exact: true }).waitFor({ state: "detached" });
  expect((await client.call(listModelConnections, {})).items.map(({ name }) => name)).toEqual(["demo"]);
});

test("a token has an end, is shown once, and is revoked for good after a second yes", async () => {
  const page = await person.visit("/settings/tokens");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("Name").fill("laptop");
  await page.getByLabel("It lasts").selectOption("7");
  await page.getByRole("button", { name: "Make the token" }).click();
  const secret = (await page.locator("[data-secret]").textContent()) ?? "";
  expect(secret.trim().length).toBeGreaterThan(20);
  await page.getByRole("button", { name: "I have it" }).click();
  expect(await page.content()).not.toContain(secret.trim());
  const token = (await client.call(listTokens, { query: {} })).items.find(({ name }) => name === "laptop");
  expect(Date.parse(token!.expires_at!) - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
  await page.getByRole("button", { name: "Revoke laptop" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Revoke the token" }).click();
  await page.getByRole("button", { name: "Revoke laptop" }).waitFor({ state: "detached" });
});

test("a webhook is made with a secret that is shown once, tried, paused, resumed, delivered to again and deleted", async () => {
  const page = await person.visit("/settings/sinks");
  await page.getByText("Nothing is published yet").waitFor();
  await page.getByRole("button", { name: "New sink" }).click();
  const dialog = page.getByRole("dialog");
  // What is inside is refused; where nobody answers is kept, and said when it is tried.
  await dialog.getByLabel("Address").fill("https://127.0.0.1/hook");
  await dialog.getByLabel("Which events").fill("run.* Approval");
  await dialog.getByText(/Approval is no type of event/).waitFor();
  await dialog.getByLabel("Which events").fill("run.* approval.requested");
  await dialog.getByRole("button", { name: "Publish" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByLabel("Address").fill("https://sink.example.com/hook");
  await dialog.getByLabel("Name").fill("Warehouse");
  await dialog.getByRole("button", { name: "Publish" }).click();
  const secret = (await page.locator("[data-secret]").textContent())!.trim();
  expect(secret).toMatch(/^whsec_/);
  await page.getByRole("button", { name: "I have it" }).click();
  const sink = page.getByRole("listitem", { name: "Warehouse" });
  await sink.getByText("run.* approval.requested").waitFor();
  expect(await page.content()).not.toContain(secret);
  await sink.getByRole("button", { name: "Test" }).click();
  await sink.getByText(/The test message was not taken/).waitFor();
  await sink.getByRole("button", { name: "Pause" }).click();
  await sink.getByText("Paused", { exact: true }).first().waitFor();
  expect(await violations(page)).toEqual([]);
  await sink.getByRole("button", { name: "Resume" }).click();
  await sink.getByRole("button", { name: "Pause" }).waitFor();
  await sink.getByRole("button", { name: "More about Warehouse" }).click();
  await page.getByRole("menuitem", { name: /Compare with the log/ }).click();
  await page.getByText("A webhook cannot be asked what it has.", { exact: false }).waitFor();
  await page.getByLabel("Deliver again from event").fill("999999999");
  await page.getByRole("button", { name: "Deliver again" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.getByLabel("Deliver again from event").fill("1");
  await page.getByRole("button", { name: "Deliver again" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await sink.getByRole("button", { name: "More about Warehouse" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete the sink" }).click();
  await page.getByText("Nothing is published yet").waitFor();
});

test("a log that does not verify is refused with the reason, a whole one is kept, opened and removed", async () => {
  const page = await person.visit("/settings/data");
  const whole = await readFile(SAMPLE, "utf8");
  const field = page.getByLabel("A log to import");
  const file = (text: string) => ({ name: "log.jsonl", mimeType: "application/x-ndjson", buffer: Buffer.from(text) });
  await field.setInputFiles(file(whole.replace("fail", "pass")));
  await page.getByRole("alert").waitFor();
  expect((await client.call(listImports, { query: {} })).items).toEqual([]);
  await field.setInputFiles(file(whole));
  const logs = page.getByRole("list", { name: "Imported logs" });
  await logs.getByText(/145 events|\d+ events in/).waitFor();
  expect(await page.getByRole("alert").count()).toBe(0);
  await logs.getByRole("button", { name: /^Remove / }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove the imported log" }).click();
  await page.getByText("Nothing is imported.").waitFor();
});

test("the whole log is saved as a file by one press, and the page says where everything is kept", async () => {
  const page = await person.visit("/settings/data");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export everything" }).click()]);
  expect(download.suggestedFilename()).toBe("signalbox-log.jsonl");
  expect((await readFile(await download.path(), "utf8")).split("\n").length).toBeGreaterThan(2);
  await page.getByText(/signalbox-web-e2e-/).waitFor();
  await page.getByText("An export is evidence, not a backup.").waitFor();
});
