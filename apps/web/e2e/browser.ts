/*
 * The browser of the test files, and their tabs. A worker keeps one for all of its files (2.7 s of processor to open and
 * close); a file has contexts of its own in it, and the next finds none of them. A tab that a test is done with is emptied and used by the next one: a new
 * context costs three times what the page in it does, for it begins without the scripts that the last one compiled.
 */
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

const FLAGS =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage".split(
    " ",
  );

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });

let kept: Promise<Browser> | undefined;

/** For a test file, until it gives it back. It ends with the worker: Playwright takes it along. */
export async function borrowBrowser(): Promise<Browser> {
  const known = await kept?.catch(() => undefined);
  if (known?.isConnected() !== true) kept = openBrowser();
  return kept!;
}

/** Whatever the file opened is closed. */
export async function giveBack(browser: Browser | undefined): Promise<void> {
  await Promise.all((browser?.contexts() ?? []).map((context) => context.close()));
}

/** What a browser remembers of who came in. */
export type SignedIn = Awaited<ReturnType<BrowserContext["storageState"]>>;

/** A page whose complaints count: an exception, a console error or a refused policy fails the test that looks at `complaints`. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
  // What moves is painted sixty times a second by the processor, which is a sixth of what a test costs; tests of motion ask for it.
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
  // A guess about the machine, as in vitest.config.ts; the test's own time ends what never happens.
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Which a browser asks for where a document names no icon: not our pages, but the picture that a tab is emptied with.
    if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico")) complaints.push(message.text());
  });
  return { page, complaints };
}

/** Nobody: a browser that knows nothing. */
export const STRANGER: SignedIn = { cookies: [], origins: [] };

export interface TabOptions extends Omit<BrowserContextOptions, "storageState"> {
  readonly storageState?: SignedIn;
}

export interface Tabs {
  /** An empty tab with that state. Without the service worker, unless it is allowed: what that keeps ends with its browser. */
  open(options?: TabOptions): Promise<Page>;
  /** What the pages said so far, and is forgotten with that. */
  complaints(): string[];
  /** The end of a test: every page is left, so that nobody looks any more. */
  leave(): Promise<void>;
}

interface Tab {
  readonly page: Page;
  readonly complaints: string[];
  readonly key: string;
  readonly state: SignedIn;
  readonly isKept: boolean;
}

export function tabsOf(browser: Browser, url: string): Tabs {
  let [open, empty]: [Tab[], Tab[]] = [[], []];
  let told: string[] = [];
  return {
    async open(options = {}) {
      const key = JSON.stringify(options);
      const known = empty.find((tab) => tab.key === key);
      if (known !== undefined) {
        empty = empty.filter((tab) => tab !== known);
        open.push(known);
        return known.page;
      }
      const tab = {
        ...(await openPage(browser, { serviceWorkers: "block", ...options })),
        key,
        state: options.storageState ?? STRANGER,
        isKept: options.serviceWorkers !== "allow",
      };
      open.push(tab);
      return tab.page;
    },
    complaints: () => [...told.splice(0), ...open.flatMap(({ complaints }) => complaints.splice(0))],
    async leave() {
      const leaving = open;
      open = [];
      await Promise.all(leaving.map(async (tab) => (await emptied(tab, url)) && empty.push(tab)));
      told = leaving.flatMap(({ complaints }) => complaints.splice(0));
    },
  };
}

/** Whether the tab can be used again. */
async function emptied({ page, state, isKept }: Tab, url: string): Promise<boolean> {
  const context = page.context();
  if (!isKept || page.isClosed()) {
    await context.close();
    return false;
  }
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await context.unrouteAll({ behavior: "ignoreErrors" });
  await Promise.all(
    context
      .pages()
      .filter((other) => other !== page)
      .map((other) => other.close()),
  );
  // A picture of the same origin: no script of ours runs there, and what the origin keeps can be taken away.
  await page.goto(`${url}/icon.svg`);
  const { origins } = state;
  await page.evaluate(
    async (items) => {
      sessionStorage.clear();
      localStorage.clear();
      for (const { name, value } of items) localStorage.setItem(name, value);
      for (const { name } of await indexedDB.databases()) {
        await new Promise((resolve) => {
          const request = indexedDB.deleteDatabase(name!);
          for (const end of ["success", "error", "blocked"]) request.addEventListener(end, resolve, { once: true });
        });
      }
    },
    origins.find(({ origin }) => origin === new URL(url).origin)?.localStorage ?? [],
  );
  await context.clearCookies();
  await context.addCookies(state.cookies);
  return true;
}
