/*
 * One installation, one session, the real OpenCode in the real sandbox; the model is scripted, and the prompt is its
 * script (`directives.fixture.ts`). The tests follow each other: each leaves the session ready for the next.
 */
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { conversationOf, ended, startInstallation, until, type Installation } from "./installation.fixture.ts";

const DELAY_MS = 10;
let at: Installation;
let id = "";
let sandboxId = "";

beforeAll(async () => {
  at = await startInstallation({ delayMs: DELAY_MS });
});
afterAll(() => at?.close());

const showLog = (): void =>
  onTestFailed(async () => {
    process.stderr.write(
      `${JSON.stringify((await at.call("GET", `/v1/sessions/${id}`)).body)}\n${JSON.stringify((await conversationOf(at, id)).slice(-5))}\n`,
    );
    process.stderr.write(
      at.output
        .join("")
        .split("\n")
        .filter((line) => !line.includes('"msg":"request"'))
        .slice(-40)
        .join("\n"),
    );
  });

async function prompt(text: string): Promise<string> {
  const { status, body } = await at.call("POST", `/v1/sessions/${id}/messages`, { content_md: text });
  expect(status, JSON.stringify(body)).toBe(202);
  return body.id as string;
}
const toolCalls = async () => (await conversationOf(at, id)).filter((item) => item.type === "tool_call");
const said = async (runId: string) =>
  (await conversationOf(at, id))
    .filter((item) => item.run_id === runId && item.type === "message" && item.role === "agent")
    .map((item) => item.content_md as string);

test("a created session boots, works and answers, and what was streamed is what was recorded", async () => {
  showLog();
  const created = await at.call("POST", "/v1/sessions", {
    source: { type: "scratch" },
    title: "One session",
    prompt: "run echo one > file.txt && cat file.txt\nsay The file has been written.",
  });
  expect(created.status, JSON.stringify(created.body)).toBe(201);
  id = created.body.id;
  const live = await at.follow(id);
  const [first] = (await at.call("GET", `/v1/sessions/${id}/turns`)).body.items;
  const run = await ended(at, first.id);
  expect(run).toMatchObject({ status: "succeeded", summary: "The file has been written." });
  const items = await conversationOf(at, id);
  expect(items.filter((i) => i.type !== "notice").map((i) => i.type)).toEqual(["message", "tool_call", "message", "run_ended"]);
  expect(items.find((i) => i.type === "tool_call")).toMatchObject({ status: "succeeded", output: expect.stringContaining("one") });

  const answer = items.find((i) => i.type === "message" && i.role === "agent")!;
  await until("the stream has it", () =>
    live.updates.some((u) => u.payload.kind === "part_done" && u.payload.part_id === answer.id && u.payload.seq === answer.seq),
  );
  const streamed = live.updates
    .filter((u) => u.payload.kind === "text" && u.payload.part_id === answer.id)
    .map((u) => u.payload.delta)
    .join("");
  expect(streamed.trim()).toBe(answer.content_md);
  expect(new Set(live.updates.map((u) => u.watermark)).size).toBe(live.updates.length);
  live.close();
  const view = (await at.call("GET", `/v1/sessions/${id}`)).body;
  expect(view).toMatchObject({ status: "running", tool_calls: 1, messages: 2, files_changed: [{ path: "file.txt", status: "added" }] });
  const status = (await at.call("GET", `/v1/sessions/${id}/status`)).body;
  expect(status).toMatchObject({ state: "running", sandbox_alive: true });
  sandboxId = status.sandbox_id;
  const diff = (await at.call("GET", `/v1/sessions/${id}/diff`)).body;
  expect(diff.patch).toContain("+one");
}, 480_000);

test("prompts given while it works wait and run in order; the running one can be canceled", async () => {
  showLog();
  const slow = await prompt("run sleep 20\nsay never said");
  const second = await prompt("say second");
  const third = await prompt("say third");
  await until("the tool runs", async () => (await toolCalls()).some((c) => c.run_id === slow));
  expect((await at.call("GET", `/v1/runs/${second}`)).body.status).toBe("queued");
  expect((await at.call("POST", `/v1/sessions/${id}/cancel`, { reason: "too slow" })).status).toBe(200);
  expect(await ended(at, slow)).toMatchObject({ status: "canceled" });
  expect(await ended(at, second)).toMatchObject({ status: "succeeded", summary: "second" });
  expect(await ended(at, third)).toMatchObject({ status: "succeeded", summary: "third" });
  expect(await said(slow)).toEqual([]);
  const [a, b] = (await conversationOf(at, id)).filter((i) => i.type === "run_ended" && (i.run_id === second || i.run_id === third));
  expect([a!.run_id, b!.run_id]).toEqual([second, third]);
  expect((await at.call("POST", `/v1/sessions/${id}/cancel`, {})).body.error.code).toBe("no_turn_running");
}, 480_000);

test("a tool that prints 50 MB, and bytes that are no text, is recorded with 16 KB inline", async () => {
  showLog();
  const run = await prompt("run head -c 50000000 /dev/zero | tr '\\0' 'a'; printf '\\xff\\xfe end'\nsay printed");
  expect(await ended(at, run)).toMatchObject({ status: "succeeded", summary: "printed" });
  const call = (await toolCalls()).find((c) => c.run_id === run)!;
  expect(call).toMatchObject({ status: "succeeded", output_truncated: true });
  expect(Buffer.byteLength(call.output)).toBeLessThanOrEqual(16 * 1024);
}, 480_000);

test("killed with -9 in the middle of a turn, the server goes on where the agent is: nothing lost, nothing twice", async () => {
  showLog();
  const words = Array.from({ length: 400 }, (_, i) => `word${i}`).join(" ");
  const before = await at.follow(id);
  const run = await prompt(`run echo before-the-kill\nsay ${words}`);
  const heard = await until("half of it was said", () => {
    const text = before.updates
      .filter((u) => u.payload.kind === "text" && u.payload.run_id === run)
      .map((u) => u.payload.delta)
      .join("");
    return text.includes("word60") ? before.updates.at(-1)!.watermark : null;
  });
  await at.killServer();
  await at.startServer();
  const after = await at.follow(id, heard);
  expect(await ended(at, run)).toMatchObject({ status: "succeeded" });
  expect(await said(run)).toEqual([words]);
  expect((await toolCalls()).filter((c) => c.run_id === run).map((c) => c.status)).toEqual(["succeeded"]);
  const ids = (await conversationOf(at, id)).map((i) => i.id);
  expect(new Set(ids).size).toBe(ids.length);
  // A reader who resumes sees the open part whole, or its end, and no more than that.
  await until("the reader is told that the part is complete", () =>
    after.updates.some((u) => u.payload.kind === "part_done" && u.payload.run_id === run),
  );
  const epochs = new Set(after.updates.map((u) => u.watermark.split(".")[0]));
  expect(epochs.has(heard.split(".")[0]) ? epochs.size : epochs.size + 1).toBe(2);
  before.close();
  after.close();
}, 480_000);

test("an agent that dies in the middle of a turn fails that turn with the reason, and remembers what was said for the next", async () => {
  showLog();
  const dies = await prompt("run kill -9 $PPID; sleep 5\nsay unreachable");
  expect(await ended(at, dies)).toMatchObject({ status: "failed", error: { code: expect.stringMatching(/agent/) } });
  const next = await prompt("recall");
  expect(await ended(at, next)).toMatchObject({ status: "succeeded" });
  expect((await said(next)).join()).toContain("run echo one");
}, 480_000);

test("a sandbox that is killed fails the turn with the reason; the next message starts it again with its files", async () => {
  showLog();
  const dies = await prompt("run sleep 30");
  await until("the tool runs", async () => (await toolCalls()).some((c) => c.run_id === dies));
  expect(at.killSandbox(sandboxId)).toBeGreaterThan(0);
  expect(await ended(at, dies)).toMatchObject({ status: "failed" });
  const next = await prompt("run cat file.txt\nsay files are there");
  expect(await ended(at, next)).toMatchObject({ status: "succeeded", summary: "files are there" });
  expect((await toolCalls()).find((c) => c.run_id === next)!.output).toContain("one");
}, 480_000);

test("stopped, it takes no more messages and has no sandbox; resumed, it has its files and its conversation", async () => {
  showLog();
  const running = await prompt("run sleep 30");
  await until("the tool runs", async () => (await toolCalls()).some((c) => c.run_id === running));
  const stopped = await at.call("POST", `/v1/sessions/${id}/stop`, { reason: "enough" });
  expect(stopped.body).toMatchObject({ status: "stopped", status_reason: "enough", current_run: null });
  expect(await ended(at, running)).toMatchObject({ status: "canceled" });
  expect((await at.call("POST", `/v1/sessions/${id}/messages`, { content_md: "say no" })).body.error.code).toBe("session_ended");
  await until("the sandbox is gone", async () => (await at.call("GET", `/v1/sessions/${id}/status`)).body.sandbox_alive === false);
  expect(at.killSandbox(sandboxId)).toBe(0);

  expect((await at.call("POST", `/v1/sessions/${id}/resume`, {})).status).toBe(200);
  const next = await prompt("run cat file.txt\nrecall");
  expect(await ended(at, next)).toMatchObject({ status: "succeeded" });
  expect((await said(next)).join()).toContain("run echo one");
  expect((await toolCalls()).find((c) => c.run_id === next)!.output).toContain("one");
}, 480_000);

test("a prompt of a million characters reaches the model whole", async () => {
  const long = `length\n${"x".repeat(1_000_000)}`;
  const run = await prompt(long);
  await ended(at, run);
  // The agent may sum its conversation up afterwards, to make room again.
  expect((await said(run))[0]).toBe(`The prompt has ${long.length} characters.`);
}, 480_000);
