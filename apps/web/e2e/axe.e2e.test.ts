/*
 * Every page by WCAG 2.2 AA, by day and by night, wide and on a phone, on the real server with the demo run in it:
 * an agent that has worked and now waits for a verdict. Each page is loaded once and looked at in its four dresses.
 */
import { createClient } from "@signalbox/client/client";
import { decideApproval, listApprovals } from "@signalbox/contract/approvals";
import { createLoginCode } from "@signalbox/contract/identity";
import { ApprovalId } from "@signalbox/contract/primitives";
import { listArtifacts, listRuns } from "@signalbox/contract/runs";
import { createSession, getSession } from "@signalbox/contract/sessions";
import { createSample } from "@signalbox/contract/system";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { openBrowser, openPage } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 90_000 });

const DRESSES = [
  ["light", 1440],
  ["dark", 1440],
  ["light", 390],
  ["dark", 390],
] as const;

let server: ServerProcess;
let browser: Browser;
let page: Page;
let client: ReturnType<typeof createClient>;
/** What stands for the names in the addresses below. */
const ids: Record<string, string> = {};

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), openBrowser()]);
  client = createClient({ baseUrl: server.url, token: server.token });
  const sample = await client.call(createSample, { body: {} });
  const session = await client.call(createSession, {
    body: { source: { type: "repository", url: sample.repository_url }, title: "The demo run", prompt: sample.prompt },
  });
  ({ page } = await openPage(browser, { reducedMotion: "reduce" }));
  const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
  await page.goto(server.url + pathname + search);
  await vi.waitFor(
    async () => {
      const { pending_approvals: pending, status } = await client.call(getSession, { params: { id: session.id } });
      if (pending !== 1) throw new Error(`the demo run is ${status} and has asked nothing`);
    },
    { timeout: 240_000, interval: 500 },
  );
  const [approvals, runs] = await Promise.all([
    client.call(listApprovals, { query: { status: "open" } }),
    client.call(listRuns, { query: { session_id: session.id } }),
  ]);
  ids["session"] = session.id;
  ids["room"] = session.room_id;
  ids["approval"] = approvals.items[0]!.id;
  ids["run"] = runs.items[0]!.id;
  ids["correlation"] = runs.items[0]!.correlation_id;
}, 300_000);
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

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
  "/settings/models",
  "/settings/tokens",
  "/settings/appearance",
  "/settings/notifications",
  "/settings/data",
  "/nowhere",
])("%s breaks no rule", (address) => look(address.replace(/\{(\w+)\}/, (_, name: string) => ids[name]!)));

test("/artifacts/{artifact} breaks no rule", { timeout: 240_000 }, async () => {
  await client.call(decideApproval, { params: { id: ApprovalId.parse(ids["approval"]) }, body: { decision: "approve" } });
  const artifact = await vi.waitFor(
    async () => {
      const { items } = await client.call(listArtifacts, { query: { limit: 1 } });
      if (items[0] === undefined) throw new Error("the demo run has left no artifact");
      return items[0].id;
    },
    { timeout: 120_000, interval: 500 },
  );
  await look(`/artifacts/${artifact}`);
});

async function look(path: string): Promise<void> {
  const found: string[] = [];
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(server.url + path);
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForLoadState("networkidle", { timeout: 3_000 }).catch(() => undefined); // The live connection may keep it busy for ever.
  for (const [colorScheme, width] of DRESSES) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    found.push(...(await violations(page)).map((each) => `${colorScheme} ${width}: ${each}`));
    const actual = await page.evaluate(() => document.documentElement.scrollWidth);
    if (actual > width) found.push(`${colorScheme} ${width}: the page is ${actual} px wide`);
  }
  expect(found).toEqual([]);
}
