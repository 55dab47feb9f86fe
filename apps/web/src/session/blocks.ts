/*
 * Markdown that is still arriving, in blocks: all but the last are finished and are never parsed again.
 * A block ends at an empty line outside a fence. Pure; `carry` makes reading on cost only what is new.
 */
export interface Blocks {
  /** Finished blocks, in order. A prefix of what the same text with more behind it gives. */
  readonly done: readonly string[];
  /** Where the last, unfinished block begins in the text. */
  readonly from: number;
}

export const NO_BLOCKS: Blocks = { done: [], from: 0 };

const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** `carry`: the answer for a beginning of `text`; anything else starts over. */
export function blocksOf(text: string, carry: Blocks = NO_BLOCKS): Blocks {
  const done = [...carry.done];
  let from = carry.from;
  let fence: string | null = null;
  let at = from;
  while (true) {
    const end = text.indexOf("\n", at);
    if (end === -1) break;
    const line = text.slice(at, end);
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined) {
      if (fence === null) fence = mark;
      else if (mark.startsWith(fence) && line.trim() === mark) fence = null;
    }
    at = end + 1;
    if (fence !== null || line.trim() !== "") continue;
    // A list or a quotation may go on after an empty line; what is indented or begins with a marker belongs to it.
    const next = text.slice(at, at + 80);
    if (next === "" || /^([ \t]|[-*+]( |$)|\d+([.)] |[.)]?$)|>)/.test(next)) continue;
    if (text.slice(from, at).trim() !== "") done.push(text.slice(from, at));
    from = at;
  }
  return done.length === carry.done.length && from === carry.from ? carry : { done, from };
}
