/* Windows, timeline and moments of a session of 10,000 events, over the whole server. */
import { gzipSync } from "node:zlib";
import type { EventId } from "@signalbox/contract/primitives";
import { databaseTest } from "@signalbox/testkit/database";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";
import { redaction } from "../audit/redaction.ts";
import { createHistory } from "./history.ts";
import { atPlace, placeOfSeq, placeOfTime, sessionAt } from "./moment.ts";
import { createSnapshots } from "./snapshots.ts";
import { createStrips, stripOf, type Strip } from "./strips.ts";
import { timelineFrom } from "./timeline.ts";
import { addTurn, beginSession, type Author, type LongSession } from "./long-session.fixture.ts";

const database = databaseTest();
let c: Composed;
let author: Author;
let long: LongSession;
let head = 0;

// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
type Body = any;
const get = async (url: string): Promise<Body> => {
  const { status, body } = await c.call("GET", url, { token: c.owner });
  expect(status, JSON.stringify(body).slice(0, 500)).toBe(200);
  return body;
};
const at = (path: string): string => `/v1/sessions/${long.sessionId}${path}`;
/** bench/ measures speed. This sees only that nothing grew out of all proportion, ten times and more over what it takes. */
const OUT_OF_PROPORTION_MS = 2_000;

/** The best of a few: what else the machine does is not ours. */
async function quickest(what: string, work: () => Promise<unknown>): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 5; i++) {
    const from = performance.now();
    await work();
    best = Math.min(best, performance.now() - from);
  }
  process.stdout.write(`${what}: ${best.toFixed(1)} ms\n`);
  return best;
}

beforeAll(async () => {
  c = await startComposed(database);
  author = { log: c.server.log, organizationId: "ws_dev", by: "usr_owner" };
  long = await beginSession(author);
  for (let turn = 0; head < 10_000; turn++) {
    await addTurn(author, long, { tools: 240, end: turn % 5 === 4 ? "failed" : "completed" });
    head = await c.server.log.head("ws_dev", { type: "room", id: long.roomId });
  }
}, 120_000);
afterAll(() => c?.close());

test("the newest page of 10,000 events is there at once, and pages to either end meet without gap or repeat", async () => {
  const newest = await get(at("/conversation?order=newest&limit=100"));
  expect(newest.items).toHaveLength(100);
  expect(newest.items.at(-1).type).toBe("run_ended");
  expect(newest.prev_cursor).toBeNull();
  expect(newest.last_seq).toBe(head);
  const oldest: number[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: Body = await get(at(`/conversation?limit=500${cursor === "" ? "" : `&cursor=${cursor}`}`));
    oldest.push(...page.items.map((item: Body) => item.seq));
    cursor = page.next_cursor;
  }
  const backwards: number[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: Body = await get(at(`/conversation?order=newest&limit=500${cursor === "" ? "" : `&cursor=${cursor}`}`));
    backwards.unshift(...page.items.map((item: Body) => item.seq));
    cursor = page.next_cursor;
  }
  expect(backwards).toEqual(oldest);
  expect(new Set(oldest).size).toBe(oldest.length);
  expect(await quickest("newest 100 of the conversation", () => get(at("/conversation?order=newest&limit=100")))).toBeLessThan(
    OUT_OF_PROPORTION_MS,
  );
});

test("a window around a moment goes on in both directions", async () => {
  const middle = Math.floor(head / 2);
  const window = await get(at(`/conversation?around_seq=${middle}&limit=20`));
  const seqs = window.items.map((item: Body) => item.seq);
  expect(seqs.filter((seq: number) => seq <= middle)).toHaveLength(10);
  expect(seqs.filter((seq: number) => seq > middle)).toHaveLength(10);
  const later = await get(at(`/conversation?cursor=${window.next_cursor}&limit=5`));
  const earlier = await get(at(`/conversation?cursor=${window.prev_cursor}&limit=5`));
  expect(later.items[0].seq).toBeGreaterThan(seqs.at(-1));
  expect(earlier.items.at(-1).seq).toBeLessThan(seqs[0]);
  expect((await get(at(`/conversation?after_seq=${seqs.at(-1)}&limit=5`))).items).toEqual(later.items);
  expect((await get(at(`/conversation?before_seq=${seqs[0]}&limit=5`))).items).toEqual(earlier.items);
});

test("the conversation as of a moment has what was there then: a call without its outcome, an approval undecided", async () => {
  const calls = (await get(at("/conversation?limit=50"))).items.filter((item: Body) => item.type === "tool_call");
  const [call] = calls;
  expect(call).toMatchObject({ status: "succeeded", ended_seq: call.seq + 1, step_id: expect.stringMatching(/^step_/) });
  const then = await get(at(`/conversation?as_of_seq=${call.seq}&order=newest&limit=1`));
  expect(then.items).toEqual([
    expect.objectContaining({ id: call.id, status: "invoked", output: null, duration_ms: null, ended_seq: null, decision: null }),
  ]);
  const approvals = (await get(at("/conversation?limit=500&order=newest"))).items.filter((item: Body) => item.type === "approval");
  const given = approvals.find((item: Body) => item.status === "approved");
  expect(given).toMatchObject({ title: "Push 1 commit to main", decided_by: "usr_owner", ended_seq: given.seq + 1 });
  const asked = (await get(at(`/conversation?as_of_seq=${given.seq}&order=newest&limit=1`))).items[0];
  expect(asked).toMatchObject({ id: given.id, status: "pending", decided_by: null, ended_seq: null });
  const beyond = await c.call("GET", at(`/conversation?as_of_seq=${head + 1}`), { token: c.owner });
  expect([beyond.status, beyond.body.error.code]).toEqual([400, "cursor_in_future"]);
});

test("the timeline tells every event, in little", async () => {
  const timeline = await get(at("/timeline"));
  expect(timeline.last_seq).toBe(head);
  expect(timeline.events.seq).toEqual(Array.from({ length: head }, (_, i) => i + 1));
  for (const column of Object.values(timeline.events)) expect(column).toHaveLength(head);
  const kinds = new Set(timeline.events.kind.map((kind: number) => timeline.kinds[kind]));
  for (const kind of ["prompt", "message", "tool", "approval", "failure", "change", "state"]) expect(kinds, kind).toContain(kind);
  const first = timeline.events.kind.findIndex((kind: number) => timeline.kinds[kind] === "prompt");
  expect(timeline.labels[timeline.events.label[first]]).toBe("Make the tests pass.");
  expect(timeline.turns.ref.map((ref: number) => timeline.refs[ref])).toEqual(long.runs);
  expect(timeline.turns.status.filter((status: string) => status === "failed").length).toBe(Math.floor(long.runs.length / 5));
  expect(timeline.cost.micro_usd.at(-1)).toBe(1000 * long.runs.length);
  expect(timeline.tools.start_seq).toHaveLength(240 * long.runs.length);
  expect(timeline.tools.end_seq.every((seq: number) => seq > 0)).toBe(true);
  const bytes = gzipSync(JSON.stringify(timeline)).length;
  process.stdout.write(`timeline of ${head} events: ${(bytes / 1024).toFixed(0)} KB gzipped\n`);
  expect(bytes).toBeLessThan(300 * 1024);
  expect(await quickest("timeline", () => get(at("/timeline")))).toBeLessThan(OUT_OF_PROPORTION_MS);
  const tail = await get(at(`/timeline?after_seq=${head - 3}`));
  expect(tail.events.seq).toEqual([head - 2, head - 1, head]);
  expect((await c.call("GET", at(`/timeline?after_seq=${head + 1}`), { token: c.owner })).body.error.code).toBe("cursor_in_future");
});

test("a moment is what had been by then, and the last one is what the session shows now", async () => {
  const now = await get(at(`/at?seq=${head}`));
  const view = await get(at(""));
  expect(now).toMatchObject({
    seq: head,
    last_seq: head,
    status: view.status,
    cost_micro_usd: view.cost_micro_usd,
    budget_micro_usd: view.budget_micro_usd,
    files_changed: view.files_changed,
    tool_calls: view.tool_calls,
    messages: view.messages,
    current_run: null,
    grants: [],
  });
  expect(now.runs.map((run: Body) => [run.id, run.status])).toEqual(long.runs.map((id, i) => [id, i % 5 === 4 ? "failed" : "succeeded"]));
  const open = (await get(`/v1/approvals?session_id=${long.sessionId}&status=pending&limit=200`)).items;
  expect(now.pending_approvals.map((one: Body) => one.id).toSorted()).toEqual(open.map((one: Body) => one.id).toSorted());
  // A full approval, exactly as the inbox has it.
  expect(now.pending_approvals[0]).toEqual(open.find((one: Body) => one.id === now.pending_approvals[0].id));

  const second = now.runs[1];
  const during = await get(at(`/at?seq=${second.started_seq}`));
  expect(during).toMatchObject({
    current_run: { id: second.id, status: "running" },
    cost_micro_usd: 1000,
    tool_calls: 240,
    messages: 3,
    files_changed: [{ path: "src/file-1.ts" }],
  });
  expect(during.runs).toHaveLength(2);
  expect(during.pending_approvals.map((one: Body) => one.id)).toEqual([long.approvals[0]]);
  const byTime = await get(at(`/at?time=${during.at}`));
  expect(byTime.seq).toBeGreaterThanOrEqual(during.seq);
  expect(Date.parse(byTime.at)).toBeLessThanOrEqual(Date.parse(during.at));

  expect(await get(at("/at?seq=0"))).toMatchObject({ seq: 0, at: null, status: null, runs: [], cost_micro_usd: 0, budget_micro_usd: 0 });
  expect(await get(at("/at?time=2000-01-01T00:00:00.000Z"))).toMatchObject({ seq: 0, at: null, status: null, cost_micro_usd: 0 });
  for (const [query, code] of [
    ["", "moment_not_named"],
    [`?seq=1&time=${during.at}`, "moment_not_named"],
    [`?seq=${head + 1}`, "cursor_in_future"],
  ]) {
    const answer = await c.call("GET", at(`/at${query}`), { token: c.owner });
    expect([answer.status, answer.body.error.code], query).toEqual([400, code]);
  }
  expect(await quickest("state at the last of them", () => get(at(`/at?seq=${head}`)))).toBeLessThan(OUT_OF_PROPORTION_MS);
});

test("a room has its timeline and its moments too", async () => {
  const timeline = await get(`/v1/rooms/${long.roomId}/timeline`);
  expect(timeline).toMatchObject({ last_seq: head, session_id: null, room_id: long.roomId });
  const now = await get(`/v1/rooms/${long.roomId}/at?seq=${head}`);
  expect(now).toMatchObject({
    title: "A long session",
    messages: 2 * long.runs.length,
    members: [{ principal_id: "usr_owner", role: "owner" }],
    cost_micro_usd: 1000 * long.runs.length,
  });
  expect(now.threads).toMatchObject([{ id: long.threadId, messages: 2 * long.runs.length }]);
  expect(now.runs).toHaveLength(long.runs.length);
  const outsider = await c.person("member");
  for (const url of [at("/timeline"), at("/at?seq=1"), `/v1/rooms/${long.roomId}/timeline`, `/v1/rooms/${long.roomId}/at?seq=1`])
    expect((await c.call("GET", url, { token: outsider.token })).status, url).toBe(404);
});

describe("moments that are kept", () => {
  const head = (organizationId: string, id: string) => c.server.log.head(organizationId, { type: "room", id });
  /** As of a server that has just started: nothing is in its memory. */
  const cold = () => {
    const history = createHistory(c.server.db, head);
    let read = 0;
    const counting = {
      async read(...of: Parameters<typeof history.read>) {
        const found = await history.read(...of);
        read += found.length;
        return found;
      },
    };
    return {
      history,
      snapshots: createSnapshots(c.server.db, history),
      strips: createStrips(c.server.db, counting),
      /** Events that strips read from the log since they were asked the last time. */
      read: () => [read, (read = 0)][0],
    };
  };
  const roomNow = async () => ({ organizationId: "ws_dev", roomId: long.roomId, head: await head("ws_dev", long.roomId) });
  const rows = () => database.rows<{ seq: string; fold: string }>("select seq, fold from session_moments order by seq");

  test("at any seq, and any time, the nearest one and what came since is the fold of everything", async () => {
    const { history, snapshots } = cold();
    const entries = await history.room("ws_dev", long.roomId);
    const ledger = await history.budget("ws_dev", long.sessionId);
    // The API of a server that has not read the room gives the same as one that has.
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: entries.length }), async (seq) => {
        const kept = await snapshots.at("ws_dev", long.roomId, entries.length, { seq });
        const whole = atPlace(entries, placeOfSeq(entries, seq), null);
        expect(kept).toEqual(whole);
        expect(sessionAt(kept, long.sessionId, long.roomId, ledger)).toEqual(sessionAt(whole, long.sessionId, long.roomId, ledger));
      }),
      { numRuns: 25, examples: [[0], [1], [999], [1000], [1001], [entries.length]] },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: entries.length - 1 }), fc.integer({ min: -2, max: 2 }), async (place, off) => {
        const untilMs = entries[place]!.atMs + off;
        expect(await snapshots.at("ws_dev", long.roomId, entries.length, { untilMs })).toEqual(
          atPlace(entries, placeOfTime(entries, untilMs), untilMs),
        );
      }),
      { numRuns: 10 },
    );
    expect((await rows()).map(({ seq }) => Number(seq))).toEqual(
      Array.from({ length: Math.floor(entries.length / 1000) }, (_, i) => (i + 1) * 1000),
    );
  });

  test("of another fold they are ignored, and made again", async () => {
    const { history, snapshots } = cold();
    const [before] = await rows();
    // What an older version kept: not even readable to this one.
    await database.rows("update session_moments set fold = 'older', state = '\\x00'");
    const entries = await history.room("ws_dev", long.roomId);
    expect(await snapshots.at("ws_dev", long.roomId, entries.length, { seq: 2500 })).toEqual(atPlace(entries, 2499, null));
    await snapshots.keep(await roomNow());
    expect(new Set((await rows()).map(({ fold }) => fold))).toEqual(new Set([before!.fold]));
  });

  test("a strip from what is kept is the strip of everything, from any seq on, and reads only what came since", async () => {
    const { history, strips } = cold();
    const entries = await history.room("ws_dev", long.roomId);
    const ledgers = [await history.budget("ws_dev", long.sessionId)];
    const room = await roomNow();
    const told = ({ blocks, positions }: Strip, after: number) =>
      timelineFrom({ roomId: long.roomId, sessionId: long.sessionId }, blocks, positions, ledgers, after);
    await strips.keep(room);
    const whole = stripOf(entries);
    const seq = fc.integer({ min: 0, max: entries.length });
    const examples: [number][] = [[0], [1], [999], [1000], [1001], [entries.length - 1], [entries.length]];
    await fc.assert(
      fc.asyncProperty(seq, async (after) => {
        const started = cold();
        expect(told(await started.strips.of(room, after), after)).toEqual(told(whole, after));
        expect(started.read()).toBe(entries.length % 1000);
        // And from then on nothing but what is new.
        expect(told(await started.strips.of(room, after), after)).toEqual(told(whole, after));
        expect(started.read()).toBe(0);
      }),
      { numRuns: 10, examples },
    );
    // As a room grows, and as of an earlier head, from blocks that later events changed nothing of; many at once; a hole in what is kept.
    const growing = cold();
    const heads = [3000, 3001, 4999, 5000, 7100, 4999];
    const asOf = (head: number) => growing.strips.of({ ...room, head }, 0);
    for (const at of heads) expect(told(await asOf(at), 0)).toEqual(told(stripOf(entries.slice(0, at)), 0));
    for (const [i, strip] of (await Promise.all(heads.map(asOf))).entries())
      expect(told(strip, 0)).toEqual(told(stripOf(entries.slice(0, heads[i])), 0));
    await database.rows("delete from session_strips where seq = 2000");
    expect(told(await cold().strips.of(room, 2500), 2500)).toEqual(told(whole, 2500));
    expect(await database.rows("select seq from session_strips")).toHaveLength(Math.floor(entries.length / 1000));
    await database.rows("update session_strips set fold = 'older', state = '\\x00', positions = '\\x00'");
    expect(told(await cold().strips.of(room, 0), 0)).toEqual(told(whole, 0));
  });

  test("when something of the room is erased none is believed, and none is left", async () => {
    const { snapshots, strips } = cold();
    const found = (await get(`/v1/events?stream_type=room&stream_id=${long.roomId}&event_type=approval.requested&limit=1`)).items[0];
    const labelIn = ({ blocks: [block] }: Strip, seq: number) => block!.labels[block!.label[seq - block!.from]!];
    expect(labelIn(await strips.of(await roomNow(), found.seq - 1), found.seq)).toBe(found.data.title);
    const until = await snapshots.at("ws_dev", long.roomId, await head("ws_dev", long.roomId), { seq: found.seq });
    expect(JSON.stringify([...until.folded.approvals.values()])).toContain(found.data.title);
    const done = await c.call("POST", "/v1/audit/redact", { token: c.owner, body: { event_id: found.event_id, reason: "test" } });
    expect(done.status, JSON.stringify(done.body)).toBe(200);
    const after = cold();
    const entries = await after.history.room("ws_dev", long.roomId);
    const now = await after.snapshots.at("ws_dev", long.roomId, entries.length, { seq: found.seq });
    expect(now).toEqual(atPlace(entries, found.seq - 1, null));
    await expect
      .poll(
        () =>
          database.rows(
            "select made_at_seq from session_moments where made_at_seq < $1 union all select made_at_seq from session_strips where made_at_seq < $1",
            [entries.length],
          ),
        { timeout: 60_000 },
      )
      .toEqual([]);
    // Made anew it has nothing of it: all of them are called the same, so only that one's place tells.
    const other = entries.findIndex(({ event, seq }) => event.type === "approval.requested" && seq > found.seq) + 1;
    for (const kept of [after.strips, strips]) {
      expect(labelIn(await kept.of(await roomNow(), found.seq - 1), found.seq)).toBeUndefined();
      expect(labelIn(await kept.of(await roomNow(), other - 1), other)).toBe(found.data.title);
    }
  });

  test("what was read before an erasure stood in the log is not kept, and what is read after has none of it", async () => {
    await database.rows("delete from session_moments");
    await database.rows("delete from session_strips");
    const { history, snapshots, strips } = cold();
    const room = await roomNow();
    const entries = await history.room("ws_dev", long.roomId);
    const target = entries.find(({ event, seq }) => event.type === "message.created" && seq > 1000 && "content_md" in event.data)!;
    const text = (target.event.data as unknown as { content_md: string }).content_md;
    const [event] = await database.rows<{ event_id: EventId }>("select event_id from evt_events where stream_id = $1 and seq = $2", [
      long.roomId,
      target.seq,
    ]);
    // The record alone: whoever was to erase it died.
    await c.server.log.run(
      redaction,
      {
        organizationId: "ws_dev",
        origin: { principal: { id: "usr_owner", type: "user" } },
        stream: { type: "room", id: long.roomId },
        subject: `event:${event!.event_id}`,
      },
      { type: "redact", target: event!.event_id, reason: "test", content: [] },
    );
    const kept = () => database.rows("select seq from session_moments union all select seq from session_strips");
    await snapshots.keep(room);
    await strips.keep(room);
    expect(await kept()).toEqual([]);
    await snapshots.keep(await roomNow());
    await strips.keep(await roomNow());
    expect(await kept()).toHaveLength(2 * Math.floor(entries.length / 1000));
    const [block] = (await strips.of(await roomNow(), target.seq - 1)).blocks;
    expect([text.length > 0, block!.label[target.seq - block!.from]]).toEqual([true, -1]);
  });
});

test("what is erased from the log is erased from every moment, at once", async () => {
  const before = await get(at("/timeline"));
  expect(before.labels).toContain("Make the tests pass.");
  const target = (await get(`/v1/events?stream_type=room&stream_id=${long.roomId}&limit=20`)).items.find(
    (e: Body) => e.type === "message.created",
  );
  const done = await c.call("POST", "/v1/audit/redact", { token: c.owner, body: { event_id: target.event_id, reason: "test" } });
  expect(done.status, JSON.stringify(done.body)).toBe(200);
  const after = await get(at("/timeline"));
  expect(after.events.label[target.seq - 1]).toBe(-1);
});

test("what an erasure names is read without its words from the moment that it stands in the log, and so for ever", async () => {
  const of = await beginSession(author, { title: "About to be erased" });
  await addTurn(author, of, { tools: 2, prompt: "A secret wish." });
  const timeline = () => get(`/v1/sessions/${of.sessionId}/timeline`);
  const target = (await get(`/v1/events?stream_type=room&stream_id=${of.roomId}&limit=20`)).items.find(
    (e: Body) => e.type === "message.created",
  );
  const labelOf = ({ labels, events }: Body): string | undefined => labels[events.label[target.seq - 1]];
  expect(labelOf(await timeline())).toBe("A secret wish.");
  // Recorded; what takes the text away comes after, and whoever is told of the one reads before the other.
  const recorded = await c.server.log.run(
    redaction,
    {
      organizationId: "ws_dev",
      origin: { principal: { id: "usr_owner", type: "user" }, roomId: of.roomId },
      stream: { type: "room", id: of.roomId },
      subject: `event:${target.event_id}`,
    },
    { type: "redact", target: target.event_id, reason: "test", content: [] },
  );
  expect(recorded.ok).toBe(true);
  expect((await database.rows("select 1 from evt_payloads where data like '%A secret wish.%'")).length).toBeGreaterThan(0);
  expect(labelOf(await timeline())).toBeUndefined();
});
