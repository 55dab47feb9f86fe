/* The operator's area in a real browser: every organization with what it uses, who is kept out, and acting as somebody. */
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
let other: { readonly id: string; readonly token: string };

beforeAll(async () => {
  browser = await borrowBrowser();
  people = await startWithPeople(database, browser);
  other = await people.server.organization();
}, 120_000);
afterEach(() => people.leave());
afterAll(async () => {
  await giveBack(browser);
  await people?.close();
}, 120_000);

test("an organization is listed with what it uses, its quotas are set, it is suspended with a reason and restored", async () => {
  const page = await people.visit(people.server.owner, "/admin");
  const row = page.getByRole("list", { name: "Organizations" }).getByRole("listitem").filter({ hasText: "Other" });
  await row.getByText("0 · no limit").waitFor();
  await row.getByRole("button", { name: "Quotas of Other" }).click();
  const dialog = page.getByRole("alertdialog");
  expect(await dialog.getByRole("button", { name: "Set the quotas" }).isDisabled()).toBe(true);
  await dialog.getByLabel("Sessions at once").fill("many");
  await dialog.getByText("A whole number, or nothing.").waitFor();
  await dialog.getByLabel("Sessions at once").fill("4");
  await dialog.getByLabel("Artifacts kept").fill("2000000");
  await dialog.getByRole("button", { name: "Set the quotas" }).click();
  await row.getByText("0 of 4").waitFor();
  await row.getByRole("meter", { name: "Artifacts kept" }).waitFor();
  expect((await people.server.call("GET", "/v1/quotas", { token: other.token })).body).toMatchObject({
    sessions: { limit: 4 },
    storage_bytes: { limit: 2_000_000 },
    events_per_day: { limit: null },
  });
  await row.getByRole("button", { name: "Suspend Other" }).click();
  expect(await dialog.getByRole("button", { name: "Suspend it" }).isDisabled()).toBe(true);
  await dialog.getByLabel("Why").fill("Its contract ended yesterday.");
  await dialog.getByRole("button", { name: "Suspend it" }).click();
  await row.getByText("Its contract ended yesterday.").waitFor();
  expect((await people.server.call("GET", "/v1/me", { token: other.token })).status).toBe(401);
  expect(await violations(page)).toEqual([]);
  await row.getByRole("button", { name: "Restore Other" }).click();
  await row.getByRole("button", { name: "Suspend Other" }).waitFor();
});

test("a ring of keys is rotated; what was signed before holds", async () => {
  const page = await people.visit(people.server.owner, "/admin?tab=keys");
  const keys = page.getByRole("list", { name: "Keys of Live connections" }).getByRole("listitem");
  await keys.first().waitFor();
  const before = await keys.count();
  await page.getByRole("button", { name: "Rotate the keys of Live connections" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Rotate", exact: true }).click();
  await expect.poll(() => keys.count()).toBe(before + 1);
  expect(await violations(page)).toEqual([]);
});

test("nobody is offered what is refused: operators are neither acted as nor suspended, and nobody is acted as where nobody gets in", async () => {
  const page = await people.visit(people.server.owner, "/admin?tab=people");
  const rows = page.getByRole("list", { name: "People" }).getByRole("listitem");
  const owner = rows.filter({ hasText: "operates the installation" });
  await owner.waitFor();
  expect(await owner.getByRole("button").count()).toBe(0);
  await rows.getByRole("button", { name: "Act as Other owner" }).waitFor();
  await people.post(people.server.owner, `/v1/admin/organizations/${other.id}/suspend`, { reason: "Its contract ended." });
  await page.reload();
  await rows.getByText("Other (owner, suspended)").waitFor();
  expect(await rows.getByRole("button", { name: "Act as Other owner" }).count()).toBe(0);
  await rows.getByRole("button", { name: "Suspend Other owner" }).waitFor();
  expect(await violations(page)).toEqual([]);
  await people.post(people.server.owner, `/v1/admin/organizations/${other.id}/restore`, {});
});

test("whoever is acted as is named on every page until it is over, with the reason in the log", async () => {
  const member = await people.server.person("member");
  const page = await people.visit(people.server.owner, "/admin?tab=people");
  await page.getByRole("button", { name: "Act as A member" }).click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByLabel("Why").fill("They asked us to look at it.");
  await dialog.getByRole("button", { name: "Act as them" }).click();
  const bar = page.getByRole("status").filter({ hasText: "is acting as A member" });
  await bar.getByText(/It ends in 1[45] min/).waitFor();
  await page.goto(`${people.url}/settings`);
  await bar.waitFor();
  await page.getByText("may start and prompt sessions").waitFor();
  expect(await violations(page)).toEqual([]);
  await bar.getByRole("button", { name: "Stop" }).click();
  await bar.waitFor({ state: "detached" });
  const { items } = (await people.server.call("GET", "/v1/events?event_type=impersonation.started", { token: people.server.owner })).body;
  expect(items[0].data).toMatchObject({ principal_id: member.id, reason: "They asked us to look at it." });
});
