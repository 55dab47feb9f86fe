/*
 * The hash chain of a stream, recomputed from the exact bytes that were hashed:
 *
 *   data_hash  = sha256(salt ‖ data)                     salt: 32 bytes
 *   entry_hash = sha256(0x00 ‖ header)
 *   hash       = sha256(0x01 ‖ prev_hash ‖ seq as 8 bytes big-endian ‖ entry_hash)
 *
 * The first prev_hash of a stream is 32 zero bytes.
 */
import { concat, equal, fromBase64, hashBytes, hashText, utf8, type Primitives } from "./primitives.ts";

/** One event as it is stored and exported. */
export interface ChainedEvent {
  readonly stream: { readonly type: string; readonly id: string };
  readonly seq: number;
  /** RFC 8785 text of the envelope without seq, position, recorded_at, prev_hash, hash and data, with data_hash. */
  readonly header: string;
  /** RFC 8785 text; null once erased. */
  readonly data: string | null;
  /** base64; null once erased. */
  readonly salt: string | null;
  readonly prev_hash: string;
  readonly hash: string;
}

export type MismatchKind =
  | "malformed"
  | "seq_gap"
  | "prev_hash_mismatch"
  | "hash_mismatch"
  | "data_hash_mismatch"
  | "stream_mismatch"
  | "organization_mismatch"
  | "subject_version_gap"
  | "event_id_repeated"
  | "erased_without_redaction";

export interface Mismatch {
  readonly stream: string;
  readonly seq: number;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly kind: MismatchKind;
  readonly expected: string | null;
  readonly actual: string | null;
}

/** Where a stream stands after the events checked so far. */
export interface Head {
  readonly seq: number;
  readonly hash: Uint8Array;
}
export const GENESIS: Head = { seq: 0, hash: new Uint8Array(32) };

interface Header {
  event_id?: unknown;
  type?: unknown;
  organization_id?: unknown;
  stream?: { type?: unknown; id?: unknown };
  data_hash?: unknown;
}

/** Null for what is not the text of a JSON object. */
export function jsonObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null; // Not JSON: the caller says what was expected.
  }
}

const ENTRY = Uint8Array.of(0);
const LINK = Uint8Array.of(1);

export async function linkHash(primitives: Primitives, prev: Uint8Array, seq: number, header: string): Promise<Uint8Array> {
  return linkEntry(primitives, prev, seq, await primitives.sha256(concat(ENTRY, utf8(header))));
}

/** The same for an event of which only its entry hash is known. */
export async function linkEntry(primitives: Primitives, prev: Uint8Array, seq: number, entry: Uint8Array): Promise<Uint8Array> {
  const place = new Uint8Array(8);
  new DataView(place.buffer).setBigUint64(0, BigInt(seq));
  return primitives.sha256(concat(LINK, prev, place, entry));
}

/**
 * Checks that `event` continues `head`. Returns the new head, or what is wrong and where; a checker
 * goes no further on that stream, since everything after a break hangs on it.
 */
export async function follow(
  primitives: Primitives,
  head: Head,
  event: ChainedEvent,
): Promise<{ ok: true; head: Head; header: Header } | { ok: false; mismatch: Mismatch }> {
  const header = jsonObject(event.header) as Header | null;
  if (header === null) return wrong("malformed", "a JSON header", null);
  if (header.stream?.type !== event.stream.type || header.stream?.id !== event.stream.id) {
    return wrong(
      "stream_mismatch",
      `${String(header.stream?.type)}:${String(header.stream?.id)}`,
      `${event.stream.type}:${event.stream.id}`,
    );
  }
  if (event.seq !== head.seq + 1) return wrong("seq_gap", String(head.seq + 1), String(event.seq));
  const prev = hashBytes(event.prev_hash);
  if (prev === null || !equal(prev, head.hash)) return wrong("prev_hash_mismatch", hashText(head.hash), event.prev_hash);
  const computed = await linkHash(primitives, head.hash, event.seq, event.header);
  const stated = hashBytes(event.hash);
  if (stated === null || !equal(stated, computed)) return wrong("hash_mismatch", hashText(computed), event.hash);
  if (event.data !== null) {
    const salt = event.salt === null ? null : fromBase64(event.salt);
    if (salt?.length !== 32) return wrong("malformed", "a salt of 32 bytes", null);
    const dataHash = hashText(await primitives.sha256(concat(salt, utf8(event.data))));
    if (dataHash !== header.data_hash) return wrong("data_hash_mismatch", String(header.data_hash), dataHash);
  }
  return { ok: true, head: { seq: event.seq, hash: computed }, header };

  function wrong(kind: MismatchKind, expected: string | null, actual: string | null): { ok: false; mismatch: Mismatch } {
    return {
      ok: false,
      mismatch: {
        stream: `${event.stream.type}:${event.stream.id}`,
        seq: event.seq,
        event_id: typeof header?.event_id === "string" ? header.event_id : null,
        event_type: typeof header?.type === "string" ? header.type : null,
        kind,
        expected,
        actual,
      },
    };
  }
}
