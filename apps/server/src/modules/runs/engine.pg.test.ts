/* The lease protocol as an external engine meets it: over HTTP, on the composed server. */
import { databaseTest } from "@signalbox/testkit/database";
import { testClock } from "@signalbox/testkit/clock";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
const clock = testClock(new Date().toISOString());
let c: Composed;
let room: string;

beforeAll(async () => {
  c = await startComposed(database, { clock });
  room = (await c.call("POST", "/v1/rooms", { token: c.owner, body: { title: "Work" } })).body.id;
}, 60_000);
afterAll(() => c.close());

interface Claimed {
  run_id: string;
  claim_token: string;
  epoch: number;
  attempt_no: number;
}
const call = (method: string, url: string, body?: unknown, token = c.owner) =>
  c.call(method, url, { token, ...(body === undefined ? {} : { body }) });
const create = async (more: object = {}, of = room): Promise<string> =>
  (await call("POST", "/v1/runs", { room_id: of, goal: "fix it", ...more })).body.id;
const claim = async (of = room): Promise<Claimed> => (await call("POST", "/v1/runs/claim", { room_id: of })).body.run;
const fence = ({ claim_token, epoch }: Claimed) => ({ claim_token, epoch });
const newRoom = async (): Promise<string> => (await call("POST", "/v1/rooms", { title: "Other" })).body.id;
const eventsOf = async (run: string): Promise<string[]> =>
  (await database.rows<{ type: string }>("select type from evt_events where subject = $1 order by subject_version", [`run:${run}`])).map(
    (row) => row.type,
  );

test("fifty engines that claim at once get fifty different runs, and a fifty-first gets none", async () => {
  const of = await newRoom();
  const ids = await Promise.all(Array.from({ length: 50 }, () => create({}, of)));
  const claims = await Promise.all(Array.from({ length: 50 }, () => claim(of)));
  expect(claims.map((run) => run.run_id).toSorted()).toEqual(ids.toSorted());
  const answer = await call("POST", "/v1/runs/claim", { room_id: of });
  expect([answer.status, answer.body]).toEqual([200, { claimed: false, run: null }]);
});

test("of fifty engines that claim the one open run exactly one gets it", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const answers = await Promise.all(Array.from({ length: 50 }, () => call("POST", "/v1/runs/claim", { room_id: of })));
  expect(answers.filter((answer) => answer.body.claimed).map((answer) => answer.body.run.run_id)).toEqual([id]);
  expect((await eventsOf(id)).filter((type) => type === "run.claimed")).toHaveLength(1);
});

test("the oldest run is offered first, a lost one after those that nobody has had", async () => {
  const of = await newRoom();
  const first = await create({}, of);
  expect((await claim(of)).run_id).toBe(first);
  const second = await create({}, of);
  const third = await create({}, of);
  clock.advance(30_001);
  const order = [(await claim(of)).run_id, (await claim(of)).run_id, (await claim(of)).run_id];
  expect(order).toEqual([second, third, first]);
});

test("a run goes from claim to success, and its record can be read", async () => {
  const of = await newRoom();
  const id = await create({ title: "Whole" }, of);
  const claimed = await claim(of);
  expect(claimed).toMatchObject({ run_id: id, attempt_no: 1, epoch: 1, status: "claimed", max_attempts: 3 });
  expect((await call("POST", `/v1/runs/${id}/start`, fence(claimed))).body.status).toBe("running");
  const step = await call("POST", `/v1/runs/${id}/steps`, { ...fence(claimed), kind: "model", title: "Think" });
  expect(step.status).toBe(201);
  const tool = await call("POST", `/v1/steps/${step.body.id}/toolcalls`, {
    ...fence(claimed),
    name: "bash",
    arguments: { command: "npm test" },
  });
  expect([tool.status, tool.body.status]).toEqual([201, "invoked"]);
  const done = await call("POST", `/v1/toolcalls/${tool.body.id}/succeed`, { ...fence(claimed), output: "green", duration_ms: 12 });
  expect(done.body).toMatchObject({ status: "succeeded", output: "green", output_truncated: false, duration_ms: 12 });
  const again = await call("POST", `/v1/toolcalls/${tool.body.id}/fail`, { ...fence(claimed), error: "no", duration_ms: 1 });
  expect([again.status, again.body.error.code]).toEqual([409, "toolcall_already_ended"]);
  const artifact = await call("POST", `/v1/steps/${step.body.id}/artifacts`, {
    ...fence(claimed),
    kind: "json",
    name: "report",
    json: { ok: true },
  });
  expect(artifact.body).toMatchObject({ kind: "json", text: '{"ok":true}', media_type: "application/json" });
  const mismatch = await call("POST", `/v1/steps/${step.body.id}/artifacts`, {
    ...fence(claimed),
    kind: "json",
    name: "report",
    text: "x",
  });
  expect([mismatch.status, mismatch.body.error.code]).toEqual([400, "artifact_content_mismatch"]);
  const ended = await call("POST", `/v1/runs/${id}/complete`, { ...fence(claimed), summary: "all green", output: { passed: 12 } });
  expect(ended.body).toMatchObject({ status: "succeeded", summary: "all green", output: { passed: 12 }, lease_expires_at: null });
  expect((await call("GET", `/v1/runs/${id}/steps`)).body.items.map((s: { id: string }) => s.id)).toEqual([step.body.id]);
  expect((await call("GET", `/v1/toolcalls?run_id=${id}`)).body.items).toMatchObject([{ id: tool.body.id, status: "succeeded" }]);
  expect((await call("GET", `/v1/artifacts?run_id=${id}`)).body.items).toMatchObject([{ id: artifact.body.id, text: null }]);
  expect((await call("GET", `/v1/runs/${id}/attempts`)).body.items).toMatchObject([{ attempt_no: 1, end_reason: "completed" }]);
});

test("heartbeats keep a lease; without them the next engine takes the run, and the first one's writes are refused", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const slow = await claim(of);
  await call("POST", `/v1/runs/${id}/start`, fence(slow));
  for (let i = 0; i < 4; i++) {
    clock.advance(10_000);
    const beat = await call("POST", `/v1/runs/${id}/lease/heartbeat`, fence(slow));
    expect(beat.body.lease_expires_at).toBe(new Date(clock.nowMs() + 30_000).toISOString());
  }
  expect((await call("POST", "/v1/runs/claim", { room_id: of })).body.claimed).toBe(false);
  clock.advance(30_001);
  expect((await call("POST", `/v1/runs/${id}/lease/heartbeat`, fence(slow))).body.error.code).toBe("lease_expired");
  const quick = await claim(of);
  expect(quick).toMatchObject({ run_id: id, attempt_no: 2, epoch: 2 });
  for (const [path, body] of [
    ["start", {}],
    ["steps", { kind: "x" }],
    ["complete", { summary: "late" }],
    ["fail", { code: "x", message: "late" }],
    ["lease/release", {}],
  ] as const) {
    const answer = await call("POST", `/v1/runs/${id}/${path}`, { ...fence(slow), ...body });
    expect([path, answer.status, answer.body.error.code]).toEqual([path, 409, "lease_expired"]);
  }
  expect((await call("POST", `/v1/runs/${id}/lease/heartbeat`, fence(slow))).body.error.code).toBe("lease_token_mismatch");
  expect((await eventsOf(id)).filter((type) => type === "run.late_result")).toHaveLength(2);
  expect((await call("GET", `/v1/runs/${id}`)).body).toMatchObject({ status: "claimed", epoch: 2 });
  expect((await call("GET", `/v1/runs/${id}/attempts`)).body.items).toMatchObject([
    { attempt_no: 1, end_reason: "lease_expired_reclaimed" },
    { attempt_no: 2, end_reason: null },
  ]);
});

test("a token that was never given is refused everywhere and leaves no trace", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const claimed = await claim(of);
  const before = await eventsOf(id);
  for (const path of ["start", "complete", "lease/release", "lease/heartbeat"]) {
    for (const forged of [
      { claim_token: "guess", epoch: 1 },
      { claim_token: claimed.claim_token, epoch: 2 },
    ]) {
      const answer = await call("POST", `/v1/runs/${id}/${path}`, forged);
      expect([path, answer.status, answer.body.error.code]).toEqual([path, 409, "lease_token_mismatch"]);
    }
  }
  expect(await eventsOf(id)).toEqual(before);
});

test("a released run is claimable at once", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const claimed = await claim(of);
  expect((await call("POST", `/v1/runs/${id}/lease/release`, { ...fence(claimed), reason: "busy" })).body).toMatchObject({
    status: "queued",
    claimed_by: null,
  });
  expect(await claim(of)).toMatchObject({ run_id: id, attempt_no: 2, epoch: 2 });
});

test("a run whose attempts are used up fails by itself, without anybody claiming again", async () => {
  const of = await newRoom();
  const id = await create({ max_attempts: 1 }, of);
  await claim(of);
  clock.advance(31_000);
  await expect
    .poll(async () => (await call("GET", `/v1/runs/${id}`)).body, { timeout: 8000 })
    .toMatchObject({ status: "failed", error: { code: "attempts_exhausted" } });
});

test("a run that takes too long is timed out by itself; its late result is evidence only, and a person resolves it once", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const claimed = await claim(of);
  await call("POST", `/v1/runs/${id}/start`, fence(claimed));
  clock.advance(2 * 60 * 60 * 1000 + 1);
  await expect.poll(async () => (await call("GET", `/v1/runs/${id}`)).body.status, { timeout: 8000 }).toBe("timed_out");
  const late = await call("POST", `/v1/runs/${id}/complete`, { ...fence(claimed), summary: "here it is" });
  expect([late.status, late.body.error.code]).toEqual([409, "run_already_ended"]);
  expect((await eventsOf(id)).at(-1)).toBe("run.late_result");
  expect((await call("POST", `/v1/runs/${id}/resolve`, { outcome: "succeeded", comment: "seen" })).body).toMatchObject({
    status: "succeeded",
    summary: "seen",
  });
  expect((await call("POST", `/v1/runs/${id}/resolve`, { outcome: "failed" })).body.error.code).toBe("run_not_resolvable");
});

test("two people who take a run at once: one has it, the other is told who", async () => {
  const id = await create();
  const people = [await c.person("admin"), await c.person("admin")];
  const answers = await Promise.all(people.map(({ token }) => call("POST", `/v1/runs/${id}/assign`, {}, token)));
  const winner = people[answers.findIndex((answer) => answer.status === 200)];
  const loser = answers.find((answer) => answer.status !== 200);
  expect([loser?.status, loser?.body.error.code, loser?.body.error.details]).toEqual([
    409,
    "run_already_assigned",
    { assignee: winner?.id },
  ]);
  expect((await call("POST", `/v1/runs/${id}/unassign`, {})).body.assignee).toBeNull();
  expect((await call("POST", `/v1/runs/${id}/assign`, { assignee: "usr_nobody" })).body.error.code).toBe("principal_not_found");
});

test("a person who is not in the room cannot see, claim or end its runs", async () => {
  const id = await create();
  const stranger = await c.person("approver");
  expect((await call("GET", `/v1/runs/${id}`, undefined, stranger.token)).status).toBe(404);
  expect((await call("POST", `/v1/runs/${id}/cancel`, {}, stranger.token)).status).toBe(404);
  expect((await call("POST", "/v1/runs/claim", {}, stranger.token)).body.claimed).toBe(false);
  expect((await call("POST", "/v1/runs", { room_id: room }, stranger.token)).body.error.code).toBe("room_not_found");
  expect((await call("GET", "/v1/runs", undefined, stranger.token)).body.items).toEqual([]);
});

test("a canceled run takes no more writes", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const claimed = await claim(of);
  expect((await call("POST", `/v1/runs/${id}/cancel`, { reason: "not needed" })).body.status).toBe("canceled");
  expect((await call("POST", `/v1/runs/${id}/lease/heartbeat`, fence(claimed))).body.error.code).toBe("run_already_ended");
  expect((await call("POST", `/v1/runs/${id}/cancel`, {})).body.error.code).toBe("run_already_ended");
});

test("the same creation with the same key makes one run", async () => {
  const body = { room_id: room, title: "Once" };
  const answers = await Promise.all(
    [1, 2, 3].map(() => c.call("POST", "/v1/runs", { token: c.owner, body, headers: { "idempotency-key": "k-1" } })),
  );
  expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
});

test("runs are listed newest first, page by page, each once", async () => {
  const of = await newRoom();
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push(await create({ title: `n ${i}` }, of));
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const page = await call("GET", `/v1/runs?room_id=${of}&limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
    seen.push(...page.body.items.map((run: { id: string }) => run.id));
    cursor = page.body.next_cursor;
  }
  expect(seen).toEqual(ids.toReversed());
  expect((await call("GET", "/v1/runs?cursor=nonsense")).body.error.code).toBe("invalid_cursor");
});

test("a large output is kept whole as an artifact, and its beginning inline", async () => {
  const of = await newRoom();
  const id = await create({}, of);
  const claimed = await claim(of);
  await call("POST", `/v1/runs/${id}/start`, fence(claimed));
  const step = (await call("POST", `/v1/runs/${id}/steps`, { ...fence(claimed), kind: "model" })).body.id;
  const tool = (await call("POST", `/v1/steps/${step}/toolcalls`, { ...fence(claimed), name: "bash", arguments: null })).body.id;
  const output = "é".repeat(100_000);
  const ended = (await call("POST", `/v1/toolcalls/${tool}/succeed`, { ...fence(claimed), output, duration_ms: 1 })).body;
  expect(ended.output_truncated).toBe(true);
  expect(ended.output).toBe("é".repeat(8192));
  const artifact = (await call("GET", `/v1/artifacts/${ended.artifact_id}`)).body;
  expect([artifact.text === output, artifact.size_bytes]).toEqual([true, 200_000]);
});

test("after all of the above a rebuild from the log finds the same tables", async () => {
  const answer = await call("POST", "/v1/audit/rebuild", { dry_run: true });
  expect(answer.status).toBe(200);
  const reports = answer.body.projections as { projection: string; events: number; drift: unknown[] }[];
  expect(reports.flatMap(({ projection, drift }) => drift.map((one) => ({ projection, one })))).toEqual([]);
  expect(reports.find(({ projection }) => projection === "runs")?.events).toBeGreaterThan(100);
});
