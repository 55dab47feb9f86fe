/*
 * Checkpoints as C2SP signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint):
 *
 *   signalbox/ws_dev                     origin
 *   12                                   tree size: number of streams
 *   <base64 root hash>
 *   position 4711                        extension: everything up to this position is covered
 *   time 2030-01-01T12:00:00.000Z        extension
 *
 *   — signalbox/ws_dev <base64(key id, 4 bytes ‖ Ed25519 signature, 64 bytes)>
 *
 * A key is written as its verifier key: `<name>+<hex key id>+<base64(0x01 ‖ public key)>`.
 */
import { concat, fromBase64, hex, toBase64, utf8, type Primitives } from "./primitives.ts";

export interface VerifierKey {
  readonly name: string;
  /** 8 hex digits. */
  readonly id: string;
  readonly publicKey: Uint8Array;
}

export interface Checkpoint {
  readonly origin: string;
  readonly streams: number;
  readonly rootHash: Uint8Array;
  readonly position: number;
  readonly time: string;
}

/** Key id of an Ed25519 key: the first four bytes of sha256(name ‖ "\n" ‖ 0x01 ‖ public key). */
export async function keyId(primitives: Primitives, name: string, publicKey: Uint8Array): Promise<string> {
  const digest = await primitives.sha256(concat(utf8(`${name}\n`), Uint8Array.of(1), publicKey));
  return hex(digest.subarray(0, 4));
}

export const formatKey = (key: VerifierKey): string => `${key.name}+${key.id}+${toBase64(concat(Uint8Array.of(1), key.publicKey))}`;

/** Throws with what is wrong; a key whose id does not fit its bytes was tampered with. */
export async function parseKey(primitives: Primitives, text: string): Promise<VerifierKey> {
  const [name, id, encoded, ...rest] = text.trim().split("+");
  const bytes = encoded === undefined ? null : fromBase64([encoded, ...rest].join("+"));
  if (!name || !id || bytes?.length !== 33 || bytes[0] !== 1)
    throw new Error("not an Ed25519 verifier key: expected <name>+<8 hex>+<base64>");
  const publicKey = bytes.subarray(1);
  if ((await keyId(primitives, name, publicKey)) !== id) throw new Error(`the key id ${id} does not belong to this key`);
  return { name, id, publicKey };
}

export const checkpointText = (checkpoint: Checkpoint): string =>
  `${checkpoint.origin}\n${checkpoint.streams}\n${toBase64(checkpoint.rootHash)}\nposition ${checkpoint.position}\ntime ${checkpoint.time}\n`;

/** `signature` is Ed25519 over the UTF-8 bytes of `text`. */
export function signedNote(text: string, key: Pick<VerifierKey, "name" | "id">, signature: Uint8Array): string {
  const id = Uint8Array.from([0, 2, 4, 6], (at) => Number.parseInt(key.id.slice(at, at + 2), 16));
  return `${text}\n— ${key.name} ${toBase64(concat(id, signature))}\n`;
}

export type NoteCheck =
  | { readonly ok: true; readonly checkpoint: Checkpoint; readonly keyId: string }
  | { readonly ok: false; readonly reason: "malformed" | "unknown_key" | "bad_signature"; readonly keyId: string | null };

/** Well above the 16 that the specification asks for; every witness may add one. */
const MAX_SIGNATURES = 64;

/** Text and signatures of a signed note; null for what is none. */
export function noteParts(note: string): {
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly signature: Uint8Array }[];
} | null {
  const split = note.lastIndexOf("\n\n");
  // oxlint-disable-next-line no-control-regex -- exactly what the specification forbids
  if (split < 0 || !note.endsWith("\n") || /[\u0000-\u0009\u000b-\u001f]/.test(note)) return null;
  const lines = note.slice(split + 2, -1).split("\n");
  const signatures = lines.map((line) => {
    const match = /^— ([^\s+]+) (\S+)$/.exec(line);
    const bytes = match === null ? null : fromBase64(match[2]!);
    return bytes === null || bytes.length < 5 ? null : { name: match![1]!, id: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
  });
  if (lines.length > MAX_SIGNATURES || signatures.some((one) => one === null)) return null;
  return { text: note.slice(0, split + 1), signatures: signatures.filter((one) => one !== null) };
}

export async function openNote(primitives: Primitives, note: string, keys: readonly VerifierKey[]): Promise<NoteCheck> {
  const parts = noteParts(note);
  const checkpoint = parts === null ? null : parseCheckpoint(parts.text);
  if (parts === null || checkpoint === null) return { ok: false, reason: "malformed", keyId: null };
  let [seen, signer]: [string | null, string | null] = [null, null];
  for (const { name, id, signature } of parts.signatures) {
    seen ??= id;
    const key = keys.find((candidate) => candidate.id === id && candidate.name === name);
    // Signatures of keys that we do not know (a witness's, say) are ignored, as the specification asks.
    if (key === undefined) continue;
    const valid = await primitives.verifyEd25519(key.publicKey, utf8(parts.text), signature);
    if (!valid) return { ok: false, reason: "bad_signature", keyId: id };
    signer ??= id;
  }
  return signer === null ? { ok: false, reason: "unknown_key", keyId: seen } : { ok: true, checkpoint, keyId: signer };
}

function parseCheckpoint(text: string): Checkpoint | null {
  const [origin, size, root, position, time] = text.split("\n");
  // A leading zero would give the same checkpoint a second text.
  const rootHash = root === undefined ? null : fromBase64(root);
  const at = /^position (\d+)$/.exec(position ?? "")?.[1];
  const when = /^time (\S+)$/.exec(time ?? "")?.[1];
  if (!origin || !/^(0|[1-9]\d{0,15})$/.test(size ?? "") || rootHash?.length !== 32 || at === undefined || when === undefined) return null;
  return { origin, streams: Number(size), rootHash, position: Number(at), time: when };
}
