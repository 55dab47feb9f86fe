import { randomBytes, randomFillSync } from "node:crypto";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

let lastMs = 0;
let lastRandom = new Uint8Array(16);

/** Randomness is fetched in blocks: one call a value cost a tenth of an append. */
const pool = Buffer.alloc(4096);
let used = pool.length;

/** A view on fresh random bytes, at most 64 of them; copy what is kept for long. */
export function randomView(length: number): Buffer {
  if (used + length > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += length;
  return pool.subarray(used - length, used);
}

/** ULID (26 characters of Crockford base32), monotonic within a process: 48 bits of milliseconds, 80 of randomness. */
export function ulid(nowMs: number = Date.now()): string {
  if (nowMs <= lastMs) {
    nowMs = lastMs;
    increment(lastRandom);
  } else {
    lastMs = nowMs;
    lastRandom = Uint8Array.from(randomView(16), (byte) => byte & 31);
  }
  let time = "";
  for (let i = 0, rest = nowMs; i < 10; i++, rest = Math.floor(rest / 32)) time = CROCKFORD[rest % 32] + time;
  return time + Array.from(lastRandom, (digit) => CROCKFORD[digit]).join("");
}

function increment(digits: Uint8Array): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    if (digits[i] !== 31) {
      digits[i]! += 1;
      return;
    }
    digits[i] = 0;
  }
}

/** `newId("run")` → `run_01J…`. */
export const newId = <P extends string>(prefix: P): `${P}_${string}` => `${prefix}_${ulid()}`;

/** RFC 9562 UUID version 7, for event ids. */
export function uuidv7(nowMs: number = Date.now()): string {
  const bytes = randomView(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Unguessable bearer secret: 32 random bytes, base64url, after a prefix that scanners and DLP recognise. */
export const newSecret = (prefix: string): string => `${prefix}_${randomBytes(32).toString("base64url")}`;
