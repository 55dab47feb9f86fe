/* A person at a browser on a server of the test's own: signed in, and whatever their pages complain of fails the test. */
import { createClient } from "@signalbox/client/client";
import { createLoginCode } from "@signalbox/contract/identity";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { expect } from "vitest";
import { openPage } from "./browser.ts";
import type { ServerProcess } from "./server.ts";

export interface Person {
  /** `fresh`: a browser that was never here, signed in by a new link, wherever that leads. */
  visit(path: string, options?: Parameters<typeof openPage>[1]): Promise<Page>;
  enter(): Promise<Page>;
  /** Closes the pages; a complaint that is no refusal fails. */
  leave(): Promise<void>;
}

export function personAt(server: ServerProcess, browser: Browser): Person {
  const client = createClient({ baseUrl: server.url, token: server.token });
  let state: Awaited<ReturnType<BrowserContext["storageState"]>> | undefined;
  let open: { page: Page; complaints: string[] }[] = [];
  const openOne = async (options: Parameters<typeof openPage>[1]): Promise<Page> => {
    const opened = await openPage(browser, options);
    open.push(opened);
    return opened.page;
  };
  const enter = async (): Promise<Page> => {
    const page = await openOne({});
    const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
    await page.goto(server.url + pathname + search);
    await page.getByRole("navigation", { name: "Main" }).first().waitFor();
    return page;
  };
  return {
    enter,
    async visit(path, options = {}) {
      state ??= await (await enter()).context().storageState();
      const page = await openOne({ storageState: state, ...options });
      await page.goto(server.url + path);
      return page;
    },
    async leave() {
      const complaints = open.flatMap((each) => each.complaints);
      await Promise.all(open.map(({ page }) => page.context().close()));
      open = [];
      // A refusal that a test provokes is logged by the browser as a failed load; everything else is a fault of ours.
      expect(complaints.filter((text) => !/status of (401|403|404|409|422)/.test(text))).toEqual([]);
    },
  };
}
