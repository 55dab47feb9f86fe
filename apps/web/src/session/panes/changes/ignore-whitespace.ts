/* A diff without what differs in white space only. Pure. */
import type { DiffFile, DiffLine } from "./diff.ts";

/** Blocks longer than this are compared line by line only where both sides are as long. */
const COMPARED = 400;

const bare = (text: string): string => text.replace(/\s+/g, "");

/** Lines that are alike but for white space become context, as they are after the change. A hunk without changes goes. */
export function ignoringWhitespace(file: DiffFile): DiffFile {
  const hunks = file.hunks
    .map((hunk) => ({ ...hunk, lines: inLines(hunk.lines) }))
    .filter(({ lines }) => lines.some(({ kind }) => kind === "added" || kind === "removed"));
  return { ...file, hunks };
}

function inLines(lines: readonly DiffLine[]): DiffLine[] {
  const out: DiffLine[] = [];
  for (let i = 0; i < lines.length;) {
    const start = i;
    while (i < lines.length && lines[i]!.kind !== "context") i++;
    if (i > start) out.push(...inBlock(lines.slice(start, i)));
    else out.push(lines[i++]!);
  }
  return out;
}

function inBlock(block: readonly DiffLine[]): DiffLine[] {
  const removed = block.filter(({ kind }) => kind === "removed");
  const added = block.filter(({ kind }) => kind === "added");
  const pairs = alike(
    removed.map(({ text }) => bare(text)),
    added.map(({ text }) => bare(text)),
  );
  if (pairs.length === 0) return [...block];
  const out: DiffLine[] = [];
  let r = 0;
  let a = 0;
  for (const [left, right] of [...pairs, [removed.length, added.length] as const]) {
    out.push(...removed.slice(r, left), ...added.slice(a, right));
    if (left < removed.length)
      out.push({ kind: "context", text: added[right]!.text, before: removed[left]!.before, after: added[right]!.after });
    r = left + 1;
    a = right + 1;
  }
  return out;
}

/** The longest run of pairs (index before, index after) in the order of both. */
function alike(before: readonly string[], after: readonly string[]): [number, number][] {
  if (before.length > COMPARED || after.length > COMPARED)
    return before.length === after.length ? before.flatMap((text, i) => (text === after[i] ? [[i, i] as [number, number]] : [])) : [];
  const longest = Array.from({ length: before.length + 1 }, () => new Uint16Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      longest[i]![j] = before[i] === after[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < before.length && j < after.length;) {
    if (before[i] === after[j]) pairs.push([i++, j++]);
    else if (longest[i + 1]![j]! >= longest[i]![j + 1]!) i++;
    else j++;
  }
  return pairs;
}
