/*
 * Where the members of a JSON object lie in its bytes, so that one value can be changed and every
 * other byte stay as the client sent it. Works on bytes because all of JSON's structure is ASCII and
 * no byte of a longer UTF-8 character is.
 */
export interface Member {
  readonly name: string;
  /** Of the value. */
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** `json` must be an object that `JSON.parse` accepted. */
export function members(json: Buffer): Member[] {
  const found: Member[] = [];
  let at = skipSpace(json, 0) + 1;
  for (;;) {
    at = skipSpace(json, at);
    if (json[at] === CLOSE_BRACE) return found;
    if (json[at] === COMMA) {
      at++;
      continue;
    }
    const nameEnd = endOfString(json, at);
    const name = JSON.parse(json.toString("utf8", at, nameEnd)) as string;
    const start = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const end = endOfValue(json, start);
    found.push({ name, start, end });
    at = end;
  }
}

/** Replaces values and adds members in front; `json` as for `members`. */
export function splice(
  json: Buffer,
  replacements: readonly { readonly member: Member; readonly value: string }[],
  additions: readonly string[],
): Buffer {
  const open = skipSpace(json, 0) + 1;
  const parts: (Buffer | string)[] = [json.subarray(0, open), ...additions.map((addition) => `${addition},`)];
  let at = open;
  for (const { member, value } of replacements.toSorted((a, b) => a.member.start - b.member.start)) {
    parts.push(json.subarray(at, member.start), value);
    at = member.end;
  }
  parts.push(json.subarray(at));
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

function skipSpace(json: Buffer, at: number): number {
  while (json[at] === 0x20 || json[at] === 0x0a || json[at] === 0x0d || json[at] === 0x09) at++;
  return at;
}

function endOfString(json: Buffer, at: number): number {
  for (at++; json[at] !== QUOTE; at++) {
    if (at >= json.length) throw new Error("not the JSON that was parsed");
    if (json[at] === BACKSLASH) at++;
  }
  return at + 1;
}

function endOfValue(json: Buffer, at: number): number {
  if (json[at] === QUOTE) return endOfString(json, at);
  let depth = 0;
  for (; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = endOfString(json, at) - 1;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)) return at;
  }
  throw new Error("not the JSON that was parsed");
}
