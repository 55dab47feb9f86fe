/*
 * Arrays as Postgres' binary parameters: `pg` sends a Buffer as such, and an array as text whose every
 * element is quoted here and parsed there. With the append's seventeen arrays that was 3 µs an event on
 * either side, of 40.
 *
 *   dimensions (1) │ has nulls │ element type │ length │ lower bound (1) │ { bytes, or -1 for null │ value } …
 *
 * The statement must cast the parameter to exactly that type of array.
 */

const BOOL = 16;
const INT8 = 20;
const INT4 = 23;
const TEXT = 25;
const TIMESTAMPTZ = 1184;
const UUID = 2950;
const JSONB = 3802;
const HEADER = 20;

/** Grows; what is handed out is a copy. */
let scratch = Buffer.allocUnsafe(64 * 1024);

export function textArray(values: readonly (string | null)[]): Buffer {
  let room = HEADER;
  // A UTF-16 code unit is at most three bytes of UTF-8.
  for (const value of values) room += 4 + (value === null ? 0 : value.length * 3);
  if (room > scratch.length) scratch = Buffer.allocUnsafe(room);
  let hasNulls = 0;
  let at = HEADER;
  for (const value of values) {
    if (value === null) {
      hasNulls = 1;
      at = scratch.writeInt32BE(-1, at);
      continue;
    }
    const bytes = scratch.write(value, at + 4);
    scratch.writeInt32BE(bytes, at);
    at += 4 + bytes;
  }
  writeHeader(scratch, TEXT, values.length, hasNulls);
  return Buffer.from(scratch.subarray(0, at));
}

export function int4Array(values: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(HEADER + values.length * 8);
  writeHeader(out, INT4, values.length, 0);
  let at = HEADER;
  for (const value of values) {
    at = out.writeInt32BE(4, at);
    at = out.writeInt32BE(value, at);
  }
  return out;
}

/** Of safe integers. */
export function int8Array(values: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(HEADER + values.length * 12);
  writeHeader(out, INT8, values.length, 0);
  let at = HEADER;
  for (const value of values) {
    out.writeInt32BE(8, at);
    writeInt8(out, value, at + 4);
    at += 12;
  }
  return out;
}

export function uuidArray(values: readonly string[]): Buffer {
  const out = Buffer.allocUnsafe(HEADER + values.length * 20);
  writeHeader(out, UUID, values.length, 0);
  let at = HEADER;
  for (const value of values) {
    at = out.writeInt32BE(16, at);
    at += out.write(value.replaceAll("-", ""), at, "hex");
  }
  return out;
}

/*
 * The same for statements of projections, whose arrays may hold anything that `pg` takes. What an encoder is not sure
 * to write as Postgres would read the text stays with `pg`.
 */
type Encode = (values: readonly unknown[]) => Buffer | null;

const isText = (value: unknown): value is string | null => typeof value === "string" || value === null;
const known = new Map<string, readonly (Encode | undefined)[]>();

/** `values` for `text`, with arrays as binary where the text says of which type they are (`$1::text[]`). */
export function bound(text: string, values: readonly unknown[]): readonly unknown[] {
  let encoders = known.get(text);
  if (encoders === undefined) {
    encoders = encodersOf(text, values.length);
    // Texts that are put together anew each time are not kept.
    if (known.size < 500) known.set(text, encoders);
  }
  return values.map((value, i) => (Array.isArray(value) ? (encoders[i]?.(value) ?? value) : value));
}

/** Of a parameter that stands there twice, once without a type, Postgres would say which it is. */
function encodersOf(text: string, parameters: number): readonly (Encode | undefined)[] {
  const uses = Array.from({ length: parameters }, () => new Set<string>());
  for (const [, n, type] of text.matchAll(/\$([0-9]+)(?:::([a-z0-9]+\[\]))?/g)) uses[Number(n) - 1]?.add(type ?? "");
  return uses.map((types) => (types.size === 1 ? ENCODERS[[...types][0]!] : undefined));
}

const ENCODERS: Readonly<Record<string, Encode | undefined>> = {
  "text[]": (values) => {
    const texts = values.map((value) =>
      value === undefined ? null : typeof value === "number" || typeof value === "boolean" ? String(value) : value,
    );
    // A text with U+0000 is refused by Postgres in words that say so; so is it as text.
    return texts.every(isText) ? textArray(texts) : null;
  },
  "uuid[]": (values) =>
    values.every((value) => typeof value === "string" && UUID_TEXT.test(value)) ? uuidArray(values as readonly string[]) : null,
  "bigint[]": (values) => fixed(values, INT8, 8, wholeOf, writeInt8),
  "int[]": (values) =>
    fixed(
      values,
      INT4,
      4,
      (value) => inRange(wholeOf(value)),
      (out, value, at) => out.writeInt32BE(value, at),
    ),
  "boolean[]": (values) =>
    fixed(
      values,
      BOOL,
      1,
      (value) => (typeof value === "boolean" ? Number(value) : undefined),
      (out, value, at) => out.writeUInt8(value, at),
    ),
  "timestamptz[]": (values) => fixed(values, TIMESTAMPTZ, 8, microsecondsOf, writeInt8),
  "jsonb[]": (values) => {
    // Its binary form is a version, which is 1, and the text.
    const texts = values.map((value) => (typeof value === "string" ? `\u0001${value}` : (value ?? null)));
    if (!texts.every(isText)) return null;
    const out = textArray(texts);
    out.writeInt32BE(JSONB, 8);
    return out;
  },
};

const UUID_TEXT = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** 2000-01-01, from which Postgres counts. */
const EPOCH_MS = 946_684_800_000;

const wholeOf = (value: unknown): number | undefined => (Number.isSafeInteger(value) ? (value as number) : undefined);
const inRange = (value: number | undefined): number | undefined => (value !== undefined && value === (value | 0) ? value : undefined);

/** Of what an event says: RFC 3339 in UTC with milliseconds. */
function microsecondsOf(value: unknown): number | undefined {
  if (typeof value !== "string" || value.length !== 24 || value[23] !== "Z") return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : (ms - EPOCH_MS) * 1000;
}

function fixed(
  values: readonly unknown[],
  type: number,
  width: number,
  read: (value: unknown) => number | undefined,
  write: (out: Buffer, value: number, at: number) => void,
): Buffer | null {
  const out = Buffer.allocUnsafe(HEADER + values.length * (4 + width));
  let [at, hasNulls] = [HEADER, 0];
  for (const value of values) {
    if (value === null || value === undefined) {
      at = out.writeInt32BE(-1, at);
      hasNulls = 1;
      continue;
    }
    const number = read(value);
    if (number === undefined) return null;
    out.writeInt32BE(width, at);
    write(out, number, at + 4);
    at += 4 + width;
  }
  writeHeader(out, type, values.length, hasNulls);
  return out.subarray(0, at);
}

function writeInt8(out: Buffer, value: number, at: number): void {
  out.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
  out.writeUInt32BE(value >>> 0, at + 4);
}

function writeHeader(out: Buffer, type: number, length: number, hasNulls: number): void {
  // An array without elements has no dimension; this one of length 0 is read as the same.
  out.writeInt32BE(1, 0);
  out.writeInt32BE(hasNulls, 4);
  out.writeInt32BE(type, 8);
  out.writeInt32BE(length, 12);
  out.writeInt32BE(1, 16);
}
