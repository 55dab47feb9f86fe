/* The composed server with several people in it, each in a browser of their own: where two meet, they are two. */
import { accept, type Decider } from "@signalbox/kernel/decider";
import type { TestDatabase } from "@signalbox/testkit/database";
import type { Browser, Page } from "playwright-core";
import { startComposed, type Composed } from "../../server/src/composed.fixture.ts";
import type { TabOptions } from "./browser.ts";
import { personAt, type Person } from "./person.ts";

const anything: Decider<null, { type: string; data: object }, { type: string; data: object }, never> = {
  initial: null,
  decide: (_state, event) => accept(event),
  evolve: () => null,
};

export interface People {
  readonly server: Composed;
  readonly url: string;
  /** A page of that person's own browser, on `path`. */
  visit(token: string, path: string, options?: TabOptions): Promise<Page>;
  post<Body>(token: string, path: string, body: object): Promise<Body>;
  /** What no route of the product does by itself: as it stands in the log of that room. */
  append(room: string, subject: string, type: string, data: object, origin?: object): Promise<void>;
  /** Leaves all pages; what they complained of, but for what tests provoke, fails. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

export async function startWithPeople(
  database: Pick<TestDatabase, "connection">,
  browser: Browser,
  options: Parameters<typeof startComposed>[1] = {},
): Promise<People> {
  const server = await startComposed(database, options);
  const url = `http://127.0.0.1:${await server.server.listen()}`;
  const persons = new Map<string, Person>();
  const post = async <Body>(token: string, path: string, body: object): Promise<Body> => {
    const answer = await server.call("POST", path, { token, body });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Body;
  };
  return {
    server,
    url,
    post,
    async visit(token, path, of = {}) {
      const person = persons.get(token) ?? personAt({ url, token }, browser);
      persons.set(token, person);
      const page = await person.visit(path, of);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      return page;
    },
    async leave() {
      for (const person of persons.values()) await person.leave();
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
    close: () => server.close(),
  };
}
