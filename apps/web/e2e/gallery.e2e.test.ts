/* Every component in every state: photographed, free of complaints, no wider than a phone, and readable by everyone. */
import { databaseTest } from "@signalbox/testkit/database";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { violations } from "./axe.ts";
import { borrowBrowser, giveBack, tabsOf, type TabOptions, type Tabs } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [1440, 390] as const;

const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let tabs: Tabs;
let pictures: string;

beforeAll(async () => {
  if (!existsSync(join(import.meta.dirname, "../dist/index.html")))
    throw new Error("the web app is not built: run `npm -w apps/web run build`");
  pictures = await mkdtemp(join(tmpdir(), "signalbox-gallery-"));
  [server, browser] = await Promise.all([startServer({ database }), borrowBrowser()]);
  tabs = tabsOf(browser, server.url);
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
  await server?.stop();
  await rm(pictures, { recursive: true, force: true });
});
afterEach(async () => {
  await tabs.leave();
  expect(tabs.complaints()).toEqual([]);
});

async function gallery(options: TabOptions = {}): Promise<Page> {
  const page = await tabs.open(options);
  await page.goto(`${server.url}/gallery`);
  await page.getByRole("heading", { level: 1, name: "Gallery" }).waitFor();
  return page;
}

describe.each(WIDTHS)("at %d", (width) => {
  test("each section is photographed by day and by night, fits, and breaks no rule of WCAG 2.2 AA", { timeout: 180_000 }, async () => {
    const page = await gallery({ viewport: { width, height: 900 }, reducedMotion: "reduce" });
    // The colours of code and the markdown come as parts of their own.
    await page.locator(".hljs-keyword").first().waitFor();
    await page.locator(".prose table").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    const sections = await page.locator("[data-section]").all();
    expect(sections.length).toBeGreaterThanOrEqual(9);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      for (const section of sections) {
        const name = await section.getAttribute("data-section");
        const { length } = await section.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`) });
        expect(length, `the picture of ${name}`).toBeGreaterThan(2_000);
      }
      expect(await violations(page, "html", colorScheme === "light" ? "everything" : "colours"), colorScheme).toEqual([]);
    }
  });
});

describe("what comes in front", () => {
  test("a dialog takes the focus, keeps it, and gives it back; Escape in its menu closes the menu alone", async () => {
    const page = await gallery();
    const opener = page.getByRole("button", { name: "Open a dialog" });
    await opener.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Name the token" });
    await dialog.waitFor();
    const focused = (): Promise<string | null> => page.evaluate(() => document.activeElement?.closest("dialog")?.tagName ?? null);
    expect(await dialog.getByLabel("Name").evaluate((field) => field === document.activeElement)).toBe(true);
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press("Tab");
      expect(
        await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null),
      ).toBe(true);
    }
    await dialog.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: /Rename/ }).waitFor();
    expect(await violations(page, "dialog")).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("menu").waitFor({ state: "detached" });
    await expect.poll(focused).toBe("DIALOG");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await opener.evaluate((button) => button === document.activeElement)).toBe(true);
  });

  test.each([
    ["Ask for confirmation", "alertdialog"],
    ["Open a drawer", "dialog"],
  ] as const)("%s: named, readable, closed by Escape", async (button, role) => {
    const page = await gallery({ viewport: { width: 390, height: 844 } });
    await page.getByRole("button", { name: button }).click();
    await page.getByRole(role).waitFor();
    expect(await violations(page, "dialog")).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.keyboard.press("Escape");
    await page.getByRole(role).waitFor({ state: "detached" });
  });

  test("a menu, a context menu, a popover and a tooltip are opened by the keyboard, and write no style that the policy refuses", async () => {
    const page = await gallery();
    await page.getByRole("button", { name: "More deeds" }).press("Enter");
    await page.getByRole("menuitem", { name: /Rename/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    expect(await violations(page, "[role=menu]")).toEqual([]);
    await page.keyboard.press("Enter");
    await page.getByText("Archived", { exact: true }).waitFor();
    await page.getByRole("button", { name: /Right button/ }).click({ button: "right" });
    await page.getByRole("menuitemcheckbox", { name: "Show archived" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Budget" }).press("Enter");
    await page.getByRole("dialog", { name: "Budget" }).waitFor();
    await page.keyboard.press("Escape");
    await expect
      .poll(() => page.getByRole("button", { name: "Budget" }).evaluate((button) => button === document.activeElement))
      .toBe(true);
    await page.keyboard.press("Tab");
    await page.getByRole("tooltip").waitFor();
  });

  test("a toast with something to do stays while it is under the pointer, and is said once", async () => {
    const page = await gallery();
    await page.getByRole("button", { name: "With undo" }).click();
    await page.getByRole("button", { name: "With undo" }).click();
    await page.getByRole("button", { name: "Undo", exact: true }).click();
    await page.getByText("Back on the list").waitFor();
    expect(await page.getByText("Dismissed", { exact: true }).count()).toBe(0);
  });
});

describe("inputs", () => {
  test("a combobox narrows as one types, is walked by arrows, and takes with Enter", async () => {
    const page = await gallery();
    const field = page.getByRole("combobox", { name: "Repository" });
    await field.click();
    await page
      .getByRole("option", { name: /project-3 / })
      .first()
      .waitFor();
    await field.fill("project-42");
    await expect.poll(() => page.getByRole("listbox").getByRole("option").count()).toBe(1);
    await page.keyboard.press("Enter");
    expect(await field.inputValue()).toBe("project-42");
    await field.fill("nothing of the kind");
    await page.getByText("Nothing matches.").waitFor();
    await page.keyboard.press("Escape");
    expect(await field.inputValue()).toBe("project-42");
  });

  test("the line between two panes is moved by the arrows, and says where it is", async () => {
    const page = await gallery();
    const line = page.getByRole("separator", { name: "Conversation and changes" });
    await line.focus();
    await page.keyboard.press("ArrowLeft");
    expect(await line.getAttribute("aria-valuenow")).toBe("58");
    await page.keyboard.press("End");
    expect(await line.getAttribute("aria-valuenow")).toBe("80");
  });
});
