/*
 * A checkpoint's line read from its bytes, when it is written as the log writes it:
 *
 *   {"kind":"checkpoint","note","heads":[{"stream","seq":N,"hash"},…]}
 *
 * All else is left to JSON.parse, which would find here what is found. Of 10,000 heads in it nearly all are those of the
 * checkpoint before: they are known by their bytes, and are the same objects, so that whoever compares them need not
 * look into them. 1.4 MB in 4 ms once it is warm; decoding and parsing takes 10, on a busy machine.
 */
import { BACKSLASH, digits, numberIn, past, plain, QUOTE, same } from "./byte-steps.ts";
import type { StreamHead } from "./merkle.ts";
import { utf8 } from "./primitives.ts";

export class CheckpointLine {
  note = "";
  heads: readonly StreamHead[] = [];
  /** The heads' own bytes, and where each begins and the one after the last would. */
  private before: { readonly bytes: Uint8Array; readonly starts: readonly number[] } = { bytes: new Uint8Array(0), starts: [0] };

  /** Where the next line begins; -1 when this one is of another form. The bytes are UTF-8. */
  read(bytes: Uint8Array, from: number): number {
    const noteAt = past(bytes, from, NOTE);
    const noteEnd = endOfText(bytes, noteAt);
    const first = past(bytes, noteEnd, HEADS);
    if (first < 0) return -1;
    try {
      this.note = JSON.parse(`"${textOf(bytes, noteAt, noteEnd)}"`) as string;
    } catch {
      return -1; // Not JSON: left to whoever names the line.
    }
    const { bytes: old, starts: oldStarts } = this.before;
    const heads: StreamHead[] = [];
    const starts: number[] = [];
    let known = 0;
    for (let at = first; ; at++) {
      starts.push(at - first);
      let end = known < this.heads.length ? same(bytes, at, old, oldStarts[known]!, oldStarts[known + 1]! - 1) : -1;
      if (end >= 0) heads.push(this.heads[known++]!);
      else {
        const seqAt = past(bytes, plain(bytes, past(bytes, at, STREAM)), SEQ);
        const seqEnd = digits(bytes, seqAt);
        const hashAt = past(bytes, seqEnd, HASH);
        const hashEnd = plain(bytes, hashAt);
        end = past(bytes, hashEnd, CLOSE);
        if (end < 0) return -1;
        const stream = textOf(bytes, at + STREAM.length, seqAt - SEQ.length);
        heads.push({ stream, seq: numberIn(bytes, seqAt, seqEnd), hash: textOf(bytes, hashAt, hashEnd) });
        // One that has moved; what was begun since stands between two that were there.
        if (this.heads[known]?.stream === stream) known++;
      }
      if (bytes[end] === COMMA) at = end;
      else {
        const next = past(bytes, end, END);
        if (next < 0) return -1;
        starts.push(end + 1 - first);
        this.heads = heads;
        // A copy: whoever reads a file reads the next piece into the same memory, and a Buffer's own slice would be a view of it.
        this.before = { bytes: new Uint8Array(bytes.subarray(first, end)), starts };
        return next;
      }
    }
  }
}

/** The closing quote of a text, whatever it holds. */
function endOfText(bytes: Uint8Array, from: number): number {
  if (from < 0) return -1;
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] === BACKSLASH) at++;
  }
  return -1;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const textOf = (bytes: Uint8Array, from: number, to: number): string => decoder.decode(bytes.subarray(from, to));

const COMMA = 0x2c;
const NOTE = utf8('{"kind":"checkpoint","note":"');
const HEADS = utf8('","heads":[');
const STREAM = utf8('{"stream":"');
const SEQ = utf8('","seq":');
const HASH = utf8(',"hash":"');
const CLOSE = utf8('"}');
const END = utf8("]}\n");
