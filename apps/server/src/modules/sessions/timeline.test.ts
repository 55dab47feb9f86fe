/* A strip put together of blocks is the strip of everything, wherever the blocks end: what `strips.ts` rests on. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BudgetEntry, Entry } from "./history.ts";
import { blockOf, openAfter, timelineFrom, type Block } from "./timeline.ts";

const ROOM = { roomId: "room_1", sessionId: null };
const BEGAN_MS = Date.UTC(2026, 0, 1);

/** What may follow what, in any order: a call that never ends, a run that failed and is resolved later, an end without a beginning. */
const happening = fc.oneof(
  fc.record({
    kind: fc.constant("run"),
    type: fc.constantFrom("run.created", "run.edited", "run.started", "run.completed", "run.failed", "run.canceled", "run.resolved"),
    of: fc.nat(3),
  }),
  fc.record({ kind: fc.constant("tool"), type: fc.constantFrom("tool.invoked", "tool.succeeded", "tool.failed"), of: fc.nat(3) }),
  fc.record({ kind: fc.constant("message"), type: fc.constant("message.created"), of: fc.nat(3) }),
  // Erased: it has no data.
  fc.record({ kind: fc.constant("run"), type: fc.constantFrom("run.created", "tool.invoked", "message.created"), of: fc.constant(-1) }),
);
const history = fc.array(fc.tuple(happening, fc.nat(5000), fc.integer({ min: 1, max: 9 })), { minLength: 1, maxLength: 60 }).map((all) => {
  let atMs = BEGAN_MS;
  let position = 0;
  /** A turn is asked for by a message that is there: both are of one unit, in this order. */
  const said: string[] = [];
  return all.map(([{ kind, type, of }, pauseMs, others], i): Entry => {
    atMs += pauseMs;
    // Events of other streams lie between.
    position += others;
    const data =
      of === -1
        ? {}
        : {
            tool_call_id: `tc_${of}`,
            name: `tool ${of}`,
            title: `${type} ${of}`,
            content_md: `said ${of}`,
            input: { message_id: said[of % said.length] },
            outcome: "succeeded",
          };
    const id = kind === "message" ? `msg_${i}` : `${kind}_${of}`;
    if (kind === "message") said.push(id);
    return { seq: i + 1, position, atMs, event: { type, data }, kind, id, runId: null, by: "usr_1" };
  });
});
const settled = fc.array(fc.tuple(fc.nat(400), fc.nat(1000)), { maxLength: 8 }).map((all) =>
  all.map(([position, cost]): BudgetEntry => ({
    position,
    atMs: BEGAN_MS + position,
    event: { type: "ledger.settled", data: { cost_micro_usd: cost } },
  })),
);

const positionsOf = (entries: readonly Entry[]) => Float64Array.from(entries, ({ position }) => position);
/** As they are kept: one after the other, each knowing only what was under way. */
function blocksOf(entries: readonly Entry[], size: number): { blocks: Block[]; positions: Float64Array[] } {
  const blocks: Block[] = [];
  const positions: Float64Array[] = [];
  for (let from = 0; from < entries.length; from += size) {
    const part = entries.slice(from, from + size);
    const before = blocks.at(-1);
    blocks.push(blockOf(part, entries[0]!.atMs, before === undefined ? undefined : openAfter(before)));
    positions.push(positionsOf(part));
  }
  return { blocks, positions };
}

test("blocks of any size tell from any seq on what the whole history tells, without those that end before it", () => {
  fc.assert(
    fc.property(history, settled, fc.integer({ min: 1, max: 20 }), fc.nat(60), (entries, ledger, size, place) => {
      const after = Math.min(place, entries.length);
      const { blocks, positions } = blocksOf(entries, size);
      const whole = timelineFrom(ROOM, [blockOf(entries, entries[0]!.atMs)], [positionsOf(entries)], [ledger], after);
      const last = blocks.at(-1)!;
      const reached = blocks.filter((block) => block.to > after || block === last);
      expect(timelineFrom(ROOM, reached, positions, [ledger], after)).toEqual(whole);
    }),
    { numRuns: 400 },
  );
});

test("nothing of a block changes when later ones come: it may be kept", () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 59 }), (entries, size, cut) => {
      const early = blocksOf(entries.slice(0, cut), size).blocks;
      const whole = blocksOf(entries, size).blocks;
      for (const [i, block] of early.entries()) if (block.to % size === 0) expect(block).toEqual(whole[i]);
    }),
  );
});
