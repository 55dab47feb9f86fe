/* The checkpoints of an export: by whom each is signed, over which heads, and whether the export has them. */
import type { HandedOver } from "./event-checks.ts";
import type { Findings } from "./export-report.ts";
import type { ExportState } from "./export-state.ts";
import type { TrustedKeys } from "./keys.ts";
import { growingTree, inOrder, isBefore, type StreamHead } from "./merkle.ts";
import { openNote } from "./note.ts";
import { equal, type Primitives } from "./primitives.ts";

export interface CheckpointChecks {
  checkpoint(note: string, heads: readonly StreamHead[]): Promise<void>;
  count(): number;
  /** Position up to which a valid one vouches. */
  coveredTo(): number | null;
  /** Events that are newer than the newest valid one, or in a stream that it does not know. */
  uncovered(): number;
  readonly signedBy: ReadonlySet<string>;
}

/** `named`: ids of keys that the export itself names. */
export function createCheckpointChecks(
  primitives: Primitives,
  state: ExportState,
  findings: Findings,
  trusted: TrustedKeys,
  { named, handedOver }: { readonly named: ReadonlySet<string>; readonly handedOver: readonly HandedOver[] },
): CheckpointChecks {
  const tree = growingTree(primitives);
  const signedBy = new Set<string>();
  let checkpoints = 0;
  let coveredTo: number | null = null;
  let coveredHeads: readonly StreamHead[] = [];
  let olderHeads: readonly StreamHead[] = [];
  let olderAreHere = false;

  async function checkpoint(note: string, stated: readonly StreamHead[]): Promise<void> {
    checkpoints++;
    const opened = await openNote(primitives, note, trusted.keys);
    const name = `checkpoint ${checkpoints}`;
    if (!opened.ok) {
      findings.problem(
        opened.reason === "unknown_key"
          ? `${name} is signed by key ${opened.keyId ?? "?"}, which is not among the given public keys${strangerness(opened.keyId ?? "?")}`
          : opened.reason === "bad_signature"
            ? `${name} has a signature that does not fit its text (key ${opened.keyId ?? "?"})`
            : `${name} is not a signed note`,
      );
      return;
    }
    signedBy.add(opened.keyId);
    const { streams: size, rootHash, position } = opened.checkpoint;
    if (state.organization !== null && opened.checkpoint.origin !== `signalbox/${state.organization}`)
      findings.problem(`${name} speaks for ${opened.checkpoint.origin}, not for ${state.organization}`);
    const heads = inOrder(stated);
    if (heads.length !== size || !equal(await tree.rootOf(heads), rootHash)) {
      findings.problem(`${name} (position ${position}): the heads beside it are not the ones it was signed over`);
      return;
    }
    for (const { from, stream, seq } of handedOver)
      if (from === opened.keyId && (heads.find((head) => head.stream === stream)?.seq ?? 0) >= seq)
        findings.problem(`${name} (position ${position}) is signed by key ${from}, which was handed over at ${stream} ${seq}, before it`);
    if (!isWhole(name, heads)) return;
    coveredTo = position;
    coveredHeads = heads;
  }

  /** A key that was rotated is believed by now; what is left was put in another's place, or is of somewhere else. */
  function strangerness(id: string): string {
    const claim = trusted.claimOf(id);
    if (claim !== null) return `: ${claim}`;
    return named.has(id)
      ? ": the export names it, but no rotation leads to it from a key that is believed; it was replaced, not rotated"
      : "";
  }

  /**
   * Whether the export has every head of a checkpoint that it can have. Both checkpoints are in the order of names, so
   * one walk looks at both, and at no more than what has moved: what the log was found to have it still has.
   */
  function isWhole(name: string, heads: readonly StreamHead[]): boolean {
    let [whole, old] = [true, 0];
    for (const head of heads) {
      let was = olderHeads[old];
      for (; was !== undefined && was !== head && was.stream !== head.stream && isBefore(was, head); was = olderHeads[++old])
        isShorter(was);
      if (was === head || was?.stream === head.stream) {
        old++;
        if ((was === head || (was.seq === head.seq && was.hash === head.hash)) && olderAreHere && state.isComplete) continue;
        if (head.seq < was.seq) isShorter(was);
      }
      if (!isHere(name, head)) whole = false;
    }
    for (const gone of olderHeads.slice(old)) isShorter(gone);
    olderHeads = heads;
    olderAreHere = whole;
    return whole;

    function isShorter(older: StreamHead): void {
      findings.problem(`${name}: ${older.stream} stood at ${older.seq} in an older checkpoint and is shorter now`);
    }
  }

  /** Also true of what this export does not have, or has already called broken. */
  function isHere(name: string, head: StreamHead): boolean {
    const stream = state.streams.get(head.stream);
    const here = state.hashAt(stream, head.seq);
    if (here === head.hash) return true;
    // An export of one stream or session has the others' heads only as leaves of the tree.
    if (!state.isComplete && (stream === undefined || stream.kept.length === 0)) return true;
    // Older than the first that is here of a part.
    if (head.seq < (stream?.first ?? 1)) return true;
    if (stream?.isBroken === true) return true;
    const last = stream?.seq ?? 0;
    if (last < head.seq)
      findings.problem(`${head.stream} ends at ${last}, but ${name} was signed when it had ${head.seq} events: its tail was removed`);
    else findings.problem(`${head.stream} ${head.seq}: ${name} was signed over ${head.hash}, the export has ${here}`);
    return false;
  }

  function uncovered(): number {
    const covered = new Map((coveredTo === null ? [] : coveredHeads).map((head) => [head.stream, head.seq]));
    let count = 0;
    for (const [name, { seq, first, kept }] of state.streams)
      if (kept.length > 0) count += Math.max(0, seq - (covered.get(name) ?? first - 1));
    return count;
  }

  return { checkpoint, count: () => checkpoints, coveredTo: () => coveredTo, uncovered, signedBy };
}
