/*
 * The two primitives everything here rests on. Node's own and the browser's (Web Crypto) both fit;
 * nothing else in this package knows where it runs.
 */
export interface Primitives {
  sha256(data: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * The same as lowercase hex and at once, where that can be had: a log of many events is then checked without a
   * promise for each hash. Of a text its UTF-8.
   */
  sha256Hex?(data: Uint8Array | string): string;
  /** Whether all of it is UTF-8, where that can be had at once: what is given as bytes is then read where it lies. */
  isUtf8?(bytes: Uint8Array): boolean;
  /** Ed25519 (RFC 8032) over `message` with a raw 32-byte public key. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
}

const encoder = new TextEncoder();
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
export const hashText = (bytes: Uint8Array): string => `sha256:${hex(bytes)}`;

/** What a character stands for, by its code; 255 for one that stands for nothing. */
function digits(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(255);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}
const HEX_DIGITS = digits("0123456789abcdef");
const BASE64_DIGITS = digits("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

/** Bytes of `sha256:<64 lowercase hex>`; null for anything else. */
export function hashBytes(text: unknown): Uint8Array | null {
  const out = new Uint8Array(32);
  return putHash(text, out, 0) ? out : null;
}

/** Puts the bytes of `sha256:<64 lowercase hex>` into `out`; false for anything else. */
export function putHash(text: unknown, out: Uint8Array, at: number): boolean {
  return typeof text === "string" && text.length === 71 && text.startsWith("sha256:") && putHex(text, 7, out, at);
}

/** Puts the 32 bytes that `text` has in hex from `from` on. */
export function putHex(text: string, from: number, out: Uint8Array, at: number): boolean {
  let wrong = 0;
  for (let i = 0; i < 32; i++) {
    const high = digit(HEX_DIGITS, text.charCodeAt(from + 2 * i));
    const low = digit(HEX_DIGITS, text.charCodeAt(from + 2 * i + 1));
    wrong |= high | low;
    out[at + i] = (high << 4) | low;
  }
  return wrong < 16;
}

/** Whether the bytes from `at` on are the text `hex`. */
export function isHexAt(bytes: Uint8Array, at: number, hex: string): boolean {
  for (let i = 0; i < hex.length; i++) if (bytes[at + i] !== hex.charCodeAt(i)) return false;
  return true;
}

/** Whether `other` is what lies from `from` to `to`. */
export function sameBytes(bytes: Uint8Array, from: number, to: number, other: Uint8Array): boolean {
  if (to - from !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (bytes[from + i] !== other[i]) return false;
  return true;
}

const digit = (values: Uint8Array, code: number): number => (code < 128 ? values[code]! : 255);

/** In pieces: a call takes only so many arguments. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** Null for what is not base64. */
export function fromBase64(text: string): Uint8Array | null {
  const out = new Uint8Array((text.length >> 2) * 3);
  const length = putBase64(text, out);
  return length === null ? null : out.slice(0, length);
}

/** Puts the bytes into `out`, which has room for them, and says how many; null for what is not base64. */
export function putBase64(text: string, out: Uint8Array): number | null {
  if (text.length % 4 !== 0) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  let wrong = 0;
  for (let i = 0, at = 0; i < text.length; i += 4, at += 3) {
    const left = text.length - padding - i;
    const [a, b] = [digit(BASE64_DIGITS, text.charCodeAt(i)), digit(BASE64_DIGITS, text.charCodeAt(i + 1))];
    const c = left > 2 ? digit(BASE64_DIGITS, text.charCodeAt(i + 2)) : 0;
    const d = left > 3 ? digit(BASE64_DIGITS, text.charCodeAt(i + 3)) : 0;
    wrong |= a | b | c | d;
    // What the padding leaves of the last digit must be nothing: else other texts would stand for the same bytes.
    if (left === 3) wrong |= (c & 3) << 6;
    if (left === 2) wrong |= (b & 15) << 6;
    out[at] = (a << 2) | (b >> 4);
    out[at + 1] = (b << 4) | (c >> 2);
    out[at + 2] = (c << 6) | d;
  }
  return wrong < 64 ? (text.length >> 2) * 3 - padding : null;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return sameBytes(a, 0, a.length, b);
}
