import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { SessionDelta } from "@signalbox/contract/sync";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  delta,
  EMPTY,
  event,
  extend,
  forgetParts,
  hydrate,
  inOrder,
  prepend,
  trimNewer,
  trimOlder,
  type Conversation,
  type Window,
} from "./conversation.ts";
import { NOTHING_QUEUED, rowsOf } from "./rows.ts";

const RUN = "run_01J00000000000000000000001";
const OTHER_RUN = "run_01J00000000000000000000002";
const AT = "2030-01-01T12:00:00.000Z";

/** One turn as the server records it, with the ids that its live parts carried. */
function recorded(type: string, seq: number, data: object, principal: "user" | "agent" = "agent", run: string = RUN): EventEnvelope {
  return {
    event_id: `ev-${seq}`,
    type,
    version: 1,
    organization_id: "ws_dev",
    stream: { type: "room", id: "room_1" },
    seq,
    position: seq,
    subject: "x",
    subject_version: 1,
    run_id: run,
    occurred_at: AT,
    recorded_at: AT,
    principal: { id: principal === "agent" ? "agt_1" : "usr_1", type: principal },
    zone: "sandbox",
    correlation_id: "c",
    redaction: "none",
    data,
    prev_hash: "sha256:0",
    hash: "sha256:1",
  } as unknown as EventEnvelope;
}

const TURN: readonly EventEnvelope[] = [
  recorded("message.created", 1, { message_id: "msg_ask", content_md: "fix it" }, "user"),
  recorded("run.started", 2, { run_id: RUN }),
  recorded("step.thought", 3, { step_id: "step_think", run_id: RUN, text: "where is it?" }),
  recorded("tool.invoked", 4, { tool_call_id: "tc_1", run_id: RUN, name: "bash", arguments: { command: "npm test" } }),
  recorded("step.plan_updated", 5, { run_id: RUN, entries: [{ content: "fix", status: "pending" }] }),
  recorded("tool.failed", 6, { tool_call_id: "tc_1", run_id: RUN, error: "exit 1", output: "1 failed", duration_ms: 12 }),
  recorded("step.plan_updated", 7, { run_id: RUN, entries: [{ content: "fix", status: "completed" }] }),
  recorded("message.created", 8, { message_id: "msg_say", content_md: "It is **done**." }),
  recorded("approval.requested", 9, { approval_id: "appr_1" }),
  recorded("run.completed", 10, { run_id: RUN }),
];
const HEAD = TURN.length;

/** What `sessions.conversation` answers once everything up to `seq` is recorded. */
const reading = (seq: number): Window => ({ items: [...TURN.slice(0, seq).reduce(event, EMPTY).items.values()], hasOlder: false });

const text = (id: string, said: string, run = RUN): SessionDelta => ({ kind: "text", part_id: id, run_id: run, delta: said });
const started = (id: string): SessionDelta => ({
  kind: "tool_started",
  part_id: id,
  run_id: RUN,
  name: "bash",
  title: null,
  arguments: { command: "npm test" },
});
const printed = (id: string, said: string): SessionDelta => ({ kind: "tool_output", part_id: id, run_id: RUN, delta: said });
const done = (id: string, seq: number | null): SessionDelta => ({ kind: "part_done", part_id: id, run_id: RUN, seq });
const say = (state: Conversation, ...changes: SessionDelta[]): Conversation => changes.reduce((s, change) => delta(s, change, "1"), state);
/** Rows top to bottom, with what is being said or printed in them. */
const entries = (state: Conversation) =>
  rowsOf(state, { today: "2030-01-01", queued: NOTHING_QUEUED }).filter(({ kind }) => kind !== "day");
const shown = (state: Conversation): string[] =>
  entries(state).map((row) => {
    const live = state.parts.find(({ id }) => id === row.key);
    if (row.kind === "live") return `live ${row.part}: ${live?.text}`;
    if (row.kind === "day" || row.kind === "lookups") return row.kind;
    return live === undefined ? `${row.item.type} ${row.item.id}` : `${row.item.type} ${row.item.id} + ${live.text}`;
  });

describe("what is being said", () => {
  test("words of one part are joined in the order in which they came", () => {
    expect(shown(say(EMPTY, text("msg_say", "It is "), text("msg_say", "**done**.")))).toEqual(["live text: It is **done**."]);
  });
  test("the recorded message takes the place of what was being said, whichever of the two ways tells first", () => {
    const said = say(TURN.slice(0, 7).reduce(event, EMPTY), text("msg_say", "It is"));
    expect(shown(said).at(-1)).toBe("live text: It is");
    const feedFirst = say(event(said, TURN[7]!), done("msg_say", 8));
    const deltasFirst = event(say(said, done("msg_say", 8)), TURN[7]!);
    expect(shown(feedFirst).at(-1)).toBe("message msg_say");
    expect(shown(deltasFirst)).toEqual(shown(feedFirst));
  });
  test("a finished part stays on screen until its event is here", () => {
    expect(shown(say(EMPTY, text("msg_say", "It is done."), done("msg_say", 8)))).toEqual(["live text: It is done."]);
  });
  test("a part that becomes nothing goes at once", () => {
    expect(shown(say(EMPTY, text("msg_x", " "), done("msg_x", null)))).toEqual([]);
  });
  test("what a tool prints shows in its call while it runs, and not beside it", () => {
    const running = say(TURN.slice(0, 4).reduce(event, EMPTY), started("tc_1"), printed("tc_1", "1 fai"), printed("tc_1", "led"));
    expect(shown(running).at(-1)).toBe("tool_call tc_1 + 1 failed");
    expect(shown(event(event(running, TURN[4]!), TURN[5]!)).filter((line) => line.includes("tc_1"))).toEqual(["tool_call tc_1"]);
  });
  test("the end of a turn ends everything that it was saying", () => {
    const cut = recorded("run.canceled", 3, { run_id: RUN });
    expect(shown(event(say(EMPTY, text("msg_say", "It i")), cut))).toEqual(["run_ended ev-3"]);
  });
  test("words that arrive after their turn has ended are not brought back", () => {
    expect(shown(say(TURN.reduce(event, EMPTY), text("msg_late", "too late")))).toEqual(shown(TURN.reduce(event, EMPTY)));
  });
  test("a part that was replayed although its message is known does not show twice", () => {
    expect(shown(say(hydrate(EMPTY, reading(8), 8), text("msg_say", "It is")))).toEqual(shown(hydrate(EMPTY, reading(8), 8)));
  });
  test("after a takeover the new epoch's account replaces the old one's", () => {
    const before = say(EMPTY, text("msg_say", "It is d"), text("msg_gone", "half"));
    const after = delta(before, { kind: "snapshot", part_id: "msg_say", run_id: RUN, part: "text", name: null, text: "It is done" }, "2");
    expect(shown(delta(after, text("msg_say", "."), "2"))).toEqual(["live text: It is done."]);
  });
  test("another turn's parts stay when one ends", () => {
    const both = say(EMPTY, text("msg_a", "a"), text("msg_b", "b", OTHER_RUN));
    expect(shown(event(both, recorded("run.failed", 1, { run_id: RUN, message: "no" })))).toEqual(["run_ended ev-1", "live text: b"]);
  });
  test("when the deltas are no longer kept, open parts begin anew and recorded items stay", () => {
    expect(shown(forgetParts(say(hydrate(EMPTY, reading(2), 2), text("msg_say", "It"))))).toEqual(["message msg_ask"]);
  });
});

describe("what was recorded", () => {
  test("only the newest plan of a turn shows", () => {
    const plans = entries(TURN.reduce(event, EMPTY)).flatMap((row) =>
      row.kind === "item" && row.item.type === "plan" ? [row.item.seq] : [],
    );
    expect(plans).toEqual([7]);
  });
  test("a reading from before a call ended does not take its end back", () => {
    const ended = TURN.reduce(event, EMPTY);
    expect(hydrate(ended, reading(4), 4)).toMatchObject({ items: ended.items, lastSeq: HEAD });
  });
  test("a call that ended before it was read is not under way", () => {
    const late = event({ ...EMPTY, lastSeq: 5 }, TURN[5]!);
    const read = hydrate(late, reading(4), 6);
    expect(read.items.get("tc_1")).toMatchObject({ status: "failed", error: "exit 1", ended_seq: 6 });
  });
  test("a message that was edited keeps its newest words, whichever reading comes last", () => {
    const edited = event(
      TURN.slice(0, 1).reduce(event, EMPTY),
      recorded("message.edited", 2, { message_id: "msg_ask", content_md: "fix both" }, "user"),
    );
    expect(hydrate(edited, reading(1), 1).items.get("msg_ask")).toMatchObject({ content_md: "fix both", edited_at: AT });
  });
  test("an approval is decided in place", () => {
    const decided = event(TURN.reduce(event, EMPTY), recorded("approval.approved", 11, { approval_id: "appr_1", by: "usr_2" }, "user"));
    expect(decided.items.get("appr_1")).toMatchObject({ status: "approved", decided_by: "usr_2", ended_seq: 11 });
  });
  test("an event that is already known changes nothing", () => {
    const all = TURN.reduce(event, EMPTY);
    expect(TURN.reduce(event, all)).toBe(all);
  });
});

describe("a window of a long conversation", () => {
  const LONG = Array.from({ length: 100 }, (_, i) =>
    recorded("message.created", i + 1, { message_id: `msg_${i + 1}`, content_md: `${i + 1}` }, "user", `run_${i}`),
  );
  const all = [...LONG.reduce(event, EMPTY).items.values()];
  const window = (from: number, to: number): Window => ({ items: all.slice(from - 1, to), hasOlder: from > 1 });
  const held = (state: Conversation): number[] => inOrder(state.items).map(({ seq }) => seq);
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  test("older windows join without a gap until the beginning", () => {
    let state = hydrate(EMPTY, window(81, 100), 100);
    expect(state.older).toBe(81);
    state = prepend(state, 81, window(41, 80));
    state = prepend(state, 41, window(1, 40));
    expect(held(state)).toEqual(range(1, 100));
    expect(state.older).toBeNull();
  });
  test("an older window that was asked for from another place is dropped", () => {
    const state = hydrate(EMPTY, window(81, 100), 100);
    expect(prepend(state, 50, window(1, 49))).toBe(state);
  });
  test("what is let go at the far end is counted, and comes back in order and without a gap", () => {
    let state = trimNewer(hydrate(EMPTY, window(1, 90), 90), 30);
    expect([held(state).at(-1), state.newer]).toEqual([30, 60]);
    state = LONG.slice(90).reduce(event, state);
    expect(state.newer).toBe(70);
    state = extend(state, 30, all.slice(30, 60), false);
    expect([held(state).at(-1), state.newer]).toEqual([60, 40]);
    state = extend(state, 60, all.slice(60), true);
    expect(held(state)).toEqual(range(1, 100));
    expect(state.newer).toBeNull();
  });
  test("what comes while the newest window is being read is not lost", () => {
    const away = LONG.slice(90, 95).reduce(event, trimNewer(hydrate(EMPTY, window(1, 90), 90), 30));
    // Read when 93 was the newest; 94 and 95 came by the feed meanwhile.
    const back = hydrate(away, window(74, 93), 93);
    expect(held(back)).toEqual(range(74, 95));
    expect([back.newer, back.older, back.lastSeq]).toEqual([null, 74, 95]);
  });
  test("a reading after an absence takes the place of what is held when there is a gap between", () => {
    const before = hydrate(EMPTY, window(1, 20), 20);
    expect(held(hydrate(before, window(81, 100), 100))).toEqual(range(81, 100));
    expect(held(hydrate(before, window(15, 40), 40))).toEqual(range(1, 40));
  });
  test("at the end the oldest go, and can be read again", () => {
    const state = trimOlder(hydrate(EMPTY, window(1, 100), 100), 40);
    expect([held(state)[0], state.older]).toEqual([61, 61]);
    expect(held(prepend(state, 61, window(41, 60)))[0]).toBe(41);
  });
});

test("however reading, feed and deltas interleave, the same conversation stands at the end, once each and in order", () => {
  const DELTAS: readonly SessionDelta[] = [
    { kind: "thought", part_id: "step_think", run_id: RUN, delta: "where " },
    { kind: "thought", part_id: "step_think", run_id: RUN, delta: "is it?" },
    done("step_think", 3),
    started("tc_1"),
    printed("tc_1", "1 failed"),
    done("tc_1", 6),
    text("msg_say", "It is "),
    text("msg_say", "**done**."),
    done("msg_say", 8),
  ];
  const expected = shown(TURN.reduce(event, EMPTY));
  fc.assert(
    fc.property(fc.nat(HEAD), fc.nat(HEAD), fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (readAt, pageSplit, order) => {
      // The newest items are read at `readAt`; those before them later, so that reading may already know more.
      const first = reading(readAt).items;
      const cut = Math.max(0, first.length - 3);
      let state = hydrate(EMPTY, { items: first.slice(cut), hasOlder: cut > 0 }, readAt);
      const before = state.older;
      if (before !== null) {
        const later = reading(Math.max(readAt, pageSplit)).items.filter(({ seq }) => seq < before);
        state = prepend(state, before, { items: later, hasOlder: false });
      }
      const feed = TURN.slice(readAt);
      let nextEvent = 0;
      let nextDelta = 0;
      for (const takeEvent of order) {
        if (takeEvent && nextEvent < feed.length) state = event(state, feed[nextEvent++]!);
        else if (nextDelta < DELTAS.length) state = delta(state, DELTAS[nextDelta++]!, "1");
        const keys = entries(state).map(({ key }) => key);
        expect(new Set(keys).size).toBe(keys.length);
        const seqs = inOrder(state.items).map(({ seq }) => seq);
        expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      }
      while (nextEvent < feed.length) state = event(state, feed[nextEvent++]!);
      while (nextDelta < DELTAS.length) state = delta(state, DELTAS[nextDelta++]!, "1");
      expect(shown(state)).toEqual(expected);
      expect(state.parts).toEqual([]);
      expect(state.lastSeq).toBe(HEAD);
    }),
    { numRuns: 300 },
  );
});

test("nothing that was said disappears between its last word and its event", () => {
  fc.assert(
    fc.property(fc.nat(3), fc.boolean(), (gap, doneFirst) => {
      let state = say(TURN.slice(0, 7 - gap).reduce(event, EMPTY), text("msg_say", "It is **done**."));
      const visible = (): boolean => shown(state).some((line) => line === "live text: It is **done**." || line === "message msg_say");
      if (doneFirst) state = say(state, done("msg_say", 8));
      for (const each of TURN.slice(7 - gap, 9)) {
        expect(visible()).toBe(true);
        state = event(state, each);
      }
      state = say(state, done("msg_say", 8));
      expect(visible()).toBe(true);
    }),
  );
});
