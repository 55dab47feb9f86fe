/*
 * The hash chain of a stream, recomputed from the exact bytes that were hashed:
 *
 *   data_hash  = sha256(salt ‖ data)                     salt: 32 bytes
 *   entry_hash = sha256(0x00 ‖ header)
 *   hash       = sha256(0x01 ‖ prev_hash ‖ seq as 8 bytes big-endian ‖ entry_hash)
 *
 * The first prev_hash of a stream is 32 zero bytes.
 */
import { concat, fromBase64, hashText, hex, putBase64, putHex, utf8, type Primitives } from "./primitives.ts";

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

/** What a checker looks at. Of a header that is not the log's own any of it may be anything. */
export interface Header {
  readonly event_id?: unknown;
  readonly type?: unknown;
  readonly organization_id?: unknown;
  readonly stream?: { readonly type?: unknown; readonly id?: unknown };
  readonly subject?: unknown;
  readonly subject_version?: unknown;
  readonly data_hash?: unknown;
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

export type Followed = { ok: true; head: Head; header: Header } | { ok: false; mismatch: Mismatch };

/** The same with hashes as text, for those who check many. */
export type Linked = { readonly ok: true; readonly header: Header } | { readonly ok: false; readonly mismatch: Mismatch };

/**
 * Checks that `event` continues `head`. Returns the new head, or what is wrong and where; a checker
 * goes no further on that stream, since everything after a break hangs on it.
 */
export function follow(primitives: Primitives, head: Head, event: ChainedEvent): Followed | Promise<Followed> {
  const linked = link(primitives, head.seq, hashText(head.hash), event);
  return linked instanceof Promise ? linked.then(followed) : followed(linked);

  function followed(checked: Linked): Followed {
    if (!checked.ok) return checked;
    const hash = new Uint8Array(32);
    putHex(event.hash, 7, hash, 0);
    return { ok: true, head: { seq: event.seq, hash }, header: checked.header };
  }
}

/**
 * Checks that `event` continues a stream that stands at `seq` with `hash` (`sha256:<hex>`); then it stands where the
 * event says. At once where `primitives` hash at once: 100,000 events a second leave no room for a promise each, nor
 * for bytes of every hash that is only compared.
 */
export function link(primitives: Primitives, seq: number, hash: string, event: ChainedEvent): Linked | Promise<Linked> {
  const header = jsonObject(event.header) as Header | null;
  if (header === null) return wrong("malformed", "a JSON header", null);
  if (header.stream?.type !== event.stream.type || header.stream?.id !== event.stream.id) {
    return wrong(
      "stream_mismatch",
      `${String(header.stream?.type)}:${String(header.stream?.id)}`,
      `${event.stream.type}:${event.stream.id}`,
    );
  }
  if (event.seq !== seq + 1) return wrong("seq_gap", String(seq + 1), String(event.seq));
  if (event.prev_hash !== hash) return wrong("prev_hash_mismatch", hash, event.prev_hash);
  const hashed = hashesOf(primitives, hash, event);
  return hashed instanceof Promise ? hashed.then(judge) : judge(hashed);

  function judge({ own, data }: Hashes): Linked {
    if (event.hash !== `sha256:${own}`) return wrong("hash_mismatch", `sha256:${own}`, event.hash);
    if (event.data !== null) {
      if (data === null) return wrong("malformed", "a salt of 32 bytes", null);
      if (header!.data_hash !== `sha256:${data}`) return wrong("data_hash_mismatch", String(header!.data_hash), `sha256:${data}`);
    }
    return { ok: true, header: header! };
  }

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

/** In hex. */
interface Hashes {
  readonly own: string;
  /** Null when there is nothing to hash, or no salt to hash it with. */
  readonly data: string | null;
}

/** `prev` is a hash's text. */
function hashesOf(primitives: Primitives, prev: string, event: ChainedEvent): Hashes | Promise<Hashes> {
  const { sha256Hex } = primitives;
  if (sha256Hex === undefined) return hashesLater(primitives, prev, event);
  // U+0000 is the byte 0.
  const entry = sha256Hex(`\u0000${event.header}`);
  const own = linkHex(sha256Hex, prev.slice(7), event.seq, entry);
  if (event.data === null || event.salt?.length !== 44 || putBase64(event.salt, scratch) !== 32) return { own, data: null };
  return { own, data: sha256Hex(withText(32, event.data)) };
}

async function hashesLater(primitives: Primitives, prev: string, event: ChainedEvent): Promise<Hashes> {
  const before = new Uint8Array(32);
  putHex(prev, 7, before, 0);
  const salt = event.salt === null ? null : fromBase64(event.salt);
  return {
    own: hex(await linkHash(primitives, before, event.seq, event.header)),
    data: event.data === null || salt?.length !== 32 ? null : hex(await primitives.sha256(concat(salt, utf8(event.data)))),
  };
}

const linked = new Uint8Array(73);
const linkedView = new DataView(linked.buffer);
/** `linkEntry` at once, with all hashes in hex. */
export function linkHex(sha256Hex: NonNullable<Primitives["sha256Hex"]>, prev: string, seq: number, entry: string): string {
  linked[0] = 1;
  putHex(prev, 0, linked, 1);
  linkedView.setUint32(33, Math.floor(seq / 0x1_0000_0000));
  linkedView.setUint32(37, seq >>> 0);
  putHex(entry, 0, linked, 41);
  return sha256Hex(linked);
}

/** What is hashed at once is put together here. */
let scratch = new Uint8Array(16 * 1024);
const encoder = new TextEncoder();

/** The first `at` bytes of `scratch` and the text after them. */
function withText(at: number, text: string): Uint8Array {
  // A UTF-16 code unit is at most three bytes of UTF-8.
  if (scratch.length < at + text.length * 3) {
    const larger = new Uint8Array(at + text.length * 3);
    larger.set(scratch.subarray(0, at));
    scratch = larger;
  }
  return scratch.subarray(0, at + encoder.encodeInto(text, scratch.subarray(at)).written);
}
