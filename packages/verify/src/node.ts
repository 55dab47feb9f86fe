import { isAscii, isUtf8 } from "node:buffer";
import { createHash, createPublicKey, hash, verify } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Primitives } from "./primitives.ts";

/** SubjectPublicKeyInfo prefix of a raw Ed25519 key (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export const nodePrimitives: Primitives = {
  sha256: (data) => createHash("sha256").update(data).digest(),
  // 0.5 µs of 600 bytes; `createHash` takes 1.5.
  sha256Hex: (data) => hash("sha256", data, "hex"),
  isUtf8,
  verifyEd25519: (publicKey, message, signature) =>
    verify(null, message, createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }), signature),
};

/**
 * The lines of a file as it is read, in pieces of any size, one by one. A line ends with its line feed and nowhere else,
 * as in newline-delimited JSON; `node:readline` also ends it at U+2028, which JSON text may hold, and takes three times as long.
 */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let begun: Buffer | undefined;
  for await (const piece of pieces) {
    const bytes: Buffer = begun === undefined ? piece : Buffer.concat([begun, piece]);
    const end = bytes.lastIndexOf(LINE_FEED);
    begun = end + 1 < bytes.length ? bytes.subarray(end + 1) : undefined;
    if (end >= 0) yield* linesIn(bytes.subarray(0, end));
  }
  if (begun !== undefined) yield begun.toString("utf8");
}

/**
 * The bytes of a file in pieces of whole lines, as `verifyExport` takes them. A piece is good until the next is asked
 * for, since all are read into one place: 70 MB cost 15 ms so, and 60 to 300 as a stream, which has fresh memory for each.
 */
export async function* wholeLines(file: FileHandle): AsyncGenerator<Uint8Array> {
  let place = Buffer.allocUnsafe(256 * 1024);
  for (let begun = 0; ;) {
    // A line that is longer than that.
    if (begun === place.length) place = Buffer.concat([place], place.length * 2);
    const { bytesRead } = await file.read(place, begun, place.length - begun);
    const end = begun + bytesRead;
    if (bytesRead === 0) {
      if (begun > 0) yield place.subarray(0, begun);
      return;
    }
    const whole = place.subarray(0, end).lastIndexOf(LINE_FEED) + 1;
    if (whole > 0) yield place.subarray(0, whole);
    place.copyWithin(0, whole, end);
    begun = end - whole;
  }
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
