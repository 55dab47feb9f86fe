/*
 * Time travel in a real browser, over the whole server in this process: the imported sample, a session in a
 * sandbox that waits for a person, and one of 10,000 events appended through the log.
 */
import { databaseTest } from "@signalbox/testkit/database";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { startComposed, type Composed } from "../../server/src/composed.fixture.ts";
import { addTurn, beginSession, type Author, type LongSession } from "../../server/src/modules/sessions/long-session.fixture.ts";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack, STRANGER, type TabOptions } from "./browser.ts";
import { personAt, type Person } from "./person.ts";
import { startPlay } from "./played.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
const play = startPlay();
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
  [c, browser] = await Promise.all([
    startComposed(database, { environment: { SIGNALBOX_DEMO: "1" }, harnesses: play.harnesses }),
    borrowBrowser(),
  ]);
  url = `http://127.0.0.1:${await c.server.listen()}`;
  author = { log: c.server.log, organizationId: "ws_dev", by: "usr_owner" };
  await c.server.importFirstSession();
  person = personAt({ url, token: c.owner }, browser);
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
  await c?.close();
}, 120_000);
afterEach(() => person.leave());

const visit = (path: string, options: TabOptions = {}): Promise<Page> => person.visit(path, options);
const sliderOf = (page: Page) => page.getByRole("slider", { name: /^Timeline of/ });
const conversationOf = (page: Page) => page.getByRole("region", { name: "Conversation" });
const thenOf = (page: Page) => page.getByTestId("state-then");
const eventually = <T>(read: () => Promise<T>, what?: string) =>
  expect.poll(read, { timeout: 45_000, ...(what === undefined ? {} : { message: what }) });
const now = async (page: Page): Promise<number> => Number(await sliderOf(page).getAttribute("aria-valuenow"));
const atOf = (page: Page): string | null => new URL(page.url()).searchParams.get("at");
const isLive = (page: Page) => eventually(async () => (await sliderOf(page).getAttribute("aria-valuetext")) ?? "");
/** Where an event stands on the strip, by dragging's own measure: x of the pointer and the slider's answer. */
async function press(page: Page, share: number): Promise<void> {
  const box = (await sliderOf(page).boundingBox())!;
  await page.mouse.move(box.x + 80 + (box.width - 100) * share, box.y + box.height / 2);
  await page.mouse.down();
}
async function dragTo(page: Page, share: number, steps = 12): Promise<void> {
  const box = (await sliderOf(page).boundingBox())!;
  await page.mouse.move(box.x + 80 + (box.width - 100) * share, box.y + box.height / 2, { steps });
}

describe("the imported sample", () => {
  let path: string;
  let last: number;
  let approvals: { asked: number; decided: number; title: string }[];
  beforeAll(async () => {
    const [sample] = (await call("GET", "/v1/sessions?limit=5")).items;
    path = `/sessions/${sample.id}`;
    const timeline = await call("GET", `/v1${path}/timeline`);
    last = timeline.last_seq;
    const seqs = (outcomes: string[]): number[] =>
      timeline.events.seq.filter(
        (_: number, i: number) =>
          timeline.kinds[timeline.events.kind[i]] === "approval" && outcomes.includes(timeline.outcomes[timeline.events.outcome[i]]),
      );
    const decided = seqs(["approved", "denied"]);
    approvals = seqs(["pending"]).map((asked, i) => ({ asked, decided: decided[i]!, title: "" }));
    expect(approvals.length).toBeGreaterThan(0);
  });

  test("a drag goes through time: conversation, cost, files and plan are of the moment, and the address says which", async () => {
    const page = await visit(path);
    await eventually(async () => await now(page)).toBe(last);
    const costNow = await thenOf(page).getByRole("meter").getAttribute("aria-valuenow");
    await press(page, 0.7);
    await dragTo(page, 0.3);
    await page.getByText("As it was").first().waitFor();
    await conversationOf(page).getByText("The tests of this project fail.").waitFor();
    const early = await now(page);
    expect(early).toBeGreaterThan(5);
    expect(early).toBeLessThan(last / 2);
    await eventually(() => conversationOf(page).getByText("Push your branch.").count()).toBe(0);
    await eventually(() => thenOf(page).getByText("none changed").count()).toBe(1);
    expect(Number(await thenOf(page).getByRole("meter").getAttribute("aria-valuenow"))).toBeLessThan(Number(costNow));
    await dragTo(page, 0.72);
    await page.mouse.up();
    expect(await now(page)).toBeGreaterThan(early);
    await conversationOf(page).getByText("Push your branch.").waitFor();
    await thenOf(page).getByText("1 file changed").waitFor();
    await eventually(async () => atOf(page)).toBe(String(await now(page)));
    // As it was, so nothing can be said; and what is said about that leads back.
    expect(await page.getByRole("textbox", { name: "Message to the agent" }).count()).toBe(0);
    await page.getByRole("button", { name: "Back to now" }).click();
    await isLive(page).toMatch(/^Now\. /);
    expect(atOf(page)).toBeNull();
  });

  test("the keys step by event and by prompt, go to either end, and Escape and l lead back to now", async () => {
    const page = await visit(path);
    await eventually(async () => await now(page)).toBe(last);
    await page.keyboard.press("ArrowLeft");
    await eventually(() => now(page)).toBe(last - 1);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowRight");
    await eventually(() => now(page)).toBe(last - 1);
    await page.keyboard.press("Shift+ArrowLeft");
    await eventually(async () => (await sliderOf(page).getAttribute("aria-valuetext")) ?? "").toMatch(/: prompt: I have looked/);
    await page.keyboard.press("Shift+ArrowLeft");
    await eventually(async () => (await sliderOf(page).getAttribute("aria-valuetext")) ?? "").toMatch(
      /^\d\d:\d\d:\d\d, event \d+ of \d+: prompt: Push your branch\.$/,
    );
    await page.keyboard.press("Home");
    await eventually(() => now(page)).toBe(1);
    await page.keyboard.press("Escape");
    await isLive(page).toMatch(/^Now\. /);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("l");
    await isLive(page).toMatch(/^Now\. /);
    // On the slider itself the keys are a slider's.
    await sliderOf(page).focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("PageUp");
    await eventually(() => now(page)).toBe(11);
    await page.keyboard.press("End");
    await isLive(page).toMatch(/^Now\. /);
    // The map of the keys is the registry.
    await page.getByRole("heading", { level: 1 }).click();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard" }).getByText("Back to the prompt before", { exact: true }).waitFor();
  });

  test("playing runs along the events, says which pause it shortens, stops on a key and ends at the end", async () => {
    const page = await visit(`${path}?at=8`);
    await eventually(() => now(page)).toBe(8);
    await page.keyboard.press(" ");
    // Nearly five seconds pass after the eighth event, while the sandbox is made.
    await page.getByText(/pass here, played as 1\.0 s/).waitFor();
    await eventually(() => now(page)).toBeGreaterThan(9);
    await page.keyboard.press(" ");
    const stood = await now(page);
    await page.waitForTimeout(400);
    expect(await now(page)).toBe(stood);
    await eventually(async () => atOf(page)).toBe(String(stood));
    await page.getByRole("combobox", { name: "Speed" }).selectOption("32");
    await page.getByRole("button", { name: "Play (Space)" }).click();
    await isLive(page).toMatch(/^Now\. /);
    await page.getByRole("button", { name: "Play (Space)" }).waitFor();
  });

  test("a moment has an address: it opens there, a reload keeps it, and back and forward go between then and now", async () => {
    const page = await visit(`${path}?at=30`);
    await eventually(() => now(page)).toBe(30);
    await conversationOf(page).getByText("The test imports its subject").waitFor();
    await page.reload();
    await eventually(() => now(page)).toBe(30);
    await page.getByRole("button", { name: "Back to now" }).click();
    await isLive(page).toMatch(/^Now\. /);
    await page.goBack();
    await eventually(() => now(page)).toBe(30);
    await page.getByText("As it was").first().waitFor();
    await page.goForward();
    await isLive(page).toMatch(/^Now\. /);
    // A moment that has not been is said, and now is shown.
    const ahead = await visit(`${path}?at=99999`);
    await ahead.getByText(/The link names event 99,999/).waitFor();
    await isLive(ahead).toMatch(/^Now\. /);
  });

  test("approvals are as they were: asked and waiting, then decided", async () => {
    const [{ asked, decided }] = approvals as [(typeof approvals)[number]];
    const page = await visit(`${path}?at=${asked}`);
    await thenOf(page).getByRole("button", { name: /Push/ }).click();
    await page.getByText("This is how it stood then. What still waits is decided in the present.").waitFor();
    await page.keyboard.press("Escape");
    await conversationOf(page).getByText("Waits for a person").waitFor();
    expect(await page.getByRole("button", { name: /^(Approve|Deny)/ }).count()).toBe(0);
    for (let seq = asked; seq < decided; seq++) await page.keyboard.press("ArrowRight");
    await eventually(() => now(page)).toBe(decided);
    await thenOf(page).getByText("for nobody").waitFor();
    await eventually(() => conversationOf(page).getByText("Waits for a person").count()).toBe(0);
  });

  test("kinds are shown, hidden and gone to; the pointer says what is there and a press goes to it", async () => {
    const page = await visit(path);
    await eventually(() => now(page)).toBe(last);
    await page.getByRole("button", { name: "What the timeline shows" }).click();
    await page.getByRole("button", { name: "Previous failure" }).click();
    await eventually(async () => (await sliderOf(page).getAttribute("aria-valuetext")) ?? "").toMatch(/refused|failed|denied/);
    const failure = await now(page);
    await page.getByRole("checkbox", { name: "Tool calls" }).click();
    expect(await page.getByRole("checkbox", { name: "Tool calls" }).getAttribute("aria-checked")).toBe("false");
    await page.keyboard.press("Escape");
    // The play head stands on it: the pointer there names it.
    const box = (await sliderOf(page).boundingBox())!;
    const x = await sliderOf(page).evaluate((slider) => new DOMMatrix(getComputedStyle(slider.lastElementChild!).transform).m41);
    await page.keyboard.press("l");
    await isLive(page).toMatch(/^Now\. /);
    await page.mouse.move(box.x + x, box.y + box.height - 30);
    await page
      .getByText(/^refused: |failed/)
      .last()
      .waitFor();
    await page.mouse.down();
    await page.mouse.up();
    await eventually(() => now(page)).toBe(failure);
    // The wheel comes closer, and what lies beyond is then reached by its own bar.
    await page.mouse.wheel(0, -600);
    await page.getByTestId("strip-overview").waitFor();
    await page.getByRole("button", { name: "All of it" }).click();
    await page.getByTestId("strip-overview").waitFor({ state: "detached" });
  });

  test("breaks no rule of accessibility, by day and by night, wide and on a phone", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await visit(`${path}?at=75`, { colorScheme });
      await conversationOf(page).getByText("Push your branch.").waitFor();
      await page.getByRole("button", { name: "What the timeline shows" }).click();
      expect(await violations(page), colorScheme).toEqual([]);
    }
    const phone = await visit(`${path}?at=75`, { viewport: { width: 390, height: 844 }, hasTouch: true });
    await conversationOf(phone).getByText("Push your branch.").waitFor();
    await phone.getByRole("button", { name: "How it stood, speed and what is shown" }).click();
    await phone.getByRole("dialog", { name: "This moment" }).getByText("1 file changed").waitFor();
    expect(await violations(phone)).toEqual([]);
  });

  test("on a phone a finger scrubs, and the page stays where it is", async () => {
    const page = await visit(path, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await eventually(() => now(page)).toBe(last);
    const box = (await sliderOf(page).boundingBox())!;
    const touch = await page.context().newCDPSession(page);
    const at = (share: number) => [{ x: box.x + box.width * share, y: box.y + box.height / 2 }];
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at(0.9) });
    for (let share = 0.85; share > 0.3; share -= 0.05)
      await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at(share) });
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await eventually(() => now(page)).toBeLessThan(last / 2);
    await eventually(async () => atOf(page)).toBe(String(await now(page)));
    await page.getByText("As it was").first().waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await page.getByRole("button", { name: "Jump to the end" }).click();
    await isLive(page).toMatch(/^Now\. /);
  });

  test("whoever wants no motion sees the head stand at each event, not glide", async () => {
    const places = async (reducedMotion: "reduce" | "no-preference"): Promise<number> => {
      const page = await visit(`${path}?at=8`, { reducedMotion });
      await eventually(() => now(page)).toBe(8);
      return page.evaluate(async () => {
        const head = document.querySelector("[role=slider]")!.lastElementChild as HTMLElement;
        const seen = new Set<string>();
        document.querySelector<HTMLElement>("button[aria-label^=Play]")!.click();
        for (const from = performance.now(); performance.now() - from < 600;) {
          seen.add(head.style.transform);
          await new Promise(requestAnimationFrame);
        }
        return seen.size;
      });
    };
    // A second's pause follows: the head has not moved yet.
    expect(await places("reduce")).toBeLessThanOrEqual(2);
    expect(await places("no-preference")).toBeGreaterThan(2);
  });
});

test("a live session goes on while one looks at its past; the room and the shared link are scrubbed the same way", async () => {
  const of = await beginSession(author, { title: "A live one" });
  await addTurn(author, of, { tools: 4, prompt: "The first thing." });
  const page = await visit(`/sessions/${of.sessionId}`);
  await eventually(() => now(page)).toBeGreaterThan(10);
  const seen = await now(page);
  await page.keyboard.press("Shift+ArrowLeft");
  await page.getByRole("button", { name: /^Jump to live/ }).waitFor();
  const at = await now(page);
  await addTurn(author, of, { tools: 4, prompt: "The second thing." });
  await page.getByRole("button", { name: new RegExp(`Jump to live · (${2 * seen - at - 15}|[0-9]+) events behind`) }).waitFor();
  await eventually(async () => Number(await sliderOf(page).getAttribute("aria-valuemax"))).toBeGreaterThan(seen + 5);
  expect(await now(page)).toBe(at);
  // Until the moment is read, what was there stays.
  await eventually(() => conversationOf(page).getByText("The second thing.").count()).toBe(0);
  await page.keyboard.press("l");
  await conversationOf(page).getByText("The second thing.").waitFor();

  const room = await visit(`/rooms/${of.roomId}`);
  await eventually(() => now(room)).toBeGreaterThan(seen);
  await room.getByText("That was turn 2.", { exact: true }).waitFor();
  const newest = await now(room);
  await room.keyboard.press("Shift+ArrowLeft");
  await eventually(() => now(room)).toBeLessThan(newest);
  // How far a jump leads depends on how long things took; an address does not.
  await room.goto(`${new URL(room.url()).origin}/rooms/${of.roomId}?at=${seen}`);
  await room.getByRole("region", { name: "What had been said" }).getByText("The first thing.").waitFor();
  await eventually(() => room.getByText("The second thing.").count()).toBe(0);
  expect(await room.getByRole("textbox", { name: "Message to the room" }).count()).toBe(0);
  expect(await violations(room)).toEqual([]);
  await room.keyboard.press("l");
  await room.getByText("That was turn 2.", { exact: true }).waitFor();

  const { token } = await call("POST", `/v1/sessions/${of.sessionId}/shares`, {});
  const shared = await visit(`/shared/${token}?at=${at}`, { storageState: STRANGER });
  await conversationOf(shared).getByText("The first thing.").waitFor();
  await eventually(() => now(shared)).toBe(at);
  await eventually(() => conversationOf(shared).getByText("The second thing.").count()).toBe(0);
  await shared.keyboard.press("l");
  await conversationOf(shared).getByText("The second thing.").waitFor();
});

test("a session that waits for a person: its past decides nothing, and now does", { timeout: 300_000 }, async () => {
  const session = await play.untilAsked(c);
  const seen = (): Promise<Body> => call("GET", `/v1/sessions/${session.id}`);
  const page = await visit(`/sessions/${session.id}`);
  await page.getByRole("article", { name: /^Approval: Push/ }).waitFor();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
  await page.getByText("As it was").first().waitFor();
  await conversationOf(page)
    .getByRole("button", { name: /git push/ })
    .first()
    .waitFor();
  await eventually(() => page.getByRole("article", { name: /^Approval: Push/ }).count()).toBe(0);
  await page.keyboard.press("a");
  await page.waitForTimeout(300);
  expect((await seen()).pending_approvals).toBe(1);
  await page.getByRole("button", { name: /^Jump to live/ }).click();
  await page.getByRole("article", { name: /^Approval: Push/ }).waitFor();
  await page.keyboard.press("a");
  await conversationOf(page)
    .getByText(/^Approved/)
    .waitFor();
});

test("what was erased is gone from the strip too, and its moment opens all the same", async () => {
  const of = await beginSession(author, { title: "With something erased" });
  await addTurn(author, of, { tools: 2, prompt: "A secret wish." });
  const events = (await call("GET", `/v1/events?stream_type=room&stream_id=${of.roomId}&limit=50`)).items;
  const said = events.find((event: Body) => event.type === "message.created");
  const page = await visit(`/sessions/${of.sessionId}?at=${said.seq}`);
  await eventually(async () => (await sliderOf(page).getAttribute("aria-valuetext")) ?? "").toContain("A secret wish.");
  const erased = await c.call("POST", "/v1/audit/redact", { token: c.owner, body: { event_id: said.event_id, reason: "test" } });
  expect(erased.status, JSON.stringify(erased.body)).toBe(200);
  await page.reload();
  await eventually(async () => (await sliderOf(page).getAttribute("aria-valuetext")) ?? "").toMatch(/prompt, without words$/);
});

describe("a session of 10,000 events", () => {
  const size = 10_000;
  let of: LongSession;
  beforeAll(async () => {
    of = await beginSession(author, { title: `${size} events` });
    for (let head = 0, turn = 1; head < size; turn++) {
      await addTurn(author, of, { tools: size / 40, prompt: `Prompt number ${turn}`, end: turn % 5 === 4 ? "failed" : "completed" });
      head = await c.server.log.head("ws_dev", { type: "room", id: of.roomId });
    }
  }, 240_000);

  /* How quickly each of this goes is measured in bench/web.ts. */
  test("the strip is drawn, a drag goes on, and the moment under it shows", async () => {
    const page = await visit(`/sessions/${of.sessionId}`);
    await eventually(() => now(page)).toBeGreaterThanOrEqual(size);
    // Once more, seen from the first stroke on.
    await page.addInitScript(() => {
      const drawn: number[] = [];
      Object.assign(window, { drawn });
      new PerformanceObserver((list) => {
        for (const { name, duration } of list.getEntries()) if (name === "strip") drawn.push(duration);
      }).observe({ type: "measure" });
    });
    await page.reload();
    await eventually(() => now(page)).toBeGreaterThanOrEqual(size);
    await press(page, 0.8);
    await dragTo(page, 0.75);
    await page.getByText("As it was").first().waitFor();
    for (const share of [0.15, 0.85, 0.3]) await dragTo(page, share);
    await page.mouse.up();
    for (const share of [0.2, 0.6, 0.5]) {
      await press(page, share);
      await page.mouse.up();
      await eventually(() => page.getByTestId("state-then").getAttribute("data-seq")).toBe(String(await now(page)));
    }
    expect(await page.evaluate(() => (window as unknown as { drawn: number[] }).drawn.length)).toBeGreaterThan(0);
    // What was measured does not pile up in a page that is open all day.
    expect(await page.evaluate(() => performance.getEntriesByType("measure").length)).toBe(0);
  });
});
