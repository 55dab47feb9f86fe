/* A session that must ask: the real agent pushes a real repository, a person decides, the session learns of it. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { conversationOf, ended, startInstallation, until, type Installation } from "./installation.fixture.ts";

let at: Installation;
let id = "";
let remote = "";

beforeAll(async () => {
  at = await startInstallation({ delayMs: 0 });
  const sample = (await at.call("POST", "/v1/samples", {})).body;
  remote = sample.remote_url;
  const created = await at.call("POST", "/v1/sessions", { source: { type: "repository", url: remote }, title: "Push" });
  expect(created.status, JSON.stringify(created.body)).toBe(201);
  id = created.body.id;
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
const view = async () => (await at.call("GET", `/v1/sessions/${id}`)).body;
const open = async () => (await at.call("GET", `/v1/approvals?session_id=${id}&status=open`)).body.items as { id: string; title: string }[];
async function prompt(text: string): Promise<string> {
  const { status, body } = await at.call("POST", `/v1/sessions/${id}/messages`, { content_md: text });
  expect(status, JSON.stringify(body)).toBe(202);
  return body.id as string;
}
const branches = () =>
  execFileSync("git", ["-C", remote, "-c", "safe.directory=*", "for-each-ref", "--format=%(refname:short)"], { encoding: "utf8" })
    .trim()
    .split("\n");

test("it waits for a person while a push is asked, and continues with the verdict in the same turn", async () => {
  showLog();
  const run = await prompt(
    "run echo change >> change.txt && git add -A && git commit -q -m 'Add a change' && git push 2>&1\nsay pushed it",
  );
  const [approval] = await until("the push is asked", async () => ((await open()).length > 0 ? open() : null));
  await until("the session waits", async () => (await view()).status === "waiting");
  expect(await view()).toMatchObject({ pending_approvals: 1, status_reason: expect.stringContaining(approval!.title) });
  const before = branches().length;
  expect((await at.call("POST", `/v1/approvals/${approval!.id}/decide`, { decision: "approve" })).status).toBe(200);
  expect(await ended(at, run)).toMatchObject({ status: "succeeded", summary: "pushed it" });
  expect(branches()).toHaveLength(before + 1);
  await until("the session continues", async () => (await view()).status === "running");
  const items = await conversationOf(at, id);
  expect(items.filter((i) => i.type === "approval")).toHaveLength(1);
  expect(items.some((i) => i.type === "notice" && i.text.includes("Add a change"))).toBe(true);
  const { body: message } = await at.call("GET", `/v1/sessions/${id}/turns`);
  expect(message.items).toHaveLength(1);
}, 480_000);

test("when its turn has ended before the verdict, the agent is told in a turn of its own, once, also across a kill -9", async () => {
  showLog();
  const run = await prompt(
    "run echo more >> change.txt && git commit -qam 'More' && (setsid git push >/tmp/push.log 2>&1 &) ; sleep 3\nsay not waiting",
  );
  expect(await ended(at, run)).toMatchObject({ status: "succeeded", summary: "not waiting" });
  const [approval] = await until("the push is asked", async () => ((await open()).length > 0 ? open() : null));
  await at.call("POST", `/v1/approvals/${approval!.id}/decide`, { decision: "deny", reason: "not yet" });
  await at.killServer();
  await at.startServer();
  const told = await until("the agent was told", async () => {
    const turns = (await at.call("GET", `/v1/sessions/${id}/turns`)).body.items as { id: string; requested_by: string }[];
    return turns.find((turn) => turn.requested_by.startsWith("svc_")) ?? null;
  });
  await ended(at, told.id);
  await until("it continues", async () => (await view()).status === "running");
  const turns = (await at.call("GET", `/v1/sessions/${id}/turns`)).body.items as { requested_by: string }[];
  expect(turns.filter((turn) => turn.requested_by.startsWith("svc_"))).toHaveLength(1);
  const said = (await conversationOf(at, id)).find((i) => i.run_id === told.id && i.type === "message");
  expect(said!.content_md).toContain("was denied by a person");
}, 480_000);

test("killed with -9 between a person's answer and its hand-over to the agent, the next server hands it on, once", async () => {
  showLog();
  const run = await prompt("ask Which colour? | red | blue\nsay thank you");
  await until("it waits", async () => (await view()).status === "waiting");
  const asked = async () => (await at.call("GET", `/v1/questions?session_id=${id}`)).body.items;
  const [question] = await asked();
  const { sandbox_id } = (await at.call("GET", `/v1/sessions/${id}/status`)).body;
  // The agent hears nothing more of this server, so the answer gets no further than the log.
  expect(at.signalSandbox(sandbox_id, "SIGSTOP")).toBeGreaterThan(0);
  expect((await at.call("POST", `/v1/questions/${question.id}/answer`, { options: ["blue"] })).status).toBe(200);
  await at.killServer();
  at.signalSandbox(sandbox_id, "SIGCONT");
  await at.startServer();
  expect(await ended(at, run)).toMatchObject({ status: "succeeded", summary: "thank you" });
  expect(await asked()).toMatchObject([{ id: question.id, status: "answered", answer: { options: ["blue"] } }]);
  const items = (await conversationOf(at, id)).filter((item) => item.run_id === run);
  expect(items.filter((item) => item.type === "question")).toHaveLength(1);
  expect(JSON.stringify(items.find((item) => item.type === "tool_call")?.output)).toContain("blue");
}, 480_000);

test("killed with -9 right after it was told to delete a session, the next server removes what is left of it", async () => {
  showLog();
  const { sandbox_id } = (await at.call("GET", `/v1/sessions/${id}/status`)).body;
  const files = path.join(at.dataDir, "sandboxes", "sandboxes", sandbox_id);
  expect(existsSync(files)).toBe(true);
  await at.call("POST", `/v1/sessions/${id}/stop`, {});
  expect((await at.call("DELETE", `/v1/sessions/${id}`)).body).toEqual({ ok: true });
  await at.killServer();
  await at.startServer();
  // The dead server's lease on the session runs for half a minute.
  await until("its files are gone", () => !existsSync(files), 150_000);
  expect((await at.call("GET", `/v1/sessions/${id}`)).status).toBe(404);
}, 480_000);
