/* Rooms as two people use them, each in a browser of their own. */
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack } from "./browser.ts";
import { startWithPeople, type People } from "./people.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let browser: Browser;
let people: People;
let room: string;
let anna: { id: string; token: string };
beforeAll(async () => {
  browser = await borrowBrowser();
  people = await startWithPeople(database, browser);
  room = (await people.post<{ id: string }>(people.server.owner, "/v1/rooms", { title: "The room of the test" })).id;
  anna = await people.server.person("member");
  await people.post(people.server.owner, `/v1/rooms/${room}/members`, { principal_id: anna.id, role: "member" });
}, 120_000);
afterAll(async () => {
  await people?.close();
  await giveBack(browser);
});
afterEach(() => people.leave());

const say = (thread: string, content_md: string, token = people.server.owner) =>
  people.post<{ id: string; seq: number }>(token, `/v1/threads/${thread}/messages`, { content_md });
const newThread = async (title: string): Promise<string> =>
  (await people.post<{ id: string }>(people.server.owner, `/v1/rooms/${room}/threads`, { title })).id;

test("two people talk: what one writes is there for the other without a reload, and a name that is mentioned is lit", async () => {
  const thread = await newThread("Talk");
  const [mine, hers] = await Promise.all([
    people.visit(people.server.owner, `/rooms/${room}?thread=${thread}`),
    people.visit(anna.token, `/rooms/${room}?thread=${thread}`),
  ]);
  await mine.getByRole("textbox", { name: "Message to the room" }).waitFor();
  await mine.keyboard.press("c");
  await mine.keyboard.type("Good morning, @A");
  await mine.getByRole("option", { name: /A member/ }).waitFor();
  await mine.keyboard.press("Enter");
  await mine.keyboard.type("shall we?");
  await mine.keyboard.press("Enter");
  const message = hers.getByRole("list", { name: "Messages" }).getByRole("listitem").filter({ hasText: "shall we?" });
  await message.getByText("names you").waitFor();
  await hers.getByRole("textbox", { name: "Message to the room" }).fill("We shall.");
  await hers.getByRole("button", { name: "Send the message" }).click();
  await mine.getByRole("list", { name: "Messages" }).getByText("We shall.").waitFor();
  const order = await mine.getByRole("list", { name: "Messages" }).getByRole("listitem").allTextContents();
  expect(order.findIndex((text) => text.includes("shall we?"))).toBeLessThan(order.findIndex((text) => text.includes("We shall.")));
});

test("unread is counted by person and by thread, has a line above it, and is read only by being seen", async () => {
  const [plan, other] = [await newThread("The plan"), await newThread("Another matter")];
  await say(plan, "An old word", anna.token);
  const page = await people.visit(people.server.owner, `/rooms/${room}?thread=${plan}`);
  await page.getByRole("list", { name: "Messages" }).getByText("An old word").waitFor();
  await expect
    .poll(
      async () =>
        (await people.server.call("GET", `/v1/rooms/${room}/threads`, { token: people.server.owner })).body.items.find(
          ({ id }: { id: string }) => id === plan,
        ).unread_count,
    )
    .toBe(0);
  await page.goto(`${people.url}/rooms`);
  await say(plan, "A new word", anna.token);
  await say(other, "Elsewhere", anna.token);
  await page
    .getByRole("link", { name: /The room of the test/ })
    .getByText("2 new")
    .waitFor();
  await page.goto(`${people.url}/rooms/${room}?thread=${plan}`);
  await page.getByText("NEW SINCE YOU WERE HERE").waitFor();
  const threads = page.getByRole("navigation", { name: "Threads" });
  // Seeing one thread is not having seen the other.
  await threads.getByRole("link", { name: /^The plan\s*You|^The plan\s*A member/ }).waitFor();
  await threads.getByRole("link", { name: /^Another matter\s*1/ }).waitFor();
});

test("a message has an address of its own, and the words of a room are found across its threads", async () => {
  const thread = await newThread("Long");
  const wanted = await say(thread, "The needle is here");
  for (let i = 0; i < 12; i++) await say(thread, `Hay ${i}\n\n${"straw ".repeat(120)}`);
  const page = await people.visit(people.server.owner, `/rooms/${room}`);
  await page.keyboard.press("/");
  await page.keyboard.type("needle");
  const found = page.getByRole("region", { name: "What was found" });
  await found.getByRole("link", { name: /The needle is here/ }).click();
  expect(new URL(page.url()).searchParams.get("message")).toBe(wanted.id);
  const message = page.locator(`[data-message="${wanted.id}"]`);
  await message.waitFor();
  await expect.poll(async () => ((await message.boundingBox())?.y ?? -1) > 0 && (await message.boundingBox())!.y < 900).toBe(true);
  await page.goto(`${people.url}/rooms/${room}?q=nobodysaidthis`);
  await page.getByText("Nobody said that here").waitFor();
});

test("what a hostile member writes is text: no script runs, nothing is fetched, and the page is not widened", async () => {
  const thread = await newThread("Hostile");
  await say(
    thread,
    `<script>globalThis.pwned = 1</script><img src=x onerror="globalThis.pwned = 1"> [here](javascript:globalThis.pwned=1)\n\n${"w".repeat(5_000)}`,
  );
  const page = await people.visit(people.server.owner, `/rooms/${room}?thread=${thread}`, { viewport: { width: 390, height: 844 } });
  await page.getByRole("list", { name: "Messages" }).getByText("onerror").waitFor();
  expect(await page.evaluate(() => "pwned" in globalThis)).toBe(false);
  expect(await page.locator("#main img, #main a[href^='javascript']").count()).toBe(0);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
});

test("tasks of the room show how far they are, and a new one is put there in place", async () => {
  const page = await people.visit(people.server.owner, `/rooms/${room}`);
  const tasks = page.getByRole("region", { name: "Tasks" });
  await tasks.getByRole("button", { name: "New task" }).click();
  await page.getByLabel("What is it called?").fill("Sweep the floor");
  await page.getByRole("button", { name: "Create the task" }).click();
  await page.getByRole("heading", { level: 1, name: "Sweep the floor" }).waitFor();
  await page.goto(`${people.url}/rooms/${room}`);
  await tasks.getByRole("link", { name: /Sweep the floor\s*Queued/ }).waitFor();
  const { run } = await people.post<{ run: { id: string; claim_token: string; epoch: number } }>(people.server.owner, "/v1/runs/claim", {
    room_id: room,
  });
  await tasks.getByRole("link", { name: /Sweep the floor\s*Claimed/ }).waitFor();
  await people.post(people.server.owner, `/v1/runs/${run.id}/cancel`, {});
});

test("someone is let in with a role, changed, and let out again, whose page says so at once", async () => {
  const guest = await people.server.person("viewer");
  const page = await people.visit(people.server.owner, `/rooms/${room}`);
  await page.getByRole("button", { name: /^Members/ }).click();
  const dialog = page.getByRole("dialog", { name: "Members" });
  await dialog.getByRole("combobox", { name: "Add someone" }).click();
  await page.keyboard.type("A viewer");
  await page.keyboard.press("Enter");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await dialog.getByText("A viewer").waitFor();
  const hers = await people.visit(guest.token, `/rooms/${room}`);
  await hers.getByRole("heading", { level: 1, name: "The room of the test" }).waitFor();
  await dialog.getByRole("listitem").filter({ hasText: "A viewer" }).getByRole("button", { name: "Remove" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
  await dialog.getByRole("listitem").filter({ hasText: "A viewer" }).waitFor({ state: "detached" });
  await hers.getByRole("heading", { level: 1, name: "The room of the test" }).waitFor({ state: "detached" });
});

test("on a phone one goes from the threads into one and back, and no rule of accessibility is broken", async () => {
  const thread = await newThread("Pocket");
  await say(thread, "Small words");
  const page = await people.visit(people.server.owner, `/rooms/${room}`, { viewport: { width: 390, height: 844 } });
  await page.getByRole("link", { name: /^Pocket/ }).click();
  await page.getByRole("list", { name: "Messages" }).getByText("Small words").waitFor();
  expect(await violations(page)).toEqual([]);
  await page.getByRole("link", { name: "Threads and tasks" }).click();
  await page.getByRole("link", { name: /^Pocket/ }).waitFor();
  expect(await violations(page)).toEqual([]);
});
