/* A fresh installation, from the first link to an agent at work: nothing that is asked can be a dead end. */
import { createClient } from "@signalbox/client/client";
import { checkModelConnection } from "@signalbox/contract/model-connections";
import { listSessions } from "@signalbox/contract/sessions";
import { startModelApi, type ModelApi } from "@signalbox/testkit/model-api";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { borrowBrowser, giveBack } from "./browser.ts";
import { personAt, type Person } from "./person.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const KEY = "sk-right-0123456789";
let server: ServerProcess;
let browser: Browser;
let person: Person;
let api: ModelApi;
let client: ReturnType<typeof createClient>;
let repository: string;

beforeAll(async () => {
  [server, browser, api] = await Promise.all([startServer({ withSample: true }), borrowBrowser(), startModelApi({ key: KEY })]);
  client = createClient({ baseUrl: server.url, token: server.token });
  person = personAt(server, browser);
  repository = await mkdtemp(join(tmpdir(), "signalbox-web-first-run-"));
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], { cwd: repository });
  git("init", "-q", "-b", "trunk");
  await writeFile(join(repository, "a.txt"), "one\n");
  git("add", ".");
  git("commit", "-q", "-m", "First");
  git("branch", "other");
  await writeFile(join(repository, "a.txt"), "two\n");
  await vi.waitFor(async () => expect((await client.call(listSessions, { query: {} })).items).toHaveLength(1), {
    timeout: 60_000,
    interval: 250,
  });
}, 120_000);
afterEach(() => person.leave());
afterAll(async () => {
  await giveBack(browser);
  await api?.close();
  await server?.stop();
  if (repository !== undefined) await rm(repository, { recursive: true, force: true });
});

test("the first link leads to the welcome, once, and never holds anybody there", async () => {
  const page = await person.enter();
  await page.getByRole("heading", { name: "Welcome" }).waitFor();
  await page.getByRole("link", { name: "Look around first" }).click();
  await page.getByRole("heading", { name: "Needs you" }).waitFor();
  await page.getByRole("heading", { name: "The line is clear." }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/");
  // Also from here the finished session is one press away, and it opens at its beginning, to be scrubbed.
  await page.getByRole("region", { name: "A finished session" }).getByText("succeeded").waitFor();
  await page.getByRole("link", { name: "Watch it from the start" }).click();
  await page.waitForURL(/\/sessions\/ses_Z\w+\?at=\d+/);
});

test("a wrong key is refused in the words of the check; the right one connects, and its model can be the default", async () => {
  const page = await person.visit("/welcome?step=model");
  await page.getByRole("radio", { name: /OpenAI-compatible/ }).click();
  await page.getByRole("textbox", { name: "Address" }).fill(`${api.origin}/v1`);
  await page.getByLabel("API key").fill("sk-wrong-0123456789");
  await page.getByRole("button", { name: "Check and connect" }).click();
  const { ok, message } = await client.call(checkModelConnection, {
    body: { kind: "openai-compatible", base_url: `${api.origin}/v1`, api_key: "sk-wrong-0123456789" },
  });
  expect(ok).toBe(false);
  await page.getByRole("alert").getByText(message).waitFor();
  expect(await page.getByRole("button", { name: "Keep it anyway" }).isVisible()).toBe(true);

  const before = api.answers;
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Check and connect" }).click();
  await page.getByText("It works: compatible offers 2 models.").waitFor();
  expect(api.answers).toBeGreaterThan(before);
  expect(await page.content()).not.toContain(KEY);
  await page.getByLabel("Default model").selectOption({ label: "claude-haiku-4-5" });
  await page.getByText("Sessions that name none use").waitFor();
  expect(await page.getByRole("link", { name: "done A model" }).count()).toBe(1);
});

test("Ollama is looked for, and who has none is told how to start it", async () => {
  const page = await person.visit("/welcome?step=model");
  await page.getByRole("radio", { name: /Ollama/ }).click();
  await page.getByText(/No Ollama answers at .* Start it with|Ollama runs/).waitFor();
});

test("a repository is looked at as one types: what is wrong stands at the field, what is uncommitted is said", async () => {
  const page = await person.visit("/welcome?step=repository");
  const field = page.getByRole("textbox", { name: "Repository" });
  await field.fill("/nowhere/at/all");
  await page
    .getByRole("alert")
    .getByText(/nowhere/)
    .waitFor();
  expect(await field.getAttribute("aria-invalid")).toBe("true");
  await field.fill(repository);
  await page.getByText("2 branches, trunk by default").waitFor();
  await page.getByText("1 file with uncommitted changes.").waitFor();
  expect(await field.getAttribute("aria-invalid")).toBe("false");
  await page.getByRole("combobox", { name: "Branch" }).click();
  await page.getByRole("option", { name: "other" }).click();
  await page.getByRole("button", { name: "Browse" }).click();
  await page.getByRole("region", { name: "Folders on the server's machine" }).getByRole("list").waitFor();
  // Left and come back to: nothing of it is lost.
  await page.reload();
  expect(await field.inputValue()).toBe(repository);
  expect(await page.getByRole("combobox", { name: "Branch" }).inputValue()).toBe("other");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("button", { name: "Explain the code" }).click();
  expect(await page.getByLabel("Task", { exact: true }).inputValue()).toMatch(/^Read this repository/);
});

test("the sample, the demo and one press lead to the live session", async () => {
  const page = await person.visit("/welcome?step=repository");
  await page.getByRole("button", { name: "Make a sample" }).click();
  await expect.poll(() => page.getByRole("textbox", { name: "Repository" }).inputValue(), { timeout: 20_000 }).toContain("sample");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByLabel("Model", { exact: true }).selectOption({ label: "Demo (scripted, not an AI model)" });
  await page.getByText("A scripted demonstration, not an AI").waitFor();
  await page.getByRole("button", { name: "Start the session" }).click();
  await page.waitForURL(/\/sessions\/ses_/);
  await page.getByRole("region", { name: "Conversation" }).getByText("The tests of this project fail.").waitFor({ timeout: 30_000 });
});
