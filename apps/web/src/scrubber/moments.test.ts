import { expect, test } from "vitest";
import { createMoments, type Moments } from "./moments.ts";

interface Opened {
  moments: Moments<string>;
  asked: number[];
  shown: number[];
  failed: number[];
  answer(seq: number): Promise<void>;
}
/** Answers come when the test says so. */
function opened(fails: ReadonlySet<number> = new Set()): Opened {
  const waiting = new Map<number, () => void>();
  const [asked, shown, failed]: [number[], number[], number[]] = [[], [], []];
  const moments = createMoments<string>({
    everyMs: 0,
    async read(seq) {
      asked.push(seq);
      await new Promise<void>((resolve) => waiting.set(seq, resolve));
      if (fails.has(seq)) throw new Error("refused");
      return `moment ${seq}`;
    },
    onRead: (seq) => shown.push(seq),
    onFailed: (seq) => failed.push(seq),
  });
  return {
    moments,
    asked,
    shown,
    failed,
    async answer(seq) {
      waiting.get(seq)!();
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
  };
}

test("of what is wanted while one is read, only the newest is read next", async () => {
  const { moments, asked, shown, answer } = opened();
  for (const seq of [1, 2, 3, 4]) moments.want(seq);
  expect(asked).toEqual([1]);
  await answer(1);
  expect(asked).toEqual([1, 4]);
  await answer(4);
  expect(shown).toEqual([1, 4]);
});

test("what was read is kept and shown at once", async () => {
  const { moments, asked, shown, answer } = opened();
  moments.want(1);
  await answer(1);
  moments.want(1);
  expect([asked, shown]).toEqual([[1], [1, 1]]);
  moments.clear();
  moments.want(1);
  expect(asked).toEqual([1, 1]);
});

test("what comes late does not take the place of what was kept and wanted after it", async () => {
  const { moments, asked, shown, failed, answer } = opened(new Set([3]));
  moments.want(1);
  await answer(1);
  moments.want(2);
  moments.want(1);
  await answer(2);
  expect([asked, shown]).toEqual([
    [1, 2],
    [1, 1],
  ]);
  // It was read all the same, and is there when it is wanted again.
  moments.want(2);
  expect([asked, shown.at(-1)]).toEqual([[1, 2], 2]);
  moments.want(3);
  moments.want(1);
  await answer(3);
  expect([failed, shown.at(-1)]).toEqual([[], 1]);
});

test("what is foreseen is read only while nobody waits, and is there when it is wanted", async () => {
  const { moments, asked, shown, answer } = opened();
  moments.want(1);
  moments.foresee([2, 3]);
  expect(asked).toEqual([1]);
  await answer(1);
  expect(asked).toEqual([1, 2]);
  await answer(2);
  moments.want(2);
  expect(shown).toEqual([1, 2]);
  expect(asked).toEqual([1, 2, 3]);
});

test("a refusal is told for the moment it is of, and the next one is read all the same", async () => {
  const { moments, shown, failed, answer } = opened(new Set([1]));
  moments.want(1);
  moments.want(2);
  await answer(1);
  await answer(2);
  expect([failed, shown]).toEqual([[1], [2]]);
});

test("nothing is told after it was closed", async () => {
  const { moments, shown, failed, answer } = opened();
  moments.want(1);
  moments.close();
  await answer(1);
  expect([shown, failed]).toEqual([[], []]);
});
