/* Somebody is removed from the organization that their browser acts in, and is asked where they go on. */
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack, openPage } from "./browser.ts";
import { startWithPeople, type People } from "./people.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let browser: Browser;
let people: People;

beforeAll(async () => {
  browser = await borrowBrowser();
  people = await startWithPeople(database, browser);
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
  await people?.close();
});

test("whoever was removed goes on in another organization only once they say so", async () => {
  const { server, url } = people;
  const { id, token } = await server.organization();
  const person = await server.person("member", { organizationId: id });
  await server.server.identity.registerPrincipal({
    organizationId: "ws_dev",
    id: person.id,
    type: "user",
    displayName: "Both",
    role: "member",
  });
  const { code } = await server.server.identity.issueLoginCode(id, person.id);
  const { page, complaints } = await openPage(browser, { serviceWorkers: "block" });
  await page.goto(`${url}/login?code=${code}`);
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
  expect((await server.call("DELETE", `/v1/members/${person.id}`, { token })).status).toBe(200);

  await page.goto(`${url}/`);
  await page.getByRole("heading", { name: "Where do you want to continue?" }).waitFor();
  expect(await page.getByRole("navigation", { name: "Main" }).count()).toBe(0);
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Continue here" }).click();
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
  expect(
    await page.evaluate(async () => ((await (await fetch("/v1/me")).json()) as { organization: { id: string } }).organization.id),
  ).toBe("ws_dev");
  expect(complaints.filter((text) => !/status of (401|403)/.test(text))).toEqual([]);
});
