/* "Needs you" as people use it: by key and by hand, one after the other, several at once, and against each other. */
import { newId } from "@signalbox/kernel/id";
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
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
  anna = await people.server.person("approver");
}, 120_000);
afterAll(async () => {
  await people?.close();
  await giveBack(browser);
});
beforeEach(async () => {
  room = (await people.post<{ id: string }>(people.server.owner, "/v1/rooms", { title: "Room" })).id;
  await people.post(people.server.owner, `/v1/rooms/${room}/members`, { principal_id: anna.id, role: "approver" });
});
afterEach(async () => {
  await people.leave();
  // Nothing of one test waits in the next.
  const { items } = (await people.server.call("GET", "/v1/attention?limit=200", { token: people.server.owner })).body;
  for (const { id, approval } of items as { id: string; approval: { id: string } | null }[]) {
    if (approval !== null) await people.post(people.server.owner, `/v1/approvals/${approval.id}/decide`, { decision: "deny" });
    else await people.post(people.server.owner, `/v1/attention/${encodeURIComponent(id)}/dismiss`, {});
  }
});

const ask = (title: string, of: object = {}) =>
  people.post<{ id: string }>(people.server.owner, "/v1/approvals", {
    action: "external.write",
    title,
    room_id: room,
    params: { to: "https://example.com/hook", title },
    request: { purpose: "To see it asked." },
    ...of,
  });
const statusOf = async (id: string): Promise<string> =>
  (await people.server.call("GET", `/v1/approvals/${id}`, { token: people.server.owner })).body.status;
const card = (page: Page, title: string) => page.getByRole("article", { name: `Approval: ${title}` });
const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent ?? "");

/** A run of a session that failed, as its events stand in the log. */
async function failedRun(): Promise<string> {
  const run = newId("run");
  const requested_by = "usr_owner";
  const { id: session } = await people.post<{ id: string }>(people.server.owner, "/v1/sessions", {
    source: { type: "scratch" },
    sandbox: "deferred",
    room_id: room,
    title: "My session",
  });
  await people.append(
    room,
    `run:${run}`,
    "run.created",
    { run_id: run, kind: "turn", title: "Fix the build", requested_by, max_attempts: 1, room_id: room, session_id: session },
    { runId: run, sessionId: session },
  );
  await people.append(
    room,
    `run:${run}`,
    "run.failed",
    { run_id: run, code: "x", message: "Out of memory." },
    { runId: run, sessionId: session },
  );
  return run;
}

test("one key after the other answers one thing after the other, and the focus goes on to the next", async () => {
  const asked = [await ask("First"), await ask("Second"), await ask("Third")];
  const page = await people.visit(people.server.owner, "/");
  await card(page, "Third").waitFor();
  await page.keyboard.press("j");
  expect(await focused(page)).toContain("Third");
  await page.keyboard.press("a");
  await card(page, "Third").waitFor({ state: "detached" });
  await expect.poll(() => focused(page)).toContain("Second");
  await page.keyboard.press("d");
  await card(page, "Second").waitFor({ state: "detached" });
  await expect.poll(() => focused(page)).toContain("First");
  // By the card's own button the focus goes on, too: there is nothing left, so it is nowhere.
  await card(page, "First").getByRole("button", { name: "Approve" }).click();
  await page.getByText("Nothing waits.").waitFor();
  expect(await Promise.all(asked.map(({ id }) => statusOf(id)))).toEqual(["approved", "denied", "approved"]);
});

test("what is typed after the palette's key is typed into the palette, also while that is still fetched: it decides nothing", async () => {
  const { id } = await ask("Not by accident");
  const page = await people.visit(people.server.owner, "/");
  await card(page, "Not by accident").waitFor();
  const asked: (() => Promise<void>)[] = [];
  await page.route(/command-palette/, (route) => void asked.push(() => route.continue()));
  await page.keyboard.press("Control+k");
  await expect.poll(() => asked.length).toBeGreaterThan(0);
  // As many deeds as letters: deny, approve, a new session.
  await page.keyboard.type("danx");
  await page.keyboard.press("Backspace");
  for (const go of asked) await go();
  const field = page.getByRole("combobox", { name: "Search and commands" });
  await expect.poll(() => field.inputValue()).toBe("dan");
  expect([await page.getByRole("dialog").count(), await statusOf(id)]).toEqual([1, "pending"]);
  // And when it has been there and gone, keys are what they are.
  await page.keyboard.press("Escape");
  await field.waitFor({ state: "detached" });
  await page.keyboard.press("d");
  await expect.poll(() => statusOf(id)).toBe("denied");
});

test("what arrives above does not move under the finger: the key answers what it answered before", async () => {
  const old = await ask("I was here first");
  const page = await people.visit(people.server.owner, "/");
  await card(page, "I was here first").waitFor();
  const young = await ask("I came later");
  await card(page, "I came later").waitFor();
  await page.keyboard.press("a");
  await card(page, "I was here first").waitFor({ state: "detached" });
  expect([await statusOf(old.id), await statusOf(young.id)]).toEqual(["approved", "pending"]);
});

test("what is asked is there at once, in the list, the badge and the title, and is announced once", async () => {
  const page = await people.visit(people.server.owner, "/");
  await page.getByText("Nothing waits.").waitFor();
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(globalThis, { said });
    new MutationObserver((all) => {
      for (const { target } of all) {
        const live = (target instanceof Element ? target : target.parentElement)?.closest("[aria-live]");
        if (live?.textContent != null && live.textContent !== "") said.push(live.textContent);
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  // Let the socket open, so that this measures the wake-up and not the connection.
  await expect
    .poll(async () => (await people.server.call("GET", "/v1/system", { token: people.server.owner })).body.connections.sync_sockets)
    .toBeGreaterThan(0);
  await page.waitForTimeout(300);
  const from = Date.now();
  await ask("Look here");
  await card(page, "Look here").waitFor();
  // The guard against a lost wake-up reads every 15 s: this was not it.
  expect(Date.now() - from).toBeLessThan(8_000);
  await expect.poll(() => page.title()).toBe("(1) Needs you · Signalbox");
  await page.waitForTimeout(1_500);
  const said = await page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
  expect(said.filter((text) => /waits/.test(text))).toEqual(["1 thing waits for you."]);
});

test("two people decide at once: one verdict holds, and the other is told whose it was", async () => {
  const asked = await ask("Decide me twice");
  const pages = await Promise.all([people.visit(people.server.owner, "/"), people.visit(anna.token, "/")]);
  await Promise.all(pages.map((page) => card(page, "Decide me twice").waitFor()));
  await Promise.all([pages[0].keyboard.press("a"), pages[1].keyboard.press("d")]);
  // As it was read: on a busy machine what is told may be gone again at the next look.
  let told: string[] = [];
  await expect
    .poll(async () => (told = (await Promise.all(pages.map((page) => page.getByText(/^Too late/).allTextContents()))).flat()))
    .toHaveLength(1);
  expect(told).toEqual([
    expect.stringMatching(
      (await statusOf(asked.id)) === "approved" ? /^Too late: Owner already approved it\.$/ : /^Too late: A approver already denied it\.$/,
    ),
  ]);
});

test("held by one it says so to the other, who may still decide", async () => {
  const asked = await ask("Hold on");
  const [mine, hers] = [await people.visit(people.server.owner, "/"), await people.visit(anna.token, "/")];
  await card(hers, "Hold on").waitFor();
  await hers.keyboard.press("h");
  await card(mine, "Hold on")
    .getByText(/held by A approver/)
    .waitFor();
  await card(hers, "Hold on")
    .getByText(/held by you/)
    .waitFor();
  await mine.keyboard.press("d");
  await card(hers, "Hold on").waitFor({ state: "detached" });
  expect(await statusOf(asked.id)).toBe("denied");
});

test("several are decided at once; what a person must look at alone stays, with the reason", async () => {
  const asked = [await ask("One"), await ask("Two"), await ask("Force it", { action: "git.push.force" })];
  const page = await people.visit(people.server.owner, "/");
  await card(page, "Force it").waitFor();
  for (const title of ["One", "Two", "Force it"]) await page.getByRole("checkbox", { name: `Pick ${title}` }).check();
  await page.getByRole("region", { name: "What was picked" }).getByRole("button", { name: "Approve 3" }).click();
  await page.getByText(/^2 approved\. 1 other not: /).waitFor();
  expect(await Promise.all(asked.map(({ id }) => statusOf(id)))).toEqual(["approved", "approved", "pending"]);
  expect(await card(page, "Force it").isVisible()).toBe(true);
});

test("a question is answered by the number of its option", async () => {
  const [run, session, question] = [newId("run"), newId("ses"), newId("qst")];
  const origin = { runId: run, sessionId: session };
  await people.append(
    room,
    `question:${question}`,
    "question.asked",
    {
      question_id: question,
      session_id: session,
      run_id: run,
      text: "Which one?",
      options: [{ label: "Red" }, { label: "Blue" }],
      multiple: false,
      free_text: false,
    },
    origin,
  );
  const page = await people.visit(people.server.owner, "/");
  await page.getByRole("article", { name: "Question: Which one?" }).waitFor();
  await page.keyboard.press("2");
  await page.getByRole("article", { name: "Question: Which one?" }).waitFor({ state: "detached" });
  const answered = (await people.server.call("GET", `/v1/questions?session_id=${session}`, { token: people.server.owner })).body.items[0];
  expect(answered).toMatchObject({ status: "answered", answer: { options: ["Blue"] } });
});

test("a failed run leads on, is dismissed by a key, and comes back by another", async () => {
  await failedRun();
  const page = await people.visit(people.server.owner, "/");
  const notice = page.getByRole("article", { name: "Failed run: Fix the build" });
  await notice.getByText("Out of memory.").waitFor();
  expect(await notice.getByRole("button", { name: "Try again" }).isVisible()).toBe(true);
  await page.keyboard.press("e");
  await notice.waitFor({ state: "detached" });
  await page.keyboard.press("z");
  await notice.waitFor();
  await notice.getByRole("button", { name: "Dismiss" }).click();
  await notice.waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Done" }).click();
  await page.getByRole("list", { name: "Done" }).getByRole("button", { name: "Put it back" }).first().click();
  await page.getByRole("link", { name: "Open", exact: true }).click();
  await notice.waitFor();
});

test("what was decided is kept with whose verdict it was; the kinds narrow the list by address", async () => {
  await failedRun();
  await ask("Keep me");
  const page = await people.visit(people.server.owner, "/");
  await page.getByRole("link", { name: /^Failed runs/ }).click();
  await page.getByRole("article", { name: "Failed run: Fix the build" }).waitFor();
  await card(page, "Keep me").waitFor({ state: "detached" });
  expect(new URL(page.url()).searchParams.get("kind")).toBe("run_failed");
  await page.goto(`${people.url}/?kind=approval`);
  await card(page, "Keep me").getByRole("button", { name: "Add a note" }).click();
  await page.getByLabel("Note for the agent and the record").fill("Not today");
  await card(page, "Keep me").getByRole("button", { name: "Deny" }).click();
  await page.getByText("No approval waits").waitFor();
  await page.getByRole("link", { name: "Done" }).click();
  await page.getByText(/Denied by you · Keep me · “Not today”/).waitFor();
});

test("why a person is asked is answered by the gate, in one step from the card", async () => {
  await ask("Explain me");
  const page = await people.visit(people.server.owner, "/");
  await card(page, "Explain me").getByRole("link", { name: "Why a person is asked" }).click();
  await page.getByRole("region", { name: "The gate's answer" }).getByText("Asks a person", { exact: true }).waitFor();
});

test("on a phone the answers of a long call stay in reach, and nothing is wider than the screen", async () => {
  await ask("A long call", { params: { script: Array.from({ length: 200 }, (_, i) => `line ${i} ${"word ".repeat(30)}`).join("\n") } });
  const page = await people.visit(people.server.owner, "/", { viewport: { width: 390, height: 844 }, hasTouch: true });
  const approve = card(page, "A long call").getByRole("button", { name: "Approve" });
  await approve.waitFor();
  const box = (await approve.boundingBox())!;
  expect(box.height).toBeGreaterThanOrEqual(44);
  expect(box.y + box.height).toBeLessThanOrEqual(844);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  expect(await violations(page)).toEqual([]);
});
