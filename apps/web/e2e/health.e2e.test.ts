/* Health: what the box says of itself, and what can be done about it. */
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack } from "./browser.ts";
import { startWithPeople, type People } from "./people.ts";
import { workOn } from "./engine.ts";
vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let browser: Browser;
let people: People;
beforeAll(async () => {
  browser = await borrowBrowser();
  people = await startWithPeople(database, browser);
}, 120_000);
afterAll(async () => {
  await people?.close();
  await giveBack(browser);
});
afterEach(() => people.leave());

test("every part says how it is, and the machine under it what it has", async () => {
  const page = await people.visit(people.server.owner, "/health");
  await page
    .getByRole("status")
    .getByText(/Everything works|not work/)
    .waitFor();
  await page.getByText("Data directory", { exact: true }).waitFor();
  expect(await violations(page)).toEqual([]);
});

test("an engine that holds a task is live, with what it works on", async () => {
  const { id: room } = await people.post<{ id: string }>(people.server.owner, "/v1/rooms", { title: "Workshop" });
  const task = await workOn(people, room, "Hold this");
  const page = await people.visit(people.server.owner, "/health?tab=workers");
  const row = page.getByRole("row").filter({ hasText: "Owner" });
  await row.getByText("Live").waitFor();
  await row.getByRole("link", { name: "Hold this" }).click();
  await page.getByRole("heading", { level: 1, name: "Hold this" }).waitFor();
  await task.complete("Done.");
});

test("a job that was given up stands with its error, and is tried once more from here", async () => {
  const [job] = await database.rows<{ id: string }>(
    "insert into jobs (organization_id, kind, payload, state, attempt, max_attempts, last_error) values ('ws_dev', 'nobody.knows', '{}', 'dead', 3, 3, 'It broke.') returning id",
  );
  expect(job).toBeDefined();
  const page = await people.visit(people.server.owner, "/health?tab=jobs");
  await page.getByText("It broke.").waitFor();
  await page.getByRole("listitem").filter({ hasText: "nobody.knows" }).getByRole("button", { name: "Try again" }).click();
  await page.getByText("nobody.knows is tried once more").waitFor();
});

test("who is no admin sees the parts, not the jobs or the sandboxes of others", async () => {
  const member = await people.server.person("member");
  const page = await people.visit(member.token, "/health?tab=jobs");
  await page.getByRole("tab", { name: "Parts" }).waitFor();
  expect(await page.getByRole("tab").allTextContents()).toEqual(["Parts", "Workers"]);
});
