/* Inclusion in the tree of `merkle.ts` (RFC 9162 section 2.1.3): the hashes beside the way from a leaf to the root. */
import { leafOf, type StreamHead } from "./merkle.ts";
import { concat, type Primitives } from "./primitives.ts";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export interface Inclusion {
  readonly index: number;
  readonly size: number;
  /** From the leaf up. */
  readonly path: readonly Uint8Array[];
}

/** Null when no head of that name is among them. */
export async function inclusionOf(primitives: Primitives, heads: readonly StreamHead[], stream: string): Promise<Inclusion | null> {
  const sorted = heads.toSorted((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0));
  const index = sorted.findIndex((head) => head.stream === stream);
  if (index < 0) return null;
  const path: Uint8Array[] = [];
  let level = await Promise.all(sorted.map(async (head) => primitives.sha256(concat(LEAF, leafOf(head)))));
  for (let at = index; level.length > 1; at >>= 1) {
    const beside = level[at ^ 1];
    if (beside !== undefined) path.push(beside);
    const next: Promise<Uint8Array>[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1];
      next.push(Promise.resolve(right === undefined ? level[i]! : primitives.sha256(concat(NODE, level[i]!, right))));
    }
    level = await Promise.all(next);
  }
  return { index, size: sorted.length, path };
}

/** The root that the path leads to; null when it has not the length that its place asks for. */
export async function rootFrom(primitives: Primitives, head: StreamHead, { index, size, path }: Inclusion): Promise<Uint8Array | null> {
  if (index < 0 || index >= size) return null;
  let hash = await primitives.sha256(concat(LEAF, leafOf(head)));
  let used = 0;
  for (let at = index, last = size - 1; last > 0; at >>= 1, last >>= 1) {
    // The last of an odd level has nothing beside it and is carried up as it is.
    if (at % 2 === 0 && at === last) continue;
    const beside = path[used++];
    if (beside === undefined) return null;
    hash = await primitives.sha256(at % 2 === 1 ? concat(NODE, beside, hash) : concat(NODE, hash, beside));
  }
  return used === path.length ? hash : null;
}
