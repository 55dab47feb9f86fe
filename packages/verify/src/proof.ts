/*
 * The proof of one event, small enough to hand to somebody: that it stands in the log of an
 * organization at the place that it says, under a checkpoint that the organization signed.
 *
 *   event ── its hash ──► links (32 bytes for each event behind it) ──► head of its stream
 *     ── path (32 bytes a level) ──► root ◄── signed ── checkpoint
 *
 * It says nothing of any other event. Whoever has the public key checks it offline.
 */
import { follow, GENESIS, linkEntry, type ChainedEvent, type Mismatch } from "./chain.ts";
import { rootFrom } from "./inclusion.ts";
import { TrustedKeys, type Rotation } from "./keys.ts";
import { openNote, type VerifierKey } from "./note.ts";
import { equal, fromBase64, hashBytes, hashText, type Primitives } from "./primitives.ts";

export const PROOF_FORMAT = "signalbox-proof/1";

export interface EventProof {
  readonly format: string;
  readonly organization_id: string;
  readonly event: ChainedEvent;
  /** Entry hashes of what stands between the event and the signed head: base64, 32 bytes each. */
  readonly links: string;
  /** Where the head is among the leaves, and the hashes (base64) beside its way up. */
  readonly inclusion: { readonly index: number; readonly size: number; readonly path: readonly string[] };
  /** Signed note. */
  readonly checkpoint: string;
  readonly keys?: readonly string[] | undefined;
  readonly rotations?: readonly string[] | undefined;
}

export interface ProofReport {
  readonly valid: boolean;
  readonly organization_id: string | null;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly stream: string | null;
  readonly seq: number | null;
  /** What the event says was erased; that it stood there is proved all the same. */
  readonly erased: boolean;
  readonly position: number | null;
  /** When the checkpoint was signed: the event is not younger. */
  readonly signed_at: string | null;
  readonly signed_by: string | null;
  readonly rotations: readonly Rotation[];
  readonly first_mismatch: Mismatch | null;
  readonly problems: readonly string[];
}

const isTexts = (list: unknown): list is string[] => Array.isArray(list) && list.every((text) => typeof text === "string");

/** Whether `value`, from JSON that anybody may have written, has a proof's shape. */
export function isProof(value: unknown): value is EventProof {
  const proof = value as EventProof | null;
  const event = proof?.event;
  return (
    proof?.format === PROOF_FORMAT &&
    typeof proof.organization_id === "string" &&
    Number.isSafeInteger(event?.seq) &&
    event!.seq > 0 &&
    isTexts([event?.header, event?.prev_hash, event?.hash, event?.stream?.type, event?.stream?.id]) &&
    [event?.data, event?.salt].every((text) => text === null || typeof text === "string") &&
    typeof proof.links === "string" &&
    Number.isSafeInteger(proof.inclusion?.index) &&
    Number.isSafeInteger(proof.inclusion?.size) &&
    isTexts(proof.inclusion.path) &&
    typeof proof.checkpoint === "string" &&
    (proof.rotations === undefined || isTexts(proof.rotations))
  );
}

export async function verifyProof(primitives: Primitives, proof: unknown, keys: readonly VerifierKey[]): Promise<ProofReport> {
  const trusted = new TrustedKeys(primitives, keys);
  const problems: string[] = [];
  let mismatch: Mismatch | null = null;
  if (!isProof(proof)) return report(null, { problems: ["it is not a proof of a form that this verifier knows"] });
  for (const note of proof.rotations ?? []) {
    const wrong = await trusted.learn(note);
    if (wrong !== null) problems.push(wrong);
  }
  const { event } = proof;
  const stream = `${event.stream.type}:${event.stream.id}`;
  // The event's own link is taken as given: what follows from it leads to the signed root, or it is refused.
  const before = event.seq === 1 ? GENESIS : { seq: event.seq - 1, hash: hashBytes(event.prev_hash) ?? new Uint8Array(32) };
  const checked = await follow(primitives, before, event);
  const opened = await openNote(primitives, proof.checkpoint, trusted.keys);
  if (!opened.ok)
    problems.push(
      opened.reason === "unknown_key"
        ? `its checkpoint is signed by key ${opened.keyId ?? "?"}, which is not among the given public keys`
        : opened.reason === "bad_signature"
          ? `its checkpoint has a signature that does not fit its text (key ${opened.keyId ?? "?"})`
          : "its checkpoint is not a signed note",
    );
  if (!checked.ok) {
    mismatch = checked.mismatch;
    problems.push(`${stream} ${event.seq}: ${mismatch.kind}`);
    return report(proof, { problems });
  }
  const { event_id, type, organization_id } = checked.header;
  const said = { event_id: String(event_id), event_type: String(type) };
  if (organization_id !== proof.organization_id)
    problems.push(`the event is of ${String(organization_id)}, not of ${proof.organization_id}`);
  if (!opened.ok) return report(proof, { ...said, problems });
  if (opened.checkpoint.origin !== `signalbox/${proof.organization_id}`)
    problems.push(`its checkpoint speaks for ${opened.checkpoint.origin}, not for ${proof.organization_id}`);

  const links = fromBase64(proof.links);
  const path = proof.inclusion.path.map(fromBase64);
  let root: Uint8Array | null = null;
  if (links === null || links.length % 32 !== 0) problems.push("its links are not hashes");
  else if (proof.inclusion.size !== opened.checkpoint.streams || path.some((hash) => hash?.length !== 32))
    problems.push("its way to the root is not of the checkpoint's tree");
  else {
    let { seq, hash } = checked.head;
    for (let at = 0; at < links.length; at += 32) hash = await linkEntry(primitives, hash, ++seq, links.subarray(at, at + 32));
    root = await rootFrom(primitives, { stream, seq, hash: hashText(hash) }, { ...proof.inclusion, path: path as Uint8Array[] });
    if (root === null || !equal(root, opened.checkpoint.rootHash))
      problems.push(
        `${stream} ${event.seq}: what follows from it is not what the checkpoint at position ${opened.checkpoint.position} was signed over`,
      );
  }
  return report(proof, {
    ...said,
    position: opened.checkpoint.position,
    signed_at: opened.checkpoint.time,
    signed_by: opened.keyId,
    problems,
  });

  function report(of: EventProof | null, found: Partial<ProofReport> & { problems: readonly string[] }): ProofReport {
    return {
      valid: found.problems.length === 0,
      organization_id: of?.organization_id ?? null,
      event_id: null,
      event_type: null,
      stream: of === null ? null : `${of.event.stream.type}:${of.event.stream.id}`,
      seq: of?.event.seq ?? null,
      erased: of?.event.data === null,
      position: null,
      signed_at: null,
      signed_by: null,
      rotations: trusted.rotations,
      first_mismatch: mismatch,
      ...found,
    };
  }
}
