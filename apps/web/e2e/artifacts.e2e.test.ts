/* Artifacts, each shown as what it is, uploaded by the routes that engines use. */
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack } from "./browser.ts";
import { startWithPeople, type People } from "./people.ts";
import { workOn } from "./engine.ts";
vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let browser: Browser;
let people: People;
let room: string;
beforeAll(async () => {
  browser = await borrowBrowser();
  people = await startWithPeople(database, browser);
  room = (await people.post<{ id: string }>(people.server.owner, "/v1/rooms", { title: "Workshop" })).id;
}, 120_000);
afterAll(async () => {
  await people?.close();
  await giveBack(browser);
});
afterEach(() => people.leave());

/** A picture of one red pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const JUNIT = `<?xml version="1.0"?><testsuites><testsuite name="invoice" tests="3" failures="1" skipped="1" time="1.5"><testcase name="adds" time="0.1"/><testcase name="takes the discount off" time="0.2"><failure message="expected 90 to be 100">AssertionError: expected 90 to be 100</failure></testcase><testcase name="later"><skipped/></testcase></testsuite></testsuites>`;
/** By a task of its own: a lease lasts half a minute, and a machine may be busy. */
const made = async (name: string, of: object): Promise<string> => (await workOn(people, room, `Make ${name}`)).artifact(name, of);
const open = (id: string, rest = "", options = {}) => people.visit(people.server.owner, `/artifacts/${id}${rest}`, options);

test("a picture is shown, and by keys as large as it is and larger", async () => {
  const page = await open(await made("screen.png", { kind: "file", media_type: "image/png", content_base64: PIXEL }));
  const picture = page.getByRole("img", { name: "screen.png" });
  await page.getByText("1 × 1 px").waitFor();
  await page.keyboard.press("1");
  await expect.poll(async () => (await picture.boundingBox())?.width).toBe(1);
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  await expect.poll(async () => (await picture.boundingBox())?.width).toBe(4);
  expect(await violations(page)).toEqual([]);
});

test("a JUnit report opens at what failed, and its source is one press away", async () => {
  const page = await open(await made("junit.xml", { kind: "text", media_type: "application/xml", text: JUNIT }));
  await page.getByText("1 test failed").waitFor();
  await page.getByText("AssertionError: expected 90 to be 100").waitFor();
  expect(await page.getByText("adds", { exact: true }).count()).toBe(0);
  await page.getByRole("radio", { name: "Text" }).click();
  await page.getByText("1 line", { exact: true }).waitFor();
  expect(await violations(page)).toEqual([]);
});

test("text has numbers; a line has an address that leads back to it, in a file of 20,000 lines as well", async () => {
  const text = Array.from({ length: 20_000 }, (_, i) => `const line${i + 1} = ${i};`).join("\n");
  const page = await open(await made("long.ts", { kind: "text", text }), "?line=15000");
  await page.getByText("const line15000 = 14999;").waitFor();
  // Only what is on screen is drawn.
  expect(await page.getByRole("group", { name: "long.ts" }).getByRole("listitem").count()).toBeLessThan(150);
  await page.getByRole("link", { name: "Line 15003" }).click();
  expect(new URL(page.url()).searchParams.get("line")).toBe("15003");
  await expect.poll(() => page.locator('li[aria-current="location"]').textContent()).toContain("const line15003");
  await page.goto(`${page.url().split("?")[0]}?line=99999`);
  await page.getByText("there is no line 99999").waitFor();
});

test("code has its colours, and a patch its additions and removals", async () => {
  const page = await open(
    await made("fix.patch", {
      kind: "text",
      media_type: "text/x-diff",
      text: "--- a/x.js\n+++ b/x.js\n@@ -1 +1 @@\n-old\n+new\n",
    }),
  );
  await page.locator(".hljs-addition", { hasText: "+new" }).waitFor();
  await page.locator(".hljs-deletion", { hasText: "-old" }).waitFor();
});

test("what a program printed keeps its colours and loses its tricks; a line of a million letters does not stop the page", async () => {
  const page = await open(await made("out.txt", { kind: "text", text: "\u001b[32mgreen\u001b[0m \u001b]0;title\u0007after" }));
  await page.getByText("after").waitFor();
  expect(await page.getByRole("group", { name: "out.txt" }).textContent()).toBe("green after");
  await page.goto(`${people.url}/artifacts/${await made("one-line.txt", { kind: "text", text: "x".repeat(1_000_000) })}`);
  await page.getByText("998,000 more characters").waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(1440);
});

test("what says that it is a page or a drawing is not shown as one, and what lies elsewhere is only a link where it can be followed safely", async () => {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>globalThis.pwned = 1</script></svg>`;
  const page = await open(await made("drawing.svg", { kind: "text", media_type: "image/svg+xml", text: svg }));
  await page.getByText("globalThis.pwned").first().waitFor();
  expect(await page.evaluate(() => "pwned" in globalThis || document.querySelector("#main svg script") !== null)).toBe(false);
  await page.goto(`${people.url}/artifacts/${await made("bad", { kind: "uri", uri: "javascript:alert(1)" })}`);
  await page.getByText("It lies elsewhere").waitFor();
  expect(await page.locator("#main a[href^='javascript']").count()).toBe(0);
});
