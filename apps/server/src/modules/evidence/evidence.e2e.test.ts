/* The inspector, receipts and artifacts of a run, over the composed server. */
import { databaseTest } from "@signalbox/testkit/database";
import { nodePrimitives } from "@signalbox/verify/node";
import { webPrimitives } from "@signalbox/verify/web";
import { parseKey, type VerifierKey } from "@signalbox/verify/note";
import { verifyReceipt, verifyReceiptAgainst } from "@signalbox/verify/receipt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let member: { token: string };
let runId: string;
let roomId: string;
let stepId: string;
let fence: { claim_token: string; epoch: number };
let keys: VerifierKey[];
const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489", "hex");

const get = (url: string, token = c.owner) => c.call("GET", url, { token });
async function post(url: string, body: unknown, token = c.owner) {
  const answer = await c.call("POST", url, { token, body });
  if (answer.status >= 300) throw new Error(`${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
const file = (name: string, mediaType: string, bytes: Buffer) =>
  post(`/v1/steps/${stepId}/artifacts`, { ...fence, kind: "file", name, media_type: mediaType, content_base64: bytes.toString("base64") });

beforeAll(async () => {
  c = await startComposed(database);
  member = await c.person("member");
  roomId = (await post("/v1/rooms", { title: "Here" })).id;
  await post("/v1/runs", { room_id: roomId, title: "Mend it", goal: "make the tests pass" });
  const { run } = await post("/v1/runs/claim", { room_id: roomId });
  runId = run.id;
  fence = { claim_token: run.claim_token, epoch: run.epoch };
  await post(`/v1/runs/${runId}/start`, fence);
  stepId = (await post(`/v1/runs/${runId}/steps`, { ...fence, kind: "model", title: "Look" })).id;
  for (const [command, outcome] of [
    ["npm test", { error: "exit code 1", output: "# fail 1", duration_ms: 30 }],
    ["ls", { output: "a", duration_ms: 1 }],
    ["npm test", { output: "# fail 0", duration_ms: 20 }],
  ] as const) {
    const call = await post(`/v1/steps/${stepId}/toolcalls`, { ...fence, name: "bash", arguments: { command } });
    await post(`/v1/toolcalls/${call.id}/${"error" in outcome ? "fail" : "succeed"}`, { ...fence, ...outcome });
  }
  const { keys: published } = (await get("/v1/audit/keys")).body;
  keys = await Promise.all(published.map((key: { public_key: string }) => parseKey(nodePrimitives, key.public_key)));
}, 60_000);
afterAll(() => c.close());

test("a file comes back byte for byte: an image to look at, everything else as an attachment that no browser runs", async () => {
  const image = await file("shot.png", "image/png", PNG);
  expect(image).toMatchObject({ kind: "file", size_bytes: PNG.length });
  const shown = await c.server.http.app.inject({
    url: `/v1/artifacts/${image.id}/content`,
    headers: { host: "localhost", authorization: `Bearer ${c.owner}` },
  });
  expect(shown.rawPayload.equals(PNG)).toBe(true);
  expect(shown.headers).toMatchObject({
    "content-type": "image/png",
    "content-disposition": expect.stringMatching(/^inline;/),
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
  });
  for (const [name, type] of [
    ["page.html", "text/html"],
    ["draw.svg", "image/svg+xml"],
    ['we"ird\r\nx-evil: 1/é.txt', "text/plain\r\nx-evil: 1"],
  ] as const) {
    const made = await post(`/v1/steps/${stepId}/artifacts`, {
      ...fence,
      kind: "file",
      name: name.replaceAll(/[\r\n]/g, " "),
      media_type: type,
      content_base64: Buffer.from("<script>1</script>").toString("base64"),
    });
    const { headers, status } = await get(`/v1/artifacts/${made.id}/content`);
    expect(status).toBe(200);
    expect(headers["content-disposition"]).toMatch(/^attachment; filename="[^"\r\n]+"; filename\*=UTF-8''[^"\r\n]+$/);
    expect(headers["content-security-policy"]).toBe("sandbox; default-src 'none'");
    expect(headers["x-evil"]).toBeUndefined();
  }
});

test("a file beyond 4 MiB, or none at all, is refused", async () => {
  const ask = (body: object) =>
    c.call("POST", `/v1/steps/${stepId}/artifacts`, { token: c.owner, body: { ...fence, kind: "file", name: "x", ...body } });
  expect((await ask({ content_base64: Buffer.alloc(4 * 1024 * 1024 + 1).toString("base64") })).status).toBe(413);
  expect((await ask({})).body.error.code).toBe("artifact_content_mismatch");
  expect((await ask({ content_base64: "%%%" })).status).toBe(400);
});

test("a test report is read, and what is none is refused as such", async () => {
  const report = await file("junit.xml", "application/xml", Buffer.from(`<testsuite name="a"><testcase name="b"/></testsuite>`));
  expect((await get(`/v1/artifacts/${report.id}/report`)).body).toMatchObject({ format: "junit", tests: 1, passed: 1 });
  const other = await file("notes.txt", "text/plain", Buffer.from("hello"));
  const refusal = await get(`/v1/artifacts/${other.id}/report`);
  expect([refusal.status, refusal.body.error.code]).toEqual([422, "not_a_test_report"]);
});

test("a run that goes on has an inspection, and no receipt yet", async () => {
  const { body } = await get(`/v1/runs/${runId}/inspect`);
  expect(body).toMatchObject({ receipt_available: false, cost_micro_usd: 0, model_calls: [], truncated: false });
  const receipt = await get(`/v1/runs/${runId}/receipt`);
  expect([receipt.status, receipt.body.error.code]).toEqual([409, "run_not_ended"]);
});

test("who is not in the room finds neither run, correlation, receipt nor content", async () => {
  const { body } = await get(`/v1/runs/${runId}/inspect`);
  const artifact = body.artifacts[0].id;
  for (const url of [
    `/v1/runs/${runId}/inspect`,
    `/v1/runs/${runId}/receipt`,
    `/v1/correlations/${body.runs[0].correlation_id}`,
    `/v1/artifacts/${artifact}/content`,
    `/v1/artifacts/${artifact}/report`,
  ])
    expect([url, (await get(url, member.token)).status]).toEqual([url, 404]);
});

test("the inspection of a run has its parts in a waterfall, parents before children, and where its events stand", async () => {
  await post(`/v1/runs/${runId}/complete`, { ...fence, summary: "done" });
  const { body } = await get(`/v1/runs/${runId}/inspect`);
  expect(body.tool_calls.map((call: { status: string }) => call.status)).toEqual(["failed", "succeeded", "succeeded"]);
  expect(body.spans.map((span: { kind: string }) => span.kind)).toEqual(["run", "step", "tool_call", "tool_call", "tool_call"]);
  const seen = new Set<string | null>([null]);
  for (const span of body.spans) {
    expect(seen.has(span.parent_id)).toBe(true);
    seen.add(span.id);
    expect(span.seq).toBeGreaterThan(0);
    expect(span.ended_at).not.toBeNull();
  }
  expect(body.events).toMatchObject({ stream: { type: "room", id: roomId } });
  expect(body.receipt_available).toBe(true);
  const correlated = (await get(`/v1/correlations/${body.runs[0].correlation_id}`)).body;
  expect(correlated.runs.map((run: { id: string }) => run.id)).toEqual([runId]);
  expect((await get("/v1/correlations/cor_nothing")).status).toBe(404);
});

test("a receipt verifies offline in Node and in a browser, says what was checked and how it ended, and is the same for ever", async () => {
  const [one, two] = await Promise.all([get(`/v1/runs/${runId}/receipt`), get(`/v1/runs/${runId}/receipt`)]);
  expect(one.status, JSON.stringify(one.body)).toBe(200);
  expect(two.body).toEqual(one.body);
  for (const primitives of [nodePrimitives, webPrimitives]) {
    const report = await verifyReceipt(primitives, one.body, keys);
    expect(report).toMatchObject({ valid: true, run_id: runId, problems: [] });
    const predicate = report.statement!.predicate as unknown as Record<string, unknown>;
    expect(predicate).toMatchObject({
      run: { status: "succeeded" },
      verification: [
        { command: "npm test", passed: false, exit_code: 1 },
        { command: "npm test", passed: true },
      ],
      evidence: {
        completeness: {
          chain_verified: true,
          began_and_ended: true,
          all_tool_calls_ended: true,
          nothing_redacted: true,
          all_costs_settled: true,
        },
      },
      cost: { micro_usd: 0 },
      payments: [],
    });
    expect((predicate["artifacts"] as { sha256: string }[])[0]!.sha256).toMatch(/^sha256:/);
  }
  await post("/v1/rooms", { title: "Elsewhere" });
  await c.call("POST", `/v1/runs/${runId}/resolve`, { token: c.owner, body: { outcome: "failed" } });
  expect((await get(`/v1/runs/${runId}/receipt`)).body).toEqual(one.body);
});

test("a receipt fits the export that it came from and no other, and a changed one fits nothing", async () => {
  const receipt = (await get(`/v1/runs/${runId}/receipt`)).body;
  const origin = `http://127.0.0.1:${await c.server.listen()}`;
  const lines = (await (await fetch(`${origin}/v1/audit/export`, { headers: { authorization: `Bearer ${c.owner}` } })).text())
    .trimEnd()
    .split("\n");
  expect(await verifyReceiptAgainst(nodePrimitives, receipt, lines, keys)).toMatchObject({ valid: true, problems: [] });
  const tampered = lines.map((line) => line.replace("# fail 0", "# fail 9"));
  expect((await verifyReceiptAgainst(nodePrimitives, receipt, tampered, keys)).valid).toBe(false);
  const statement = JSON.parse(Buffer.from(receipt.payload, "base64").toString());
  const other = {
    ...receipt,
    payload: Buffer.from(JSON.stringify({ ...statement, predicate: { ...statement.predicate, payments: [{}] } })).toString("base64"),
  };
  expect(await verifyReceipt(nodePrimitives, other, keys)).toMatchObject({
    valid: false,
    problems: [expect.stringContaining("does not fit its text")],
  });
  expect(await verifyReceipt(nodePrimitives, receipt, [])).toMatchObject({
    valid: false,
    problems: [expect.stringContaining("not among the given")],
  });
});

test("runs are found by correlation, words, assignee and several states, in both orders", async () => {
  await post("/v1/runs", { room_id: roomId, title: "Second", goal: "100% of it" });
  const ids = async (query: string) =>
    (await get(`/v1/runs?room_id=${roomId}&${query}`)).body.items.map((run: { title: string }) => run.title);
  expect(await ids("sort=oldest")).toEqual(["Mend it", "Second"]);
  expect(await ids("q=100%25")).toEqual(["Second"]);
  expect(await ids("q=%25%25%25")).toEqual([]);
  expect(await ids("status=queued,running")).toEqual(["Second"]);
  expect(await ids("status=queued,succeeded,failed&sort=oldest")).toEqual(["Mend it", "Second"]);
  expect((await get("/v1/runs?status=queued,nothing")).status).toBe(400);
  const { correlation_id } = (await get(`/v1/runs/${runId}`)).body;
  expect(await ids(`correlation_id=${correlation_id}`)).toEqual(["Mend it"]);
  const second = (await get(`/v1/runs?room_id=${roomId}&q=second`)).body.items[0];
  await post(`/v1/runs/${second.id}/assign`, {});
  expect(await ids("assignee=usr_owner")).toEqual(["Second"]);
});
