/*
 * The session view in a real browser, over the whole server in this process, so that histories of any length are
 * appended through its log by its own deciders. The main job, with a real agent, is in control-room.e2e.test.ts.
 */
import { databaseTest } from "@signalbox/testkit/database";
import { join } from "node:path";
import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { startComposed, type Composed } from "../../server/src/composed.fixture.ts";
import { addQueued, addTurn, beginSession, type Author, type LongSession } from "../../server/src/modules/sessions/long-session.fixture.ts";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack, STRANGER, type TabOptions } from "./browser.ts";
import { personAt, type Person } from "./person.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let c: Composed;
let browser: Browser;
let author: Author;
let url: string;
let person: Person;

// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
type Body = any;
const call = async (method: string, path: string, body?: unknown): Promise<Body> =>
  (await c.call(method, path, { token: c.owner, ...(body === undefined ? {} : { body }) })).body;

beforeAll(async () => {
  if (!existsSync(join(import.meta.dirname, "../dist/index.html")))
    throw new Error("the web app is not built: run `npm -w apps/web run build`");
  [c, browser] = await Promise.all([startComposed(database, { environment: { SIGNALBOX_DEMO: "1" } }), borrowBrowser()]);
  url = `http://127.0.0.1:${await c.server.listen()}`;
  author = { log: c.server.log, organizationId: "ws_dev", by: "usr_owner" };
  person = personAt({ url, token: c.owner }, browser);
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
  await c?.close();
}, 120_000);
afterEach(() => person.leave());

const visit = (path: string, options: TabOptions = {}): Promise<Page> => person.visit(path, options);
const show = (of: LongSession, search = "", options: TabOptions = {}): Promise<Page> =>
  visit(`/sessions/${of.sessionId}${search}`, options);
const conversationOf = (page: Page) => page.getByRole("region", { name: "Conversation" });
const settle = (condition: () => Promise<boolean>, what: string): Promise<void> =>
  expect.poll(condition, { timeout: 45_000, message: what }).toBe(true);
/** Turns of 20 calls each: two events a call and a few around them. */
async function longSession(turns: number, title: string): Promise<LongSession> {
  const of = await beginSession(author, { title });
  for (let i = 1; i <= turns; i++) await addTurn(author, of, { tools: 20, prompt: `Prompt number ${i}` });
  return of;
}

describe("a session of 10,000 events", () => {
  let of: LongSession;
  beforeAll(async () => {
    of = await longSession(210, "Ten thousand events");
    expect((await call("GET", `/v1/sessions/${of.sessionId}/conversation?order=newest&limit=1`)).last_seq).toBeGreaterThan(10_000);
  }, 120_000);

  test("opens at its end with only what is in sight on the page", async () => {
    const page = await show(of);
    await conversationOf(page).getByText("That was turn 210.").waitFor();
    expect(await conversationOf(page).getByRole("listitem").count()).toBeLessThan(80);
    expect(await page.getByRole("button", { name: "To the end" }).count()).toBe(0);
  });

  test("what one reads stays where it is while what was said before is put above it", async () => {
    const page = await show(of);
    const conversation = conversationOf(page);
    await conversation.getByText("That was turn 210.").waitFor();
    await conversation.hover();
    await page.mouse.wheel(0, -600);
    await page.getByRole("button", { name: "To the end" }).waitFor();
    const first = (): Promise<{ key: string; top: number }> =>
      conversation.evaluate((region) => {
        const top = region.getBoundingClientRect().top;
        const row = [...region.querySelectorAll<HTMLElement>("li[data-key]")]
          .filter((each) => each.getBoundingClientRect().top >= top)
          .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0]!;
        return { key: row.dataset["key"]!, top: row.getBoundingClientRect().top };
      });
    // Far enough up that older windows are read, several times.
    let windows = 0;
    page.on("response", (response) => (windows += response.url().includes("before_seq") ? 1 : 0));
    for (let i = 0; i < 25; i++) await page.mouse.wheel(0, -1_500);
    await settle(async () => windows >= 2, "older windows are read");
    // Where it comes to rest it stays, also when another window is put above it.
    const atRest = async (): Promise<{ key: string; top: number }> => {
      let before = await first();
      await expect
        .poll(async () => {
          const [last, now] = [before, await first()];
          before = now;
          return now.key === last.key && now.top === last.top;
        })
        .toBe(true);
      return before;
    };
    await atRest();
    const read = windows;
    await page.mouse.wheel(0, -10);
    // A wheel is answered before the page has moved.
    const before = await atRest();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const after = await first();
    expect(read).toBeGreaterThanOrEqual(2);
    expect(after.key).toBe(before.key);
    expect(Math.abs(after.top - before.top)).toBeLessThan(2);
    expect(await conversation.getByRole("listitem").count()).toBeLessThan(80);
    await page.keyboard.press("Shift+G");
    await conversation.getByText("That was turn 210.").waitFor();
  });

  test("what is said while one reads above is counted, and one press leads there", async () => {
    const page = await show(of);
    const conversation = conversationOf(page);
    await conversation.getByText("That was turn 210.").waitFor();
    await conversation.hover();
    for (let i = 0; i < 3; i++) await page.mouse.wheel(0, -800);
    await page.getByRole("button", { name: "To the end" }).waitFor();
    await addTurn(author, of, { tools: 1, prompt: "And one more" });
    await page.getByRole("button", { name: /new items?$/ }).click();
    await conversation.getByText("That was turn 211.").waitFor();
    expect(await page.getByRole("button", { name: /new items?$/ }).count()).toBe(0);
  });

  test("a link to a call far back opens it, and marks where it is", async () => {
    const { items } = await call("GET", `/v1/sessions/${of.sessionId}/conversation?around_seq=9000&limit=40`);
    const target = items.find(({ type }: Body) => type === "tool_call");
    const page = await show(of, `?call=${target.id}`);
    await conversationOf(page).getByText("Inside the sandbox: recorded, and nothing had to be asked.").waitFor();
    expect(await page.getByRole("button", { name: "To the end" }).isVisible()).toBe(true);
  });

  test("at a moment of the past it shows what had been said by then, and nothing can be said", async () => {
    const { items } = await call("GET", `/v1/sessions/${of.sessionId}/conversation?around_seq=500&limit=200`);
    const end = items.find(({ type }: Body) => type === "run_ended");
    const page = await show(of, `?at=${end.seq}`);
    await page.getByText(/^The session as it was/).waitFor();
    await conversationOf(page).getByText("Turn complete").last().waitFor();
    await expect.poll(() => conversationOf(page).getByText("That was turn 210.").count()).toBe(0);
    expect(await page.getByLabel("Message to the agent").count()).toBe(0);
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.getByLabel("Message to the agent").waitFor();
    await expect.poll(() => new URL(page.url()).searchParams.has("at")).toBe(false);
  });
});

describe("the conversation", () => {
  test("is walked, opened and searched by the keyboard", async () => {
    const of = await beginSession(author, { title: "By keyboard" });
    await addTurn(author, of, { tools: 3, prompt: "Walk through me" });
    const page = await show(of);
    const conversation = conversationOf(page);
    await conversation.getByText("Turn complete").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("o");
    await conversation.getByText("npm test -- 0").nth(1).waitFor();
    await page.keyboard.press("o");
    await page.keyboard.press("/");
    await page.getByRole("searchbox", { name: "Find in the conversation" }).fill("-- 2");
    await page.getByText("1 found").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("1 of 1").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("searchbox", { name: "Find in the conversation" }).waitFor({ state: "detached" });
  });

  test("says how a turn ended, after how long and for how much", async () => {
    const of = await beginSession(author, { title: "Ends" });
    await addTurn(author, of, { tools: 1, end: "failed" });
    const page = await show(of);
    await conversationOf(page).getByText("Turn failed").waitFor();
    expect(await conversationOf(page).getByText("It was lost.").isVisible()).toBe(true);
  });

  test("hostile markdown, names and output are words", async () => {
    const of = await beginSession(author, { title: "<img src=x onerror=alert(1)>" });
    await addTurn(author, of, {
      tools: 1,
      prompt:
        '<script>window.owned = 1</script> <img src=x onerror="window.owned = 1"> [press](javascript:window.owned=1) ![i](https://example.com/i.png)',
    });
    const page = await show(of);
    await conversationOf(page).getByText("Turn complete").waitFor();
    expect(await page.evaluate(() => "owned" in window)).toBe(false);
    expect(await conversationOf(page).locator("img[src^=http], script, [href^=javascript]").count()).toBe(0);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toContain("<img src=x");
  });

  test("a message of a million characters shows its beginning and gives the rest on request", async () => {
    const of = await beginSession(author, { title: "One long line" });
    await addTurn(author, of, { tools: 0, prompt: "x".repeat(1_000_000) });
    const page = await show(of);
    await conversationOf(page).getByText("The first 40,000 of 1,000,000 characters.").waitFor();
    await page.getByRole("button", { name: "Show more" }).click();
    await conversationOf(page).getByText("The first 440,000 of 1,000,000 characters.").waitFor();
  });
});

describe("what is written to the agent", () => {
  test("survives a reload, comes back with the arrow, and folds long pastes", async () => {
    const of = await beginSession(author, { title: "Written" });
    await addTurn(author, of, { tools: 0, prompt: "What I said before" });
    const page = await show(of);
    const field = page.getByLabel("Message to the agent");
    await conversationOf(page).getByText("What I said before").waitFor();
    await field.press("ArrowUp");
    expect(await field.inputValue()).toBe("What I said before");
    await field.press("ArrowDown");
    expect(await field.inputValue()).toBe("");
    await field.fill("Half a thought");
    await page.reload();
    await expect.poll(() => field.inputValue()).toBe("Half a thought");
    await field.evaluate((element) => {
      const data = new DataTransfer();
      data.setData("text/plain", "line\n".repeat(200));
      element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await page.getByText("Pasted text · 201 lines, 1,000 characters").waitFor();
    expect(await field.inputValue()).toBe("Half a thought");
    await field.press("End");
    await field.press("Shift+Enter");
    expect(await field.inputValue()).toBe("Half a thought\n");
  });

  test("waits in a queue that can be changed, reordered and taken back", async () => {
    const of = await beginSession(author, { title: "Queued" });
    await addTurn(author, of, { tools: 1, prompt: "Under way", end: "none" });
    for (const text of ["first waits", "second waits", "third waits"]) await addQueued(author, of, text);
    const page = await show(of);
    const queue = page.getByRole("region", { name: "Queue" });
    const texts = (): Promise<string[]> => queue.getByRole("listitem").locator("p > span:first-child").allTextContents();
    await expect.poll(texts).toEqual(["first waits", "second waits", "third waits"]);
    expect(await conversationOf(page).getByText("first waits").count()).toBe(0);
    await queue.getByRole("button", { name: "Run it earlier" }).nth(2).click();
    await expect.poll(texts).toEqual(["first waits", "third waits", "second waits"]);
    await queue.getByRole("button", { name: "Change it" }).first().click();
    await queue.getByLabel("Text of the queued message").fill("first, but better");
    await queue.getByRole("button", { name: "Save" }).click();
    await expect.poll(texts).toEqual(["first, but better", "third waits", "second waits"]);
    await queue.getByRole("button", { name: "Take it out of the queue" }).nth(1).click();
    await expect.poll(texts).toEqual(["first, but better", "second waits"]);
    const [put] = await Promise.all([
      page.waitForResponse(
        (response) => response.request().method() === "POST" && response.url().endsWith(`/v1/sessions/${of.sessionId}/messages`),
      ),
      page.getByRole("button", { name: "Undo" }).click(),
    ]);
    expect(put.ok()).toBe(true);
    // In the queue, or already at work: putting it back wakes whoever works the queue off.
    await page.getByText("third waits").first().waitFor();
  });
});

describe("around the conversation", () => {
  test("the model and the limit are changed in the header, and a limit below what is spent is refused", async () => {
    const of = await beginSession(author, { title: "Levers", budget: 1_000_000 });
    await addTurn(author, of, { tools: 1 });
    const page = await show(of);
    await page.getByRole("button", { name: "Where the money went, and the limit" }).click();
    await page.getByLabel("Limit in dollars").fill("0.0001");
    await page.getByRole("button", { name: "Set" }).click();
    await page.getByText("More than that is spent already.").waitFor();
    await page.getByLabel("Limit in dollars").fill("3");
    await page.getByRole("button", { name: "Set" }).click();
    await expect.poll(() => page.getByRole("meter", { name: "Cost against budget" }).getAttribute("aria-valuetext")).toMatch(/of \$3\.00$/);
    await page.getByRole("button", { name: /^Model: / }).click();
    await page.getByRole("menuitemcheckbox").first().click();
    await page.getByText(/next (turn|one) runs on/).waitFor();
  });

  test("somebody else who looks is seen", async () => {
    const of = await beginSession(author, { title: "Seen" });
    await addTurn(author, of, { tools: 0 });
    const page = await show(of);
    const other = await c.person("admin");
    await conversationOf(page).getByText("Turn complete").waitFor();
    expect(await page.getByText(/^Also here/).count()).toBe(0);
    const token = await c.call("POST", "/v1/sync/token", { token: other.token, body: {} });
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/sync?token=${encodeURIComponent(token.body.token)}`);
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
    socket.send(JSON.stringify({ type: "subscribe", topics: [`session:${of.sessionId}`] }));
    await page.getByText("Also here: A admin").waitFor({ state: "attached" });
    socket.close();
    await page.getByText("Also here: A admin").waitFor({ state: "detached" });
  });

  test("a session that is deleted while it is open says so, and leads back", async () => {
    const of = await beginSession(author, { title: "Short-lived" });
    await addTurn(author, of, { tools: 0 });
    const page = await show(of);
    await conversationOf(page).getByText("Turn complete").waitFor();
    await call("POST", `/v1/sessions/${of.sessionId}/stop`, {});
    await call("DELETE", `/v1/sessions/${of.sessionId}`);
    await page.getByRole("heading", { name: "This session was deleted" }).waitFor();
    await page.getByRole("link", { name: "All sessions" }).click();
    await page.getByRole("heading", { name: "Sessions", exact: true }).waitFor();
  });

  test("a session with changes is only deleted by writing its name", async () => {
    const of = await beginSession(author, { title: "Has changes" });
    await addTurn(author, of, { tools: 1 });
    await call("POST", `/v1/sessions/${of.sessionId}/stop`, {});
    const page = await show(of);
    await page.getByRole("button", { name: "More about this session" }).click();
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Delete the session" }).click();
    expect(await page.getByRole("alertdialog").isVisible()).toBe(true);
    await page.getByLabel(/write its name/).fill("Has changes");
    await page.getByRole("button", { name: "Delete the session" }).click();
    await page.getByText("Deleted “Has changes”").waitFor();
  });
});

describe("a shared link", () => {
  test("is read along without an account, live, and is polite when it was taken back", async () => {
    const of = await beginSession(author, { title: "Shown around" });
    await addTurn(author, of, { tools: 2, prompt: "Look at this" });
    const page = await show(of);
    await page.getByRole("button", { name: "Share this session" }).click();
    await page.getByRole("button", { name: "Make a link" }).click();
    const link = await page.getByLabel("The link, shown this once").inputValue();
    const guest = await visit(new URL(link).pathname, { storageState: STRANGER });
    const conversation = conversationOf(guest);
    await conversation.getByText("Look at this").waitFor();
    await conversation.getByText("Turn complete").waitFor();
    expect(await guest.getByLabel("Message to the agent").count()).toBe(0);
    await conversation.getByRole("button", { name: /npm test -- 0/ }).click();
    await conversation.getByText("Output", { exact: true }).waitFor();
    await addTurn(author, of, { tools: 1, prompt: "And now this" });
    await conversation.getByText("And now this").waitFor();
    expect(await violations(guest)).toEqual([]);
    await page.getByRole("button", { name: /^Revoke the link/ }).click();
    await page.getByText("The link no longer opens anything").waitFor();
    await guest.getByRole("heading", { name: "This link was taken back" }).waitFor({ timeout: 30_000 });
  });

  test("that is cut short opens nothing, and says so", async () => {
    const guest = await visit("/shared/shs_nothing", { storageState: STRANGER });
    await guest.getByRole("heading", { name: "This link opens nothing" }).waitFor();
  });
});

test.each<[string, TabOptions]>([
  ["a wide screen", {}],
  ["a phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
])("on %s nothing breaks WCAG 2.2 AA, and nothing is wider than the screen", async (_, options) => {
  const of = await beginSession(author, { title: "To be judged" });
  await addTurn(author, of, { tools: 2 });
  await addTurn(author, of, { tools: 1, end: "none" });
  await addQueued(author, of, "waits");
  const page = await show(of, "", options);
  await conversationOf(page).getByText("That was turn 2.").waitFor();
  await page.getByRole("region", { name: "Queue" }).waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(options.viewport?.width ?? 1440);
  expect(await violations(page)).toEqual([]);
});
