/* The web app in a real browser on the real server: every page, by mouse and by key, and the main job from link to proof. */
import { createClient } from "@signalbox/client/client";
import { decideApproval, getApproval, requestApproval } from "@signalbox/contract/approvals";
import { createLoginCode } from "@signalbox/contract/identity";
import { createSession, stopSession } from "@signalbox/contract/sessions";
import { createSample } from "@signalbox/contract/system";
import { databaseTest } from "@signalbox/testkit/database";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { borrowBrowser, giveBack, type SignedIn, STRANGER, type TabOptions, type Tabs, tabsOf } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let client: ReturnType<typeof createClient>;
/** Without the state of who came in: the first of them comes in by the link below. */
let tabs: Tabs;
let signedIn: SignedIn | undefined;

beforeAll(async () => {
  if (!existsSync(join(import.meta.dirname, "../dist/index.html")))
    throw new Error("the web app is not built: run `npm -w apps/web run build`");
  [server, browser] = await Promise.all([startServer({ database }), borrowBrowser()]);
  client = createClient({ baseUrl: server.url, token: server.token });
  tabs = tabsOf(browser, server.url);
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
  await server?.stop();
});
afterEach(async () => {
  await tabs.leave();
  // A refusal that a test provokes is logged by the browser as a failed load; everything else is a fault of ours.
  expect(tabs.complaints().filter((text) => !/status of (401|403|404|409|422)/.test(text))).toEqual([]);
});

async function visit(path: string, options: TabOptions = {}): Promise<Page> {
  const page = await tabs.open({ ...(signedIn === undefined ? {} : { storageState: signedIn }), ...options });
  await page.goto(server.url + path);
  return page;
}
const loginLink = async (): Promise<string> => {
  const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
  return pathname + search;
};
const ask = (title: string) =>
  client.call(requestApproval, {
    body: {
      action: "external.write",
      title,
      params: { to: "https://example.com/hook", body: { title } },
      request: { purpose: "To see it asked.", risks: ["None."] },
    },
  });
/** The machine may be busy with other tests. */
const eventually = <T>(read: () => Promise<T>, what?: string) =>
  expect.poll(read, { timeout: 45_000, ...(what === undefined ? {} : { message: what }) });
const settle = (condition: () => Promise<boolean>, what: string): Promise<void> => eventually(condition, what).toBe(true);

describe("the door", () => {
  test("someone who is not signed in is told which command prints a link", async () => {
    const page = await visit("/sessions");
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
    expect(await page.getByText("npm start", { exact: true }).isVisible()).toBe(true);
  });

  test("a login link opens once; used again it says so, and what to do", async () => {
    const link = await loginLink();
    const page = await visit(link);
    // Of a box without a session: to the first run, the first time.
    await page.getByRole("heading", { name: "Welcome" }).waitFor();
    expect(new URL(page.url()).search).toBe("");
    signedIn = await page.context().storageState();
    // In the browser where it was used it still leads in: that person is in already.
    await (await visit(link)).getByRole("heading", { name: "Needs you" }).waitFor();
    const again = await visit(link, { storageState: STRANGER });
    await again.getByRole("heading", { name: "This link does not open the door any more" }).waitFor();
    expect(await again.getByText("signalbox up", { exact: true }).isVisible()).toBe(true);
  });
});

describe("needs you", () => {
  test("an empty box leads to the first session", async () => {
    const page = await visit("/");
    await page.getByRole("button", { name: "Start the first session" }).click();
    await page.getByRole("dialog", { name: "New session" }).waitFor();
    expect(await page.getByLabel("Model", { exact: true }).locator("option").first().textContent()).toMatch(/scripted/i);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });

  test("a repository that is not there is refused beside its field, and nothing is created", async () => {
    const page = await visit("/sessions?new=true");
    await page.getByRole("textbox", { name: "Repository" }).fill("/nowhere/at/all");
    await page.getByLabel("Task").fill("Anything.");
    await page.keyboard.press("Control+Enter");
    await eventually(() => page.getByRole("alert").first().textContent()).toMatch(/nowhere|repository|not/i);
    expect(await page.getByRole("textbox", { name: "Repository" }).getAttribute("aria-invalid")).toBe("true");
  });

  test("what is asked shows up by itself, with its call, in the count and in the title, and one key decides it", async () => {
    const page = await visit("/");
    await page.getByRole("heading", { name: "Needs you" }).waitFor();
    const first = await ask("Call the first hook");
    await page.getByRole("article", { name: "Approval: Call the first hook" }).waitFor();
    await ask("Call the second hook");
    await page.getByRole("article", { name: "Approval: Call the second hook" }).waitFor();
    await eventually(() => page.title()).toBe("(2) Needs you · Signalbox");
    expect(await page.getByText(first.call_hash).isVisible()).toBe(true);
    await page.keyboard.press("a");
    await page.getByRole("article", { name: "Approval: Call the first hook" }).waitFor({ state: "detached" });
    await page.getByText("Add a note").click();
    await page.getByLabel("Note for the agent and the record").fill("Not today");
    await page.getByRole("button", { name: "Deny" }).click();
    await eventually(() => page.title()).toBe("Needs you · Signalbox");
    await page.getByRole("link", { name: "Done" }).click();
    const decided = page.getByRole("list", { name: "Done" });
    await decided.getByText("Call the first hook").first().waitFor();
    expect(await decided.getByText(/Denied by you · Call the second hook · “Not today”/).isVisible()).toBe(true);
  });

  test("two people decide at once: one verdict holds, and the other person is told which", async () => {
    const asked = await ask("Decide me twice");
    const pages = await Promise.all([visit("/"), visit("/")]);
    await Promise.all(pages.map((page) => page.getByRole("article", { name: "Approval: Decide me twice" }).waitFor()));
    await Promise.all([pages[0].keyboard.press("a"), pages[1].keyboard.press("d")]);
    await settle(async () => {
      const told = await Promise.all(pages.map((page) => page.getByText(/^Too late: You already (approved|denied) it\.$/).count()));
      return told.reduce((sum, count) => sum + count) === 1;
    }, "exactly one of the two is told that it was too late");
    const { status } = await client.call(getApproval, { params: { id: asked.id } });
    expect(status).toMatch(/^(approved|denied)$/);
  });

  test("what someone else decided leaves the list without a reload", async () => {
    const asked = await ask("Decided elsewhere");
    const page = await visit("/");
    await page.getByRole("article", { name: "Approval: Decided elsewhere" }).waitFor();
    await client.call(decideApproval, { params: { id: asked.id }, body: { decision: "deny" } });
    await page.getByRole("article", { name: "Approval: Decided elsewhere" }).waitFor({ state: "detached", timeout: 20_000 });
  });
});

describe("the main job", () => {
  test("link, task, stream, push asked, approved in place, done, proved", { timeout: 300_000 }, async () => {
    const page = await visit("/sessions?new=sample");
    // The sample fills in where and what; the model says what it is.
    await eventually(() => page.getByRole("textbox", { name: "Repository" }).inputValue()).toContain("sample");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForURL(/\/sessions\/ses_/);
    const conversation = page.getByRole("region", { name: "Conversation" });
    await conversation.getByText("The tests of this project fail.").waitFor();
    // Words are on screen while they are still being said.
    await page.waitForFunction(() => document.querySelector(".arriving") !== null, undefined, { timeout: 120_000, polling: "raf" });

    await conversation
      .getByRole("button", { name: /npm test/ })
      .first()
      .waitFor({ timeout: 120_000 });
    // In the middle of it: everything said so far is there again after a reload.
    const before = await conversation.getByRole("listitem").count();
    await page.reload();
    await conversation
      .getByRole("button", { name: /npm test/ })
      .first()
      .waitFor();
    await settle(async () => (await conversation.getByRole("listitem").count()) >= before, "nothing is missing after the reload");

    const card = page.getByRole("article", { name: /^Approval: Push/ });
    await card.waitFor({ timeout: 120_000 });
    expect(await card.getByText("git.push").isVisible()).toBe(true);
    await eventually(() => page.getByRole("meter", { name: "Cost against budget" }).getAttribute("aria-valuetext")).toMatch(
      /^\$0\.0\d+ of \$2\.00$/,
    );
    await page.getByRole("region", { name: "Changes in src/invoice.js" }).getByText("return before - discount;").waitFor();
    await expect.poll(() => page.title(), { timeout: 10_000 }).toMatch(/^\(1\) /);

    await page.keyboard.press("a");
    await conversation.getByText(/^Approved/).waitFor({ timeout: 30_000 });
    await conversation.getByText("Turn complete").waitFor({ timeout: 120_000 });

    const call = conversation.getByRole("button", { name: /npm test/ }).first();
    await call.click();
    await conversation.getByText("Output", { exact: true }).first().waitFor();

    await page.getByRole("link", { name: "Events" }).click();
    await page.getByRole("button", { name: /approval\.approved/ }).waitFor();
    await page.getByRole("button", { name: /approval\.approved/ }).click();
    expect(
      await page
        .getByRole("group", { name: /^Event \d+$/ })
        .getByText("approval.approved")
        .first()
        .isVisible(),
    ).toBe(true);
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await page.getByText(/^Whole: \d+ events recomputed\./).waitFor();

    // The whole register, by the keyboard.
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await page.getByText(/^Whole: \d+ events recomputed, in \d+ chains\./).waitFor();
    await page.getByRole("radio", { name: "Money" }).click();
    await page
      .getByRole("button", { name: /ledger\.settled/ })
      .first()
      .waitFor();
  });
});

test("a message sent while the agent works waits its turn; the turn is canceled, and the next begins", { timeout: 300_000 }, async () => {
  const sample = await client.call(createSample, { body: {} });
  const session = await client.call(createSession, {
    body: { source: { type: "repository", url: sample.repository_url }, title: "Interrupted", prompt: sample.prompt },
  });
  const page = await visit(`/sessions/${session.id}`);
  const conversation = page.getByRole("region", { name: "Conversation" });
  // An agent needs seconds to start, on a busy machine many.
  await page.getByRole("button", { name: "Cancel turn" }).waitFor({ timeout: 180_000 });
  await page.getByLabel("Message to the agent").fill("And then **this**.");
  await page.keyboard.press("Enter");
  const queue = page.getByRole("region", { name: "Queue" });
  await queue.getByText("And then").waitFor();
  expect(await page.getByLabel("Message to the agent").inputValue()).toBe("");
  await page.getByRole("button", { name: "Cancel turn" }).click();
  await conversation.getByText("Turn canceled").waitFor({ timeout: 60_000 });
  await queue.waitFor({ state: "detached", timeout: 60_000 });
  await conversation.getByText("And then this.").waitFor({ timeout: 60_000 });
  await client.call(stopSession, { params: { id: session.id }, body: {} });
  await page.getByRole("button", { name: "Resume" }).waitFor({ timeout: 30_000 });
});

describe("sessions", () => {
  test("the list finds by title and is walked by key", async () => {
    for (const title of ["Alpha with birch", "Beta with birch", "Gamma with oak"]) {
      await client.call(createSession, { body: { source: { type: "scratch" }, title, sandbox: "deferred" } });
    }
    const page = await visit("/sessions");
    await page
      .getByRole("link", { name: /Gamma with oak/ })
      .first()
      .waitFor();
    await page.getByLabel("Search sessions").fill("birch");
    const list = page.getByRole("list", { name: "Sessions" });
    await settle(async () => (await list.getByRole("listitem").count()) === 2, "only what matches is listed");
    await page.getByLabel("Search sessions").blur();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Alpha with birch" }).waitFor();
  });

  test("a session is renamed, and stopped only after a second yes", async () => {
    const session = await client.call(createSession, { body: { source: { type: "scratch" }, title: "Misnamed", sandbox: "deferred" } });
    const page = await visit(`/sessions/${session.id}`);
    await page.getByRole("button", { name: "Rename the session" }).click();
    await page.getByLabel("Title of the session").fill("Well named");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Well named" }).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Stop the session" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
  });

  test("an address that leads nowhere says so", async () => {
    for (const path of ["/sessions/ses_00000000000000000000000000", "/sessions/nonsense", "/nowhere"]) {
      const page = await visit(path);
      await page.getByRole("heading", { name: "There is nothing at this address" }).waitFor();
    }
  });
});

describe("settings", () => {
  test("the kill switch asks before it stops everything, and every page says that it is on", async () => {
    const page = await visit("/settings");
    await page.getByRole("button", { name: "Stop everything" }).click();
    await page.getByLabel("Why").fill("A drill");
    await page.getByRole("dialog").getByRole("button", { name: "Stop everything" }).click();
    await page.getByText(/The kill switch is on: nothing leaves the box \(A drill\)/).waitFor();
    await page.getByRole("button", { name: "Let it go on" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Let it go on" }).click();
    await page
      .getByText(/The kill switch is on/)
      .first()
      .waitFor({ state: "detached" });
  });

  test("a chosen theme holds after a reload, and the help lists the keys", async () => {
    const page = await visit("/settings/appearance");
    await page.getByText("Dark", { exact: true }).click();
    await page.reload();
    await page.getByRole("heading", { name: "Appearance" }).waitFor();
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).getByText("New session").waitFor();
  });
});

test("on a phone nothing is wider than the screen, and every place is under a thumb", async () => {
  await ask("Fits on a phone");
  const page = await visit("/", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await page.getByRole("article", { name: "Approval: Fits on a phone" }).waitFor();
  for (const place of ["Sessions", "Rooms", "Runs", "Needs you"]) {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: place }).tap();
    await page.getByRole("heading", { name: place, exact: true }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  }
  await page.getByRole("navigation", { name: "Main" }).getByRole("button", { name: "New" }).tap();
  await page.getByRole("dialog", { name: "New session" }).waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
});

test.each(["/", "/sessions", "/sessions?new=true", "/timeline", "/settings"])(
  "everything that can be pressed or filled on %s has a name",
  async (path) => {
    const page = await visit(path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle").catch(() => undefined); // The live connection may keep it busy for ever.
    const { nodes } = await (await page.context().newCDPSession(page)).send("Accessibility.getFullAXTree");
    const controls = nodes.filter(
      (node) =>
        !node.ignored &&
        /^(button|link|textbox|searchbox|combobox|checkbox|radio|dialog|navigation|region)$/.test(String(node.role?.value)),
    );
    expect(controls.length).toBeGreaterThan(5);
    expect(controls.filter((node) => String(node.name?.value ?? "").trim() === "").map((node) => node.role?.value)).toEqual([]);
  },
);
