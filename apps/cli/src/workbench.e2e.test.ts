/* Into a sandbox from the command line, against a real server process and a real sandbox. */
import { createClient, type Client } from "@signalbox/client/client";
import { createSession, getSession } from "@signalbox/contract/sessions";
import { listTerminals } from "@signalbox/contract/workbench";
import type { SessionId } from "@signalbox/contract/primitives";
import { processEnvironment } from "@signalbox/testkit/environment";
import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type RunningServer } from "./server-process.ts";

const MAIN = join(import.meta.dirname, "main.ts");
let place: string;
let server: RunningServer;
let client: Client;
let id: SessionId;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "signalbox-cli-"));
  await chmod(place, 0o711);
  server = await startServer(join(place, "data"));
  client = createClient({ baseUrl: server.url, token: server.token });
  ({ id } = await client.call(createSession, { body: { source: { type: "scratch" }, sandbox: "immediate" } }));
  while ((await client.call(getSession, { params: { id } })).status !== "running") await new Promise((resolve) => setTimeout(resolve, 100));
}, 150_000);
afterAll(async () => {
  await server?.stop();
  await rm(place, { recursive: true, force: true });
}, 60_000);

function run(argv: string[], input?: string): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    env: processEnvironment({ HOME: place, SIGNALBOX_DATA_DIR: join(place, "data") }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.write(input ?? "");
  if (input === undefined) child.stdin.end();
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

test("a shell in the sandbox: what is typed runs there, its end is the command's", async () => {
  const made = await run(["session", "terminal", id], "pwd; printf 'a\\tb' > made-here; mkdir -p sub; exit 0\n");
  expect(made.code, made.err).toBe(0);
  expect(made.out).toContain("/workspace\r\n");
  expect((await run(["session", "terminal", id], "exit 3\n")).code).toBe(1);
  const { items } = await client.call(listTerminals, { params: { id } });
  expect(items.map(({ alive, exit }) => [alive, exit?.code])).toEqual([
    [false, 0],
    [false, 3],
  ]);
  const none = await run(["session", "terminal", id, "-t", `trm_${"0".repeat(26)}`]);
  expect([none.code, none.err]).toEqual([4, "There is no such terminal, or you may not see it.\n"]);
});

test("files are listed, and printed byte for byte", async () => {
  const listed = await run(["session", "files", id]);
  expect(listed.out).toMatch(/SIZE +CHANGED +NAME\n(.*\n)*directory +.* sub\/\n3 +.* made-here\n/);
  expect(await run(["session", "files", id, "made-here"])).toMatchObject({ code: 0, out: "a\tb" });
  expect(JSON.parse((await run(["session", "files", id, "made-here", "--json"])).out)).toMatchObject({ content: "a\tb", size_bytes: 3 });
  const outside = await run(["session", "files", id, "../etc/passwd"]);
  expect([outside.code, outside.out]).toEqual([4, ""]);
});

test("a preview's address is printed, and leads there", async () => {
  const made = await run(["session", "preview", id, "3000"]);
  expect(made).toMatchObject({ code: 0 });
  expect(made.out).toMatch(/^http:\/\/[0-9a-z]{52}\.preview\.localhost:\d+\/\n$/);
  expect((await run(["session", "preview", id, "http"])).code).toBe(2);
});
