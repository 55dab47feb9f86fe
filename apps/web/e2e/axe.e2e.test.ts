/*
 * Every page by WCAG 2.2 AA, by day and by night, wide and on a phone, on the real server with a session in a real
 * sandbox: its agent has worked and now waits for a verdict. Each page is loaded once and looked at in its four dresses:
 * by day by every rule, by night by those that colours decide.
 */
import { databaseTest } from "@signalbox/testkit/database";
import type { SessionView } from "@signalbox/contract/sessions";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startComposed, type Composed } from "../../server/src/composed.fixture.ts";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack } from "./browser.ts";
import { personAt } from "./person.ts";
import { startPlay } from "./played.ts";

vi.setConfig({ testTimeout: 120_000 });

const DRESSES = [
  ["light", 1440],
  ["dark", 1440],
  ["dark", 390],
  ["light", 390],
] as const;

const database = databaseTest();
const play = startPlay();
let c: Composed;
let url: string;
let browser: Browser;
let page: Page;
let session: SessionView;
/** What stands for the names in the addresses below. */
const ids: Record<string, string> = {};
// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
const get = async (path: string): Promise<any> => (await c.call("GET", path, { token: c.owner })).body;

beforeAll(async () => {
  [c, browser] = await Promise.all([
    startComposed(database, { environment: { SIGNALBOX_DEMO: "1" }, harnesses: play.harnesses }),
    borrowBrowser(),
  ]);
  url = `http://127.0.0.1:${await c.server.listen()}`;
  session = await play.untilAsked(c);
  page = await personAt({ url, token: c.owner }, browser).visit("/", { reducedMotion: "reduce" });
  const [approvals, runs] = await Promise.all([get("/v1/approvals?status=open"), get(`/v1/runs?session_id=${session.id}`)]);
  ids["session"] = session.id;
  ids["room"] = session.room_id;
  ids["approval"] = approvals.items[0].id;
  ids["run"] = runs.items[0].id;
  ids["correlation"] = runs.items[0].correlation_id;
}, 300_000);
afterAll(async () => {
  await giveBack(browser);
  await c?.close();
}, 120_000);

test.each([
  "/",
  "/?tab=decided",
  "/?new=true",
  "/approvals/{approval}",
  "/approvals/{approval}?decide=approve",
  "/welcome",
  "/sessions",
  "/sessions/{session}",
  "/sessions/{session}?pane=changes",
  "/sessions/{session}?pane=terminal",
  "/sessions/{session}?pane=files",
  "/sessions/{session}?pane=preview",
  "/sessions/{session}?pane=egress",
  "/sessions/{session}?pane=events",
  "/rooms",
  "/rooms/{room}",
  "/runs",
  "/runs/{run}",
  "/correlations/{correlation}",
  "/timeline",
  "/policy",
  "/audit",
  "/health",
  "/settings",
  "/settings/account",
  "/settings/models",
  "/settings/tokens",
  "/settings/appearance",
  "/settings/notifications",
  "/settings/data",
  "/nowhere",
])("%s breaks no rule", (address) => look(address.replace(/\{(\w+)\}/, (_, name: string) => ids[name]!)));

test("/artifacts/{artifact} breaks no rule", { timeout: 240_000 }, async () => {
  await play.untilDone(c, session);
  const { items } = await get("/v1/artifacts?limit=1");
  await look(`/artifacts/${items[0].id}`);
});

async function look(path: string): Promise<void> {
  const found: string[] = [];
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(url + path);
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForLoadState("networkidle", { timeout: 3_000 }).catch(() => undefined); // The live connection may keep it busy for ever.
  for (const [colorScheme, width] of DRESSES) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    const broken = await violations(page, "html", colorScheme === "light" ? "everything" : "colours");
    found.push(...broken.map((each) => `${colorScheme} ${width}: ${each}`));
    const actual = await page.evaluate(() => document.documentElement.scrollWidth);
    if (actual > width) found.push(`${colorScheme} ${width}: the page is ${actual} px wide`);
  }
  expect(found).toEqual([]);
}
