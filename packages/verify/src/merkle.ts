/* The Merkle tree of RFC 6962 section 2.1 over the heads of an organization's streams, sorted by name. */
import { concat, putHex, utf8, type Primitives } from "./primitives.ts";

export interface StreamHead {
  /** `room:room_…` */
  readonly stream: string;
  readonly seq: number;
  /** `sha256:<hex>` */
  readonly hash: string;
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafOf = (head: StreamHead): Uint8Array => utf8(`${head.stream}\n${head.seq}\n${head.hash}\n`);

/** Root over the heads in ascending order of their names (by UTF-16 code units). */
export const rootOf = (primitives: Primitives, heads: readonly StreamHead[]): Promise<Uint8Array> =>
  treeRoot(primitives, heads.toSorted((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0)).map(leafOf));

/** Root over leaves in the order given. */
export async function treeRoot(primitives: Primitives, leaves: readonly Uint8Array[]): Promise<Uint8Array> {
  if (primitives.sha256Hex !== undefined && leaves.length > 0) return rootAtOnce(primitives.sha256Hex, leaves);
  let level = await Promise.all(leaves.map(async (leaf) => primitives.sha256(concat(LEAF, leaf))));
  if (level.length === 0) return primitives.sha256(new Uint8Array(0));
  // Pairing neighbours and carrying an odd last one up gives RFC 6962's tree, whose left part is
  // the largest power of two below the size.
  while (level.length > 1) {
    const next: Promise<Uint8Array>[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1];
      next.push(Promise.resolve(right === undefined ? level[i]! : primitives.sha256(concat(NODE, level[i]!, right))));
    }
    level = await Promise.all(next);
  }
  return level[0]!;
}

/** The same tree, level by level in one place: 10,000 leaves take 21 ms of a busy machine's processor instead of 70 with a promise for each hash. */
function rootAtOnce(sha256Hex: NonNullable<Primitives["sha256Hex"]>, leaves: readonly Uint8Array[]): Uint8Array {
  const level = new Uint8Array(leaves.length * 32);
  const tagged = new Uint8Array(1 + leaves.reduce((most, { length }) => Math.max(most, length), 64));
  tagged.set(LEAF);
  leaves.forEach((leaf, i) => {
    tagged.set(leaf, 1);
    putHex(sha256Hex(tagged.subarray(0, 1 + leaf.length)), 0, level, i * 32);
  });
  const pair = tagged.subarray(0, 65);
  pair.set(NODE);
  for (let length = leaves.length; length > 1; length = Math.ceil(length / 2)) {
    for (let i = 0; i < length; i += 2) {
      const at = i * 32;
      // What is written stands before everything that is still to be read.
      if (i + 1 === length) level.copyWithin(at / 2, at, at + 32);
      else {
        pair.set(level.subarray(at, at + 64), 1);
        putHex(sha256Hex(pair), 0, level, at / 2);
      }
    }
  }
  return level.slice(0, 32);
}
