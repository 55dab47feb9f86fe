import { isAscii } from "node:buffer";
import { createHash, createPublicKey, hash, verify } from "node:crypto";
import type { Primitives } from "./primitives.ts";

/** SubjectPublicKeyInfo prefix of a raw Ed25519 key (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export const nodePrimitives: Primitives = {
  sha256: (data) => createHash("sha256").update(data).digest(),
  // 0.5 µs of 600 bytes; `createHash` takes 1.5.
  sha256Hex: (data) => hash("sha256", data, "hex"),
  verifyEd25519: (publicKey, message, signature) =>
    verify(null, message, createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }), signature),
};

/** The lines of a file as it is read, in pieces of any size, one by one. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  for await (const lines of linesTogether(pieces)) yield* lines;
}

/**
 * Those that end in a piece together, as `verifyExport` takes them. A line ends with its line feed and nowhere else, as
 * in newline-delimited JSON; `node:readline` also ends it at U+2028, which JSON text may hold, and takes three times as long.
 */
export async function* linesTogether(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let begun: Buffer | undefined;
  for await (const piece of pieces) {
    const bytes: Buffer = begun === undefined ? piece : Buffer.concat([begun, piece]);
    const end = bytes.lastIndexOf(LINE_FEED);
    begun = end + 1 < bytes.length ? bytes.subarray(end + 1) : undefined;
    if (end >= 0) yield linesIn(bytes.subarray(0, end));
  }
  if (begun !== undefined) yield [begun.toString("utf8")];
}

/** `bytes` without the line feed of the last of them. */
function linesIn(bytes: Buffer): string[] {
  // At once where no letter takes two bytes: else each line that has none would be kept, and parsed, as if it had.
  if (isAscii(bytes)) return bytes.toString("latin1").split("\n").map(withoutReturn);
  const lines: string[] = [];
  let from = 0;
  for (let end = bytes.indexOf(LINE_FEED); ; end = bytes.indexOf(LINE_FEED, from)) {
    lines.push(withoutReturn(bytes.toString("utf8", from, end < 0 ? bytes.length : end)));
    if (end < 0) return lines;
    from = end + 1;
  }
}
const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);
const LINE_FEED = 10;
