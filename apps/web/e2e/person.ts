/* A person at a browser on a server of the test's own: signed in, and whatever their pages complain of fails the test. */
import { createClient } from "@signalbox/client/client";
import { createLoginCode } from "@signalbox/contract/identity";
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { openPage, tabsOf, type SignedIn, type TabOptions } from "./browser.ts";

export interface Person {
  /** In a tab of their browser, or of one that is as `options` say. */
  visit(path: string, options?: TabOptions): Promise<Page>;
  /** A browser that was never here, signed in by a new link, wherever that leads. */
  enter(): Promise<Page>;
  /** Leaves the pages; a complaint that is neither a refusal nor one of `expected` fails. */
  leave(expected?: RegExp): Promise<void>;
}

export function personAt(server: { readonly url: string; readonly token: string }, browser: Browser): Person {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const tabs = tabsOf(browser, server.url);
  let state: SignedIn | undefined;
  let entered: { page: Page; complaints: string[] }[] = [];
  const enter = async (): Promise<Page> => {
    const opened = await openPage(browser, { serviceWorkers: "block" });
    entered.push(opened);
    const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
    await opened.page.goto(server.url + pathname + search);
    await opened.page.getByRole("navigation", { name: "Main" }).first().waitFor();
    return opened.page;
  };
  return {
    enter,
    async visit(path, options = {}) {
      if (state === undefined) {
        const page = await enter();
        // Nobody here is new: the welcome is another test's.
        await page.evaluate(() => localStorage.setItem("signalbox.welcome.ws_dev", "seen"));
        state = await page.context().storageState();
      }
      const page = await tabs.open({ storageState: state, ...options });
      await page.goto(server.url + path);
      return page;
    },
    async leave(expected) {
      const strangers = entered;
      entered = [];
      await Promise.all([tabs.leave(), ...strangers.map(({ page }) => page.context().close())]);
      const complaints = [...tabs.complaints(), ...strangers.flatMap((each) => each.complaints)];
      // A refusal that a test provokes is logged by the browser as a failed load; everything else is a fault of ours.
      const isFault = (text: string): boolean =>
        !/status of (400|401|403|404|409|410|422|503)/.test(text) && !(expected?.test(text) ?? false);
      expect(complaints.filter(isFault)).toEqual([]);
    },
  };
}
