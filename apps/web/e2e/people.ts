/* The composed server with several people in it, each in a browser of their own: where two meet, they are two. */
import { accept, type Decider } from "@signalbox/kernel/decider";
import type { TestDatabase } from "@signalbox/testkit/database";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { startComposed, type Composed } from "../../server/src/composed.fixture.ts";
import { openPage } from "./browser.ts";

const anything: Decider<null, { type: string; data: object }, { type: string; data: object }, never> = {
  initial: null,
  decide: (_state, event) => accept(event),
  evolve: () => null,
};

export interface People {
  readonly server: Composed;
  readonly url: string;
  /** What consoles complained about so far, without what tests provoke; forgotten once told. */
  complaints(): string[];
  /** A page of that person's own browser, on `path`. */
  visit(token: string, path: string, options?: BrowserContextOptions): Promise<Page>;
  post<Body>(token: string, path: string, body: object): Promise<Body>;
  /** What no route of the product does by itself: as it stands in the log of that room. */
  append(room: string, subject: string, type: string, data: object, origin?: object): Promise<void>;
  closePages(): Promise<void>;
  close(): Promise<void>;
}

export async function startWithPeople(
  database: Pick<TestDatabase, "connection">,
  browser: Browser,
  options: Parameters<typeof startComposed>[1] = {},
): Promise<People> {
  const server = await startComposed(database, options);
  const url = `http://127.0.0.1:${await server.server.listen()}`;
  /** Of who came in before: one link each is enough. */
  const cookies = new Map<string, Awaited<ReturnType<BrowserContext["storageState"]>>>();
  let open: { page: Page; complaints: string[] }[] = [];
  const post = async <Body>(token: string, path: string, body: object): Promise<Body> => {
    const answer = await server.call("POST", path, { token, body });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Body;
  };
  const closePages = async (): Promise<void> => {
    const pages = open;
    open = [];
    await Promise.all(pages.map(({ page }) => page.context().close()));
  };
  return {
    server,
    url,
    post,
    closePages,
    complaints: () => open.flatMap(({ complaints }) => complaints.splice(0)).filter((text) => !/status of (404|409|422)/.test(text)),
    async visit(token, path, of = {}) {
      const known = cookies.get(token);
      const opened = await openPage(browser, { ...(known === undefined ? {} : { storageState: known }), ...of });
      open.push(opened);
      // Nobody here is new: the welcome is another test's.
      await opened.page.addInitScript(() => localStorage.setItem("signalbox.welcome.ws_dev", "seen"));
      if (known === undefined) {
        const { url: link } = await post<{ url: string }>(token, "/v1/auth/login-codes", {});
        const { pathname, search } = new URL(link);
        await opened.page.goto(url + pathname + search);
        await opened.page.locator("#main").waitFor();
        cookies.set(token, await opened.page.context().storageState());
      }
      await opened.page.goto(url + path);
      await opened.page.getByRole("heading", { level: 1 }).first().waitFor();
      return opened.page;
    },
    async append(room, subject, type, data, origin = {}) {
      await server.server.log.run(
        anything,
        {
          organizationId: "ws_dev",
          origin: { principal: { id: "svc_signalbox", type: "service" }, roomId: room, ...origin } as never,
          stream: { type: "room", id: room },
          subject,
        },
        { type, data },
      );
    },
    async close() {
      await closePages();
      await server.close();
    },
  };
}
