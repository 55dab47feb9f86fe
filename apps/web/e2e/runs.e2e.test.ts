/* Runs and their inspector, on tasks that an engine did by the routes that engines use. */
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
let room: string;
beforeAll(async () => {
  browser = await borrowBrowser();
  people = await startWithPeople(database, browser);
  room = (await people.post<{ id: string }>(people.server.owner, "/v1/rooms", { title: "Workshop" })).id;
}, 120_000);
afterAll(async () => {
  await people?.close();
  await giveBack(browser);
});
afterEach(() => people.leave());

test("a bar of the waterfall opens to what was asked and what came back, by key and by address", async () => {
  const task = await workOn(people, room, "Mend the roof");
  const call = await task.tool("bash", { title: "npm test", output: "\u001b[32mall good\u001b[0m" });
  await task.tool("edit", { title: "roof.js", error: "old_string was not found" });
  await task.complete("It is **mended**.");
  const page = await people.visit(people.server.owner, `/runs/${task.run}`);
  const bars = page.getByRole("list", { name: "What took how long" });
  await bars.getByRole("button", { name: /^npm test/ }).focus();
  await page.keyboard.press("Enter");
  const details = page.getByRole("region", { name: "Details of npm test" });
  await details.getByText("all good").waitFor();
  expect(new URL(page.url()).searchParams.get("step")).toBe(call);
  await page.reload();
  await details.getByText("all good").waitFor();
  await details.getByRole("button", { name: "Close" }).click();
  await details.waitFor({ state: "detached" });
  await bars.getByRole("button", { name: /^roof\.js.*failed/ }).click();
  await page.getByRole("region", { name: "Details of roof.js" }).getByText("old_string was not found").waitFor();
  expect(await violations(page)).toEqual([]);
});

test("many bars are folded into their steps, but never what failed; they unfold", { timeout: 120_000 }, async () => {
  const task = await workOn(people, room, "Walk the tree");
  for (let i = 0; i < 70; i++)
    await task.tool("read", { title: `file ${i}`, ...(i === 40 ? { error: "no such file" } : { output: "ok" }) });
  await task.complete("Done.");
  const page = await people.visit(people.server.owner, `/runs/${task.run}`);
  const bars = page.getByRole("list", { name: "What took how long" }).getByRole("listitem");
  await expect
    .poll(() => bars.allTextContents().then((all) => all.map((text) => text.split(",")[0])))
    .toEqual(["Walk the treerun", "Look aroundstep", "file 40tool call"]);
  await page.getByRole("button", { name: "Unfold the steps" }).click();
  await expect.poll(() => bars.count()).toBe(72);
});

test("while it runs the page follows; it is taken, given back, and canceled", async () => {
  const task = await workOn(people, room, "Take your time");
  const page = await people.visit(people.server.owner, `/runs/${task.run}`);
  await page.getByText("Running").first().waitFor();
  await task.tool("bash", { title: "make it so" });
  await page.getByRole("list", { name: "What took how long" }).getByText("make it so").waitFor();
  await page.getByRole("button", { name: "Assign it to me" }).click();
  await page.getByText("assigned to you").waitFor();
  await page.getByRole("button", { name: "Give it back" }).click();
  await page.getByText("assigned to you").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Cancel the run" }).click();
  await page.getByText("Canceled").first().waitFor();
  expect(await page.getByRole("button", { name: "Cancel the run" }).count()).toBe(0);
});

test("a failed task says why, tells its attempts, and a person's verdict resolves it", async () => {
  const task = await workOn(people, room, "Cross the river");
  await task.fail("The bridge is out.");
  const page = await people.visit(people.server.owner, `/runs/${task.run}`);
  await page.getByRole("alert").getByText("The bridge is out.").waitFor();
  await page.getByRole("button", { name: /1 attempt of at most 1/ }).click();
  await page.getByRole("list", { name: "Attempts" }).getByText("You failed").waitFor();
  await page.getByRole("button", { name: "Resolve…" }).click();
  await page.getByLabel("Comment").fill("Somebody rowed.");
  await page.getByRole("button", { name: "It succeeded" }).click();
  await page.getByText("Succeeded").first().waitFor();
});

test("the receipt is checked here; a copy in which one letter was changed is refused", async () => {
  const task = await workOn(people, room, "Sign for it");
  await task.tool("bash", { title: "npm test", output: "ok" });
  await task.complete("Done.");
  const page = await people.visit(people.server.owner, `/runs/${task.run}?tab=receipt`);
  await page.getByText("Signed, and checked by this browser").waitFor();
  const { body: receipt } = await people.server.call("GET", `/v1/runs/${task.run}/receipt`, { token: people.server.owner });
  const file = (of: object) => ({ name: "receipt.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(of)) });
  const input = page.locator('input[aria-label="A receipt"]');
  await input.setInputFiles(file(receipt));
  await expect.poll(() => page.getByText("Signed, and checked by this browser").count()).toBe(2);
  const statement = Buffer.from(receipt.payload, "base64").toString().replace('"succeeded"', '"Succeeded"');
  await input.setInputFiles(file({ ...receipt, payload: Buffer.from(statement).toString("base64") }));
  await page.getByRole("alert").waitFor();
  expect(await page.getByText("Signed, and checked by this browser").count()).toBe(1);
  await page.getByText("Its statement is not this run's as it stands here.").waitFor();
});

test("the events of a run open to the entry, and its chain is recomputed", async () => {
  const task = await workOn(people, room, "Leave a trace");
  await task.complete("Done.");
  const page = await people.visit(people.server.owner, `/runs/${task.run}?tab=events`);
  await page.getByRole("button", { name: /run\.completed/ }).click();
  await page.getByRole("link", { name: "Link to this entry" }).first().waitFor();
  await page.getByRole("button", { name: "Verify the chain" }).click();
  await page.getByText(/^Whole: /).waitFor();
  await page.getByRole("link", { name: "Link to this entry" }).first().click();
  await page.getByRole("region", { name: "The entry of the link" }).getByText("run.completed").first().waitFor();
  await page.getByRole("region", { name: "The entry of the link" }).getByRole("link", { name: "Everything of its cause" }).click();
  await page
    .getByRole("list", { name: "Runs" })
    .getByRole("link", { name: /Leave a trace/ })
    .waitFor();
});

test("the list of runs is narrowed by words and by state, and the address holds it", async () => {
  const task = await workOn(people, room, "Peel the onion");
  await task.fail("It wept.");
  await workOn(people, room, "Peel the potato").then((other) => other.complete("Done."));
  const page = await people.visit(people.server.owner, "/runs?status=failed");
  await page.getByRole("link", { name: "Peel the onion" }).waitFor();
  expect(await page.getByRole("link", { name: "Peel the potato" }).count()).toBe(0);
  await page.keyboard.press("/");
  await page.keyboard.type("garlic");
  await page.getByText("No run is like that").waitFor();
});
