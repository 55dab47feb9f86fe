/* The list of sessions: what it shows, narrows, and lets one do, by mouse and by key. */
import { createClient } from "@signalbox/client/client";
import { createSession, getSession, stopSession, type SessionView } from "@signalbox/contract/sessions";
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { borrowBrowser, giveBack } from "./browser.ts";
import { personAt, type Person } from "./person.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let person: Person;
let client: ReturnType<typeof createClient>;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer({ database }), borrowBrowser()]);
  client = createClient({ baseUrl: server.url, token: server.token });
  person = personAt(server, browser);
}, 120_000);
afterEach(() => person.leave());
afterAll(async () => {
  await giveBack(browser);
  await server?.stop();
});

const make = (title: string): Promise<SessionView> =>
  client.call(createSession, { body: { source: { type: "scratch" }, title, sandbox: "deferred" } });
const stopped = async (title: string): Promise<SessionView> => {
  const { id } = await make(title);
  return client.call(stopSession, { params: { id }, body: {} });
};
const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 45_000 });

test("filters and the order are in the address, and an empty answer says what is missing", async () => {
  await stopped("Filter ended");
  await make("Filter open");
  const page = await person.visit("/sessions?q=Filter");
  const list = page.getByRole("list", { name: "Sessions" });
  await eventually(() => list.getByRole("listitem").count()).toBe(2);
  await page.getByRole("button", { name: "Ended", exact: true }).click();
  await eventually(() => list.getByRole("listitem").count()).toBe(1);
  await list.getByRole("link", { name: "Filter ended" }).waitFor();
  await page.getByLabel("Order").selectOption("cost");
  await page.getByRole("button", { name: "Mine" }).click();
  await eventually(async () => new URL(page.url()).search).toMatch(/status=ended/);
  expect(new URL(page.url()).search).toMatch(/sort=cost/);
  expect(new URL(page.url()).search).toMatch(/by=me/);
  await page.reload();
  await list.getByRole("link", { name: "Filter ended" }).waitFor();
  await page.getByRole("button", { name: "Ended", exact: true }).click();
  await page.getByRole("button", { name: "Failed", exact: true }).click();
  await page.getByRole("heading", { name: "No session matches “Filter”" }).waitFor();
  await page.getByRole("button", { name: "Show all sessions" }).click();
  await list.getByRole("link", { name: "Filter open" }).waitFor();
});

test("a session is renamed from its row, and the name taken back", async () => {
  const { id } = await make("Row name");
  const page = await person.visit("/sessions?q=Row");
  await page.getByRole("button", { name: "More about Row name" }).click();
  await page.getByRole("menuitem", { name: "Rename…" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Row renamed");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Row renamed", exact: true }).waitFor();
  await eventually(async () => (await client.call(getSession, { params: { id } })).title).toBe("Row renamed");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("link", { name: "Row name", exact: true }).waitFor();
  await eventually(async () => (await client.call(getSession, { params: { id } })).title).toBe("Row name");
});

test("an archived session is gone at once, back by one press, and out of the archive by another", async () => {
  const { id } = await stopped("To the archive");
  const page = await person.visit("/sessions?q=archive");
  const row = page.getByRole("link", { name: "To the archive", exact: true });
  await row.waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("e");
  await row.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await row.waitFor();
  await eventually(async () => (await client.call(getSession, { params: { id } })).archived).toBe(false);
  await row.focus();
  await page.keyboard.press("e");
  await row.waitFor({ state: "detached" });
  await eventually(async () => (await client.call(getSession, { params: { id } })).archived).toBe(true);
  await page.getByRole("button", { name: "Archived", exact: true }).click();
  await row.waitFor();
  await page.getByRole("button", { name: "More about To the archive" }).click();
  await page.getByRole("menuitem", { name: "Bring back" }).click();
  await row.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Archived", exact: true }).click();
  await row.waitFor();
  expect((await client.call(getSession, { params: { id } })).archived).toBe(false);
});

test("several are picked and stopped after a second yes; what has ended is left alone", async () => {
  const [one, two] = [await make("Pick one"), await make("Pick two")];
  await stopped("Pick ended");
  const page = await person.visit("/sessions?q=Pick");
  for (const title of ["Pick one", "Pick two", "Pick ended"]) await page.getByRole("checkbox", { name: `Pick ${title}` }).click();
  const bar = page.getByRole("region", { name: "What was picked" });
  await bar.getByText("3 picked").waitFor();
  await bar.getByRole("button", { name: "Stop 2" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Stop 2 sessions" }).click();
  await bar.waitFor({ state: "detached" });
  for (const { id } of [one, two]) expect((await client.call(getSession, { params: { id } })).status).toBe("stopped");
});

test("a peek shows a session beside the list, has an address, and Escape closes it", async () => {
  const { id } = await make("Peeked at");
  const page = await person.visit("/sessions?q=Peeked");
  await page.getByRole("link", { name: "Peeked at", exact: true }).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("p");
  const drawer = page.getByRole("dialog", { name: "Peeked at" });
  await drawer.getByText("Nothing was said yet.").waitFor();
  expect(new URL(page.url()).searchParams.get("peek")).toBe(id);
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  expect(new URL(page.url()).searchParams.get("peek")).toBeNull();
});

test("however many there are, a few rows are in the page, and the last is reached by scrolling", async () => {
  for (let i = 0; i < 230; i += 10) await Promise.all(Array.from({ length: 10 }, (_, n) => make(`Many ${String(i + n).padStart(3, "0")}`)));
  const page = await person.visit("/sessions?q=Many");
  const list = page.getByRole("list", { name: "Sessions" });
  await list.getByRole("listitem").first().waitFor();
  await eventually(async () => {
    await page.evaluate(() => document.getElementById("main")!.scrollBy(0, 100_000));
    return list.getByRole("listitem").last().getAttribute("aria-posinset");
  }).toBe("230");
  expect(await list.getByRole("listitem").count()).toBeLessThan(60);
});
