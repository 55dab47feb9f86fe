/* What a person does beside a running session, from the command line. The session is made through the log; nobody runs it. */
import { databaseTest } from "@signalbox/testkit/database";
import { processEnvironment } from "@signalbox/testkit/environment";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startComposed, type Composed } from "../../server/src/composed.fixture.ts";
import { addQueued, addTurn, beginSession, type Author } from "../../server/src/modules/sessions/long-session.fixture.ts";

const MAIN = join(import.meta.dirname, "main.ts");
// Each command is a process of its own.
vi.setConfig({ testTimeout: 120_000 });
const database = databaseTest();
let server: Composed;
let author: Author;
let url: string;

beforeAll(async () => {
  server = await startComposed(database, { environment: { SIGNALBOX_DEMO: "1" } });
  url = `http://127.0.0.1:${await server.server.listen()}`;
  author = { log: server.server.log, organizationId: "ws_dev", by: "usr_owner" };
}, 60_000);
afterAll(() => server?.close());

function run(...argv: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, "session", ...argv, "--url", url, "--token", server.owner], {
    env: processEnvironment({ HOME: server.dataDir, SIGNALBOX_DATA_DIR: server.dataDir }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

test("the queue is listed, changed, put in another order and shortened; with --json it is the contract's page", async () => {
  const of = await beginSession(author);
  expect((await run("queue", of.sessionId)).out).toBe("Nothing waits.\n");
  const [first, second] = [await addQueued(author, of, "first"), await addQueued(author, of, "second")];
  expect((await run("queue", of.sessionId)).out).toMatch(new RegExp(`1 +${first} .*first\\n2 +${second} .*second\\n`));
  expect((await run("queue", of.sessionId, "--edit", first, "--text", "first, but better")).out).toContain("first, but better");
  expect((await run("queue", of.sessionId, "--edit", first)).err).toMatch(/The new text is missing/);
  const moved = JSON.parse((await run("queue", of.sessionId, "--move", second, "--before", first, "--json")).out);
  expect(moved.items.map((one: { run_id: string }) => one.run_id)).toEqual([second, first]);
  expect((await run("queue", of.sessionId, "--move", second, "--cancel", first)).code).toBe(2);
  expect((await run("queue", of.sessionId, "--cancel", second)).out).not.toContain(second);
  expect((await run("queue", of.sessionId, "--cancel", second)).code).toBe(4);
});

test("a link is made and shown once, listed without its secret, and ended", async () => {
  const of = await beginSession(author);
  expect((await run("share", of.sessionId, "--list")).out).toBe("No links.\n");
  const made = await run("share", of.sessionId, "--for", "24");
  expect(made.err).toMatch(/shown this once/);
  const link = new URL(made.out.trim());
  const [id] = /^\S+/.exec(made.err)!;
  const listed = await run("share", of.sessionId, "--list");
  expect(listed.out).toMatch(new RegExp(`${id} +active`));
  expect(listed.out).not.toContain(link.pathname.split("/").at(-1));
  expect((await run("share", of.sessionId, "--revoke", id)).out).toBe(`${id} revoked\n`);
  expect((await run("share", of.sessionId, "--for", "long")).err).toMatch(/not a number of hours/);
});

test("model and budget are changed; what cannot be is refused with the reason", async () => {
  const of = await beginSession(author, { budget: 1_000_000 });
  await addTurn(author, of, { tools: 1 });
  const [model] = (await server.call("GET", "/v1/models", { token: server.owner })).body.items;
  expect((await run("model", of.sessionId, model.id)).out).toBe(`${of.sessionId} ${model.id}\n`);
  expect((await run("model", of.sessionId, "no-such-model")).code).toBe(4);
  expect((await run("budget", of.sessionId, "2.50")).out).toMatch(/ of \$2\.50\n$/);
  expect((await run("budget", of.sessionId, "much")).code).toBe(2);
  const low = await run("budget", of.sessionId, "0.0001");
  expect([low.code, low.out]).toEqual([4, ""]);
});

test("a session that has ended is archived, brought back and deleted, and is in no list then", async () => {
  const of = await beginSession(author, { title: "To be deleted from here" });
  expect((await run("delete", of.sessionId)).err).toMatch(/Stop it first/);
  expect((await run("stop", of.sessionId)).code).toBe(0);
  expect(await run("archive", of.sessionId)).toMatchObject({ code: 0, out: `${of.sessionId} archived\n` });
  expect((await run("list")).out).not.toContain(of.sessionId);
  expect(await run("archive", of.sessionId, "--undo")).toMatchObject({ code: 0, out: `${of.sessionId} back in the list\n` });
  expect((await run("list")).out).toContain(of.sessionId);
  expect(await run("delete", of.sessionId)).toMatchObject({ code: 0, out: `${of.sessionId} deleted\n` });
  expect((await run("list")).out).not.toContain(of.sessionId);
  expect((await run("show", of.sessionId)).code).toBe(4);
});
