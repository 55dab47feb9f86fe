/* The frame in a real browser: navigation, palette and keys, what is shown when nobody answers, new versions, notes. */
import { createClient } from "@signalbox/client/client";
import { decideApproval, getApproval, requestApproval } from "@signalbox/contract/approvals";
import { createLoginCode } from "@signalbox/contract/identity";
import { createSession } from "@signalbox/contract/sessions";
import { databaseTest } from "@signalbox/testkit/database";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { borrowBrowser, giveBack, STRANGER, type TabOptions } from "./browser.ts";
import { personAt, type Person } from "./person.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let client: ReturnType<typeof createClient>;
let person: Person;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer({ database }), borrowBrowser()]);
  client = createClient({ baseUrl: server.url, token: server.token });
  await client.call(createSession, { body: { source: { type: "scratch" }, title: "Known before", sandbox: "deferred" } });
  person = personAt(server, browser);
}, 120_000);
afterAll(async () => {
  await giveBack(browser);
  await server?.stop();
});
// What a test takes away on purpose is reported by the browser as not loaded.
afterEach(() => person.leave(/ERR_INTERNET_DISCONNECTED|ERR_FAILED|WebSocket connection/));

async function visit(path: string, options: TabOptions = {}): Promise<Page> {
  const page = await person.visit(path, options);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}
const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 45_000 });
const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true });

describe("by the keyboard alone", () => {
  test("the first stop skips to the content, and every stop after it can be seen", async () => {
    const page = await visit("/sessions");
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to content" });
    expect(await skip.evaluate((link) => link === document.activeElement && link.getBoundingClientRect().width > 10)).toBe(true);
    for (let i = 0; i < 14; i++) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate(() => {
        const at = document.activeElement!;
        const { outlineStyle, outlineWidth } = getComputedStyle(at);
        return { what: at.outerHTML.slice(0, 80), isSeen: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2 };
      });
      expect(stop.isSeen, stop.what).toBe(true);
    }
    await skip.focus();
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  });

  test("the palette finds a place, a deed and a session, and gives the focus back", async () => {
    const page = await visit("/health");
    const field = page.getByRole("combobox", { name: "Search and commands" });
    await page.getByRole("link", { name: "Sessions" }).first().focus();
    await page.keyboard.press("Control+k");
    await field.waitFor();
    await page.keyboard.press("Escape");
    await field.waitFor({ state: "detached" });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("Sessions");

    await page.keyboard.press("Control+k");
    await field.fill("timel");
    await page.keyboard.press("Enter");
    await heading(page, "Timeline").waitFor();

    await page.keyboard.press("Control+k");
    await field.fill("known bef");
    await page
      .getByRole("dialog", { name: "Search and commands" })
      .getByRole("option", { name: /Known before/ })
      .first()
      .waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/sessions\/ses_/);

    await page.keyboard.press("Control+k");
    await field.fill("dark theme");
    await page.keyboard.press("Enter");
    await eventually(() => page.evaluate(() => document.documentElement.dataset["theme"])).toBe("dark");
  });

  test("keys go to places, do nothing while someone types, and can be switched off", async () => {
    const page = await visit("/health");
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await heading(page, "Sessions").waitFor();
    await page.getByRole("searchbox").first().fill("");
    await page.getByRole("searchbox").first().pressSequentially("gt?n");
    expect(await heading(page, "Sessions").isVisible()).toBe(true);
    expect(await page.getByRole("dialog").count()).toBe(0);

    await page.goto(`${server.url}/settings/appearance`);
    await page.getByRole("switch", { name: "Single-key shortcuts" }).click();
    await page.getByRole("heading", { level: 1 }).click();
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(new URL(page.url()).pathname).toBe("/settings/appearance");
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog", { name: "Search and commands" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("switch", { name: "Single-key shortcuts" }).click();
    await page.getByRole("heading", { level: 1 }).click();
    await page.keyboard.press("?");
    const map = page.getByRole("dialog", { name: "Keyboard" });
    for (const name of ["Go to", "Anywhere"]) await map.getByRole("region", { name }).waitFor();
  });

  test("the account menu opens, and Escape gives the focus back to it", async () => {
    const page = await visit("/health");
    await page.getByRole("button", { name: /^Account/ }).press("Enter");
    await page.getByRole("menuitem", { name: /Sign out/ }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("menu").waitFor({ state: "detached" });
    await eventually(() => page.evaluate(() => document.activeElement?.textContent)).toMatch(/^Account/);
  });
});

describe("the navigation", () => {
  test("leads to every place, and folds to icons for good", async () => {
    const page = await visit("/");
    const main = page.getByRole("navigation", { name: "Main" }).first();
    for (const place of ["Sessions", "Rooms", "Runs", "Timeline", "Policy", "Audit", "Health", "Settings"]) {
      await main.getByRole("link", { name: place }).click();
      await heading(page, place).waitFor();
    }
    await page.keyboard.press("[");
    await page.getByRole("button", { name: "Unfold the navigation" }).waitFor();
    await page.reload();
    await page.getByRole("button", { name: "Unfold the navigation" }).click();
    await page.getByRole("button", { name: "Fold the navigation" }).waitFor();
  });

  test("on a phone four places and a new session are under the thumb, the rest behind More", async () => {
    const page = await visit("/", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const main = page.getByRole("navigation", { name: "Main" });
    for (const place of ["Sessions", "Rooms", "Runs"]) {
      await main.getByRole("link", { name: place }).tap();
      await heading(page, place).waitFor();
    }
    for (const place of ["Timeline", "Policy", "Audit", "Health", "Settings"]) {
      await main.getByRole("button", { name: "More" }).tap();
      await page.getByRole("dialog", { name: "More" }).getByRole("link", { name: place }).tap();
      await heading(page, place).waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth), place).toBeLessThanOrEqual(390);
    }
  });

  test("what waits is counted in the navigation and the title, and lights the tab's icon until it is decided", async () => {
    const page = await visit("/health");
    const icon = (): Promise<string | null> => page.locator("link[rel=icon]").getAttribute("href");
    expect(await icon()).toBe("/icon.svg");
    const asked = await client.call(requestApproval, {
      body: {
        action: "external.write",
        title: "Lights the lamp",
        params: { to: "https://example.com" },
        request: { purpose: "To see it lit." },
      },
    });
    await eventually(() => page.title()).toBe("(1) Health · Signalbox");
    await eventually(icon).toBe("/icon-lit.svg");
    await page.getByRole("link", { name: "Needs you 1 waiting" }).first().waitFor();
    await client.call(decideApproval, { params: { id: asked.id }, body: { decision: "deny" } });
    await eventually(() => page.title()).toBe("Health · Signalbox");
    await eventually(icon).toBe("/icon.svg");
  });
});

describe("when nobody answers", () => {
  test(
    "nothing is said for five seconds; then the last known state stands, also after a reload, and goes on by itself",
    { timeout: 120_000 },
    async () => {
      const page = await visit("/sessions", { serviceWorkers: "allow" });
      await page
        .getByRole("link", { name: /Known before/ })
        .first()
        .waitFor();
      await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
      // Once under the worker, so that the parts of this page are kept; and long enough for what is known to be written.
      await page.reload();
      await page
        .getByRole("link", { name: /Known before/ })
        .first()
        .waitFor();
      await page
        .getByRole("link", { name: /Known before/ })
        .first()
        .click();
      await page.getByRole("heading", { name: "Known before" }).first().waitFor();
      await page.waitForTimeout(3_000);

      await page.context().setOffline(true);
      const notice = page.getByText(/What you see is the last known state/);
      await page.waitForTimeout(2_000);
      expect(await notice.count()).toBe(0);
      await notice.waitFor({ timeout: 20_000 });
      expect(await page.getByText(/refresh/i).count()).toBe(0);

      await page.reload();
      await page.getByRole("heading", { name: "Known before" }).first().waitFor({ timeout: 20_000 });
      await notice.waitFor({ timeout: 20_000 });
      expect(await page.getByText("Try again").count()).toBe(0);
      await page.goto(`${server.url}/sessions`);
      await page
        .getByRole("link", { name: /Known before/ })
        .first()
        .waitFor({ timeout: 20_000 });

      await page.context().setOffline(false);
      await notice.waitFor({ state: "detached", timeout: 30_000 });
      await client.call(createSession, { body: { source: { type: "scratch" }, title: "Since then", sandbox: "deferred" } });
      await page
        .getByRole("link", { name: /Since then/ })
        .first()
        .waitFor({ timeout: 30_000 });
    },
  );

  test("signing out takes what was known out of the browser", async () => {
    const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
    const page = await visit(pathname + search, { storageState: STRANGER });
    await page
      .getByRole("link", { name: /Sessions/ })
      .first()
      .waitFor();
    const known = (): Promise<number> =>
      page.evaluate(
        () =>
          new Promise<number>((resolve, reject) => {
            const opening = indexedDB.open("keyval-store");
            opening.addEventListener("error", () => reject(opening.error));
            opening.addEventListener("success", () => {
              const db = opening.result;
              const done = (n: number): void => {
                db.close();
                resolve(n);
              };
              if (!db.objectStoreNames.contains("keyval")) return done(0);
              const counting = db.transaction("keyval").objectStore("keyval").count();
              counting.addEventListener("success", () => done(counting.result));
            });
          }),
      );
    await eventually(known).toBe(1);
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await heading(page, "You are signed out").waitFor();
    await page.waitForTimeout(2_500);
    expect(await known()).toBe(0);
  });

  test("a new version that was deployed meanwhile is loaded by the next move to another page", async () => {
    const page = await visit("/health", { serviceWorkers: "block" });
    await page.evaluate(() => ((globalThis as { old?: boolean }).old = true));
    const isOld = (): Promise<boolean> => page.evaluate(() => (globalThis as { old?: boolean }).old === true);
    // What the server's page names is the only sign of a version: another script, another version.
    await page.context().route(`${server.url}/`, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace(/\/assets\/index-[^"]*\.js/, "/assets/index-NEXT.js") });
    });
    // It looks whenever it comes back from being cut off, and has looked when it asked for this page's source.
    const looked = page.waitForResponse(`${server.url}/`);
    await page.context().setOffline(true);
    await eventually(() => page.evaluate(() => navigator.onLine)).toBe(false);
    await page.context().setOffline(false);
    await (await looked).finished();
    const main = page.getByRole("navigation", { name: "Main" }).first();
    // What it heard it may still be reading: then it is the move after the next.
    await eventually(async () => {
      for (const place of ["Sessions", "Health"]) {
        await main.getByRole("link", { name: place }).click();
        await heading(page, place).waitFor();
      }
      return isOld();
    }).toBe(false);
  });
});

describe("the service worker", () => {
  test("keeps the shell and nothing of the API", async () => {
    const page = await visit("/sessions", { serviceWorkers: "allow" });
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await page.reload();
    await page
      .getByRole("link", { name: /Known before/ })
      .first()
      .waitFor();
    const kept = await page.evaluate(async () => {
      const names = await caches.keys();
      const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
      return requests.flat().map(({ url }) => new URL(url).pathname);
    });
    expect(kept).toContain("/");
    expect(kept.some((path) => /^\/assets\/index-.*\.js$/.test(path))).toBe(true);
    expect(kept.filter((path) => /^\/(v1|llm|metrics)/.test(path))).toEqual([]);
  });

  test("a note is shown with its buttons, and a button opens exactly its record in the tab that is open, deciding nothing", async () => {
    const asked = await client.call(requestApproval, {
      body: {
        action: "external.write",
        title: "Asked by a note",
        params: { to: "https://example.com" },
        request: { purpose: "To be opened." },
      },
    });
    const page = await visit("/health", { serviceWorkers: "allow" });
    await page.context().grantPermissions(["notifications"], { origin: server.url });
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await page.reload();
    await heading(page, "Health").waitFor();
    const [worker] = page.context().serviceWorkers();
    expect(worker).toBeDefined();
    await worker!.evaluate(async (id) => {
      const scope = globalThis as unknown as {
        dispatchEvent(event: Event): boolean;
        registration: { getNotifications(): Promise<unknown[]>; showNotification(title: string, options: unknown): Promise<void> };
      } & Record<string, new (type: string, init: unknown) => Event>;
      const data = JSON.stringify({
        title: "Asked by a note",
        body: "external.write",
        url: `/approvals/${id}`,
        tag: `approval:${id}`,
        kind: "approval",
        approval_id: id,
        actions: [
          { action: "approve", title: "Approve" },
          { action: "deny", title: "Deny" },
          { action: "steal", title: "Not one of ours" },
        ],
      });
      scope.dispatchEvent(new scope["PushEvent"]!("push", { data }));
      for (let i = 0; i < 50 && (await scope.registration.getNotifications()).length === 0; i++)
        await new Promise((resolve) => setTimeout(resolve, 50));
    }, asked.id);
    const shown = await worker!.evaluate(async () => {
      const { registration } = globalThis as unknown as {
        registration: { getNotifications(): Promise<{ title: string; tag: string; actions: { action: string }[] }[]> };
      };
      return (await registration.getNotifications()).map(({ title, tag, actions }) => ({
        title,
        tag,
        actions: actions.map(({ action }) => action),
      }));
    });
    expect(shown).toEqual([{ title: "Asked by a note", tag: `approval:${asked.id}`, actions: ["approve", "deny"] }]);
    await worker!.evaluate(async () => {
      const scope = globalThis as unknown as {
        dispatchEvent(event: Event): boolean;
        registration: { getNotifications(): Promise<unknown[]> };
      } & Record<string, new (type: string, init: unknown) => Event>;
      const [notification] = await scope.registration.getNotifications();
      scope.dispatchEvent(new scope["NotificationEvent"]!("notificationclick", { notification, action: "approve" }));
    });
    await page.waitForURL(new RegExp(`/approvals/${asked.id}\\?decide=approve$`));
    await page.getByText("Asked by a note").first().waitFor();
    const { status } = await client.call(getApproval, { params: { id: asked.id } });
    expect(status).toBe("pending");
    await client.call(decideApproval, { params: { id: asked.id }, body: { decision: "deny" } });
  });
});
