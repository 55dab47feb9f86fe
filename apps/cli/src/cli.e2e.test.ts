/* The command line as people and programs run it, against a real server process. */
import { createClient, type Client } from "@signalbox/client/client";
import { createRoom } from "@signalbox/contract/rooms";
import { cancelRun, createRun, getRun, listAttempts, listToolCalls } from "@signalbox/contract/runs";
import { requestApproval } from "@signalbox/contract/approvals";
import { processEnvironment } from "@signalbox/testkit/environment";
import { startModelApi } from "@signalbox/testkit/model-api";
import { spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startServer, type RunningServer } from "./server-process.ts";

// Each test is several programs, each of which has to start.
vi.setConfig({ testTimeout: 90_000 });

const MAIN = join(import.meta.dirname, "main.ts");
const AGENT = `${process.execPath} ${join(import.meta.dirname, "acp-agent.fixture.ts")}`;
let place: string;
let server: RunningServer;
let client: Client;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "signalbox-cli-"));
  await chmod(place, 0o711);
  server = await startServer(join(place, "data"));
  client = createClient({ baseUrl: server.url, token: server.token });
}, 120_000);
afterAll(async () => {
  await server?.stop();
  await rm(place, { recursive: true, force: true });
}, 60_000);

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(
  argv: string[],
  env: Record<string, string> = {},
  stdin: "ignore" | "pipe" = "ignore",
): { child: ChildProcess; done: Promise<Ran> } {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    env: processEnvironment({ HOME: place, SIGNALBOX_DATA_DIR: join(place, "data"), ...env }),
    stdio: [stdin, "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr!.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return { child, done: new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err }))) };
}
const run = (...argv: string[]): Promise<Ran> => start(argv).done;

async function task(goal: string): Promise<{ roomId: string; runId: string }> {
  const room = await client.call(createRoom, { body: { title: goal } });
  const made = await client.call(createRun, { body: { room_id: room.id, title: goal, goal } });
  return { roomId: room.id, runId: made.id };
}

test("without a server it says what is missing and how to get it", async () => {
  const { code, err } = await start(["inbox"], { SIGNALBOX_DATA_DIR: join(place, "nowhere") }).done;
  expect(code).toBe(2);
  expect(err).toMatch(/error: No server is known\.\n {2}why: .*server\.json cannot be read\.\n {2}fix: Start one with `npm start`/);
});

test("a server that does not answer is told apart from one that refuses", async () => {
  const gone = await run("inbox", "--url", "http://127.0.0.1:9", "--token", "x");
  expect(gone).toMatchObject({ code: 3, out: "" });
  const refused = await run("session", "show", "ses_01J00000000000000000000000");
  expect(refused.code).toBe(4);
  expect(refused.err).toContain("error: ");
});

test("a wrong token is refused without repeating it", async () => {
  const { code, err } = await run("inbox", "--url", server.url, "--token", "sbt_secretsecretsecret");
  expect(code).toBe(3);
  expect(err).not.toContain("secretsecret");
});

test("with --json an error is JSON on stdout, and nothing else is", async () => {
  const { code, out } = await run("session", "show", "nonsense", "--json");
  expect(code).toBe(4);
  expect(JSON.parse(out)).toMatchObject({ error: { code: "invalid_request" } });
});

test("an unknown command is a usage error", async () => {
  expect((await run("frobnicate")).code).toBe(2);
});

test("a model is connected, listed and removed, with its key from standard input and never shown", async () => {
  const api = await startModelApi({ key: "stand-in-key-0123456789" });
  try {
    const piped = (key: string, ...argv: string[]): Promise<Ran> => {
      const { child, done } = start(argv, {}, "pipe");
      child.stdin?.end(`${key}\n`);
      return done;
    };
    const to = ["openai-compatible", "--base-url", `${api.origin}/v1`, "--key-stdin"];
    const wrong = await piped("wrong-key-0123456789", "models", "check", ...to);
    expect([wrong.code, wrong.out]).toEqual([1, expect.stringMatching(/does not accept this key/)]);
    const added = await piped("stand-in-key-0123456789", "models", "add", ...to, "--name", "local");
    expect([added.code, added.out]).toEqual([0, "connected local: 2 models\n"]);
    const listed = await run("models", "list");
    expect(listed.out).toMatch(/local +openai-compatible +settings +…6789 +ok +2 \(default\)/);
    expect((await run("models", "default", "claude-haiku-4-5")).out).toBe("default model: claude-haiku-4-5\n");
    expect((await run("models", "default")).code).toBe(0);
    expect((await run("models", "remove", "local")).out).toBe("removed local\n");
    expect((await run("models", "remove", "local")).code).toBe(4);
    expect((await run("models", "add", "openai")).err).toMatch(/--key-stdin/);
    expect((await run("models", "add", "something")).code).toBe(2);
  } finally {
    await api.close();
  }
});

test("what waits is listed, and approving it empties the inbox", async () => {
  const { roomId } = await task("approvals");
  const approval = await client.call(requestApproval, {
    body: { action: "external.write", title: "Publish the page", room_id: roomId, params: { path: "/" }, request: { purpose: "to test" } },
  });
  const listed = await run("inbox", "--verbose");
  expect(listed.out).toContain("Publish the page");
  expect(listed.out).toContain(approval.call_hash);
  expect(await run("approve", approval.id, "--reason", "looks right")).toMatchObject({ code: 0, out: "approved: Publish the page\n" });
  const late = await run("deny", approval.id);
  expect(late.code).toBe(4);
  expect((await run("inbox")).out).toBe("Nothing waits for you.\n");
});

test("the gate answers, and the exit code says yes or no", async () => {
  expect((await run("policy", "evaluate", "external.write")).code).toBe(1);
  const json = await run("policy", "evaluate", "external.write", "--json");
  expect(JSON.parse(json.out)).toMatchObject({ decision: "require_approval", reason_code: "external_write_requires_approval" });
});

describe("the log", () => {
  test("is exported to a file that is whole or not there, and verified offline with the keys alone", async () => {
    const [file, keys] = [join(place, "log.ndjson"), join(place, "keys.txt")];
    expect((await run("log", "export", "-o", file, "--keys", keys)).code).toBe(0);
    expect((await stat(file)).mode & 0o077).toBe(0);
    const verified = await run("log", "verify", file, "--key", keys, "--url", "http://127.0.0.1:9", "--token", "none");
    expect(verified).toMatchObject({ code: 0 });
    expect(verified.out).toMatch(/^valid: \d+ events in \d+ streams/);
  });

  test("fails verification when a word was changed, and the place is named", async () => {
    const [file, keys, forged] = [join(place, "log.ndjson"), join(place, "keys.txt"), join(place, "forged.ndjson")];
    await writeFile(forged, (await readFile(file, "utf8")).replace("Publish the page", "Publish the book"));
    const { code, out } = await run("log", "verify", forged, "--key", keys);
    expect(code).toBe(1);
    expect(out).toMatch(/NOT VALID[\s\S]*first mismatch: room:room_\w+ seq \d+ \(approval\.requested [0-9a-f-]+\): data_hash_mismatch/);
  });

  test("rebuilds every projection and finds no drift", async () => {
    const { code, out } = await run("log", "rebuild", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ drifted: false });
    expect((await run("inbox")).code).toBe(0);
    const one = await run("log", "rebuild", "--dry-run", "--projection", "approvals");
    expect(one.out).toMatch(
      /^PROJECTION +EVENTS {2}WAS\napprovals +\d+ {2}as the log says\n(All were made again|Nothing was changed)\. Appends waited \d+ ms at most\.\n$/,
    );
    expect((await run("log", "rebuild", "--projection", "nothing")).err).toContain("Projection not found");
  });
});

describe("an engine", () => {
  test("claims a run, lets an ACP agent work on it and reports every tool call", async () => {
    const { roomId, runId } = await task("write a poem");
    const { code } = await run("engine", "--once", "--room", roomId, "--dir", place, "--agent", AGENT);
    expect(code).toBe(0);
    expect(await client.call(getRun, { params: { id: runId } })).toMatchObject({
      status: "succeeded",
      summary: "Did: write a poem",
      attempt_no: 1,
    });
    const calls = await client.call(listToolCalls, { query: { run_id: runId } });
    expect(calls.items).toMatchObject([{ name: "read", title: "Look around", status: "succeeded", output: "a.txt" }]);
  });

  test("reports an agent that died in the middle as the run's failure", async () => {
    const { roomId, runId } = await task("please die");
    await run("engine", "--once", "--room", roomId, "--dir", place, "--agent", AGENT);
    expect(await client.call(getRun, { params: { id: runId } })).toMatchObject({ status: "failed", error: { code: "agent_failed" } });
  });

  test("that is stopped gives the run back for another", async () => {
    const { roomId, runId } = await task("hang");
    const first = start(["engine", "--room", roomId, "--dir", place, "--agent", AGENT, "--json"]);
    await expect.poll(async () => (await client.call(getRun, { params: { id: runId } })).status, { timeout: 15_000 }).toBe("running");
    first.child.kill("SIGTERM");
    await first.done;
    const attempts = await client.call(listAttempts, { params: { id: runId } });
    expect(attempts.items).toMatchObject([{ attempt_no: 1, end_reason: "released" }]);
    const second = start(["engine", "--once", "--room", roomId, "--dir", place, "--agent", AGENT]);
    await expect.poll(async () => (await client.call(getRun, { params: { id: runId } })).attempt_no, { timeout: 15_000 }).toBe(2);
    second.child.kill("SIGTERM");
    await second.done;
  }, 60_000);
});

test("whoever operates the installation lists its organizations and people, suspends and lets in again, sets what they may use, and reads the mail that waits", async () => {
  const made = JSON.parse((await run("--json", "organization", "create", "Acme\u001b[31m")).out);
  const listed = await run("admin", "organizations", "--q", made.id);
  expect(listed.out).toMatch(
    new RegExp(`^ID +STATE +MEMBERS +LIVE +EVENTS +SINCE +NAME\n${made.id} +open +1 +0 +\\d+ +\\d{4}-\\d\\d-\\d\\d +Acme\n$`),
  );
  expect((await run("admin", "people")).out).toMatch(/^usr_owner +open +- .*ws_dev:owner/m);
  expect((await run("admin", "suspend", made.id, "--reason", "an unpaid bill")).out).toContain(`signalbox admin restore ${made.id}`);
  expect((await run("admin", "organizations", "--q", made.id)).out).toContain(" suspended ");
  expect((await run("admin", "restore", made.id)).code).toBe(0);
  const limited = await run("--json", "admin", "quota", made.id, "--sessions", "3", "--storage-bytes", "default");
  expect(JSON.parse(limited.out)).toMatchObject({
    organization_id: made.id,
    sessions: { used: 0, limit: 3 },
    storage_bytes: { limit: null },
  });
  expect((await run("admin", "mail")).out).toBe("no mail waits\n");
  expect(JSON.parse((await run("--json", "admin", "sign-ins", "usr_owner")).out)).toEqual({ items: [] });
  for (const wrong of [
    ["quota", made.id],
    ["quota", made.id, "--sessions", "-1"],
    ["suspend", "nobody", "--reason", "an unpaid bill"],
  ]) {
    const refused = await run("admin", ...wrong);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/^error: .*\n {2}why: .*\n {2}fix: /);
  }
});

test("doctor finds this machine and this server fit", async () => {
  const { code, out } = await run("doctor");
  expect(out).toContain("isolation");
  expect({ code, out }).toMatchObject({ code: 0 });
});

test("a log of elsewhere is imported and listed, a run's receipt is kept and checked offline", async () => {
  const sample = join(import.meta.dirname, "../../server/samples/first-session.jsonl");
  const kept = JSON.parse((await run("--json", "log", "import", sample)).out);
  expect(kept).toMatchObject({ verified: true, source_organization_id: "ws_dev" });
  expect((await run("log", "imports")).out).toContain(kept.id);
  const forged = join(place, "forged.jsonl");
  await writeFile(forged, (await readFile(sample, "utf8")).replace("reproduce the failure", "reproduce the success"));
  const refused = await run("log", "import", forged);
  expect(refused.code).toBe(4);
  expect(refused.err).toMatch(/data hash mismatch/);
  expect((await run("log", "import", join(place, "nothing"))).err).toMatch(/cannot be read/);

  const { runId } = await task("receipt");
  expect((await run("run", "receipt", runId)).err).toMatch(/has its receipt once it has ended/);
  await client.call(cancelRun, { params: { id: runId }, body: {} });
  const [receipt, log, keys] = [join(place, "receipt.json"), join(place, "receipt.ndjson"), join(place, "receipt.keys")];
  expect((await run("run", "receipt", runId, "-o", receipt)).code).toBe(0);
  expect((await run("log", "export", "-o", log, "--keys", keys)).code).toBe(0);
  const offline = ["--key", keys, "--url", "http://127.0.0.1:9", "--token", "none"];
  expect((await run("log", "verify", "--receipt", receipt, ...offline)).out).toContain(`valid: the receipt of ${runId}`);
  expect((await run("log", "verify", log, "--receipt", receipt, ...offline)).code).toBe(0);
  await writeFile(receipt, (await readFile(receipt, "utf8")).replace(/"payload": "(.)/, '"payload": "A$1'));
  expect((await run("log", "verify", "--receipt", receipt, ...offline)).code).toBe(1);
  expect((await run("log", "imports", "--remove", kept.id)).code).toBe(0);
  expect((await run("log", "imports")).out).toContain("Nothing was imported.");
});
