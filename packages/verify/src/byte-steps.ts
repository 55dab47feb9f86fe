/*
 * Steps over bytes that are written in one known way. Each takes where the one before it ended, and hands on -1 once one
 * has found something else, so that a whole line is looked through without a question in between.
 */
export const [QUOTE, BACKSLASH, SPACE] = [0x22, 0x5c, 0x20] as const;
const [ZERO, NINE] = [0x30, 0x39];

/** After `expected`. */
export function past(bytes: Uint8Array, at: number, expected: Uint8Array): number {
  const { length } = expected;
  if (at < 0 || bytes.length - at < length) return -1;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return -1;
  return at + length;
}

export const skip = (at: number, length: number): number => (at < 0 ? -1 : at + length);

/** The closing quote of a text that stands for itself. */
export function plain(bytes: Uint8Array, from: number): number {
  if (from < 0) return -1;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at;
    if (byte < SPACE || byte === BACKSLASH) return -1;
  }
  return -1;
}

/** After the same text as `other` has there. */
export function same(bytes: Uint8Array, at: number, other: Uint8Array, from: number, to: number): number {
  if (at < 0 || bytes.length - at < to - from) return -1;
  for (let i = from; i < to; i++) if (bytes[at + i - from] !== other[i]) return -1;
  return at + to - from;
}

/** After a whole number of at most 15 digits without a leading zero. */
export function digits(bytes: Uint8Array, from: number): number {
  if (from < 0 || bytes[from] === ZERO) return -1;
  let at = from;
  while (at < bytes.length && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  return at === from || at - from > 15 ? -1 : at;
}

/** What `digits` went over. */
export function numberIn(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + bytes[at]! - ZERO;
  return value;
}
