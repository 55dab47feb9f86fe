/*
 * Workspace paths between the API (text) and the sandbox (bytes).
 *
 * A byte that is not UTF-8 stands as one private-use character, U+EF80 for 0x80 … U+EFFF for 0xFF. A name that holds
 * such a character itself (valid UTF-8, but ours) is taken for bytes too, so that the two never meet: every name has
 * exactly one text, and every text that was given out leads back to its name.
 */
const FIRST = 0xef80;
const RESERVED = /[\uEF80-\uEFFF]/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function textOf(name: Buffer): string {
  try {
    const text = utf8.decode(name);
    if (!RESERVED.test(text)) return text;
  } catch {
    // Not UTF-8 as a whole: piece by piece below.
  }
  let text = "";
  for (let at = 0; at < name.length;) {
    const length = lengthAt(name, at);
    const piece = length === 0 ? null : name.toString("utf8", at, at + length);
    if (piece === null || RESERVED.test(piece)) text += String.fromCharCode(FIRST + name[at++]! - 0x80);
    else {
      text += piece;
      at += length;
    }
  }
  return text;
}

export function bytesOf(text: string): Buffer {
  if (!RESERVED.test(text)) return Buffer.from(text, "utf8");
  return Buffer.concat(
    Array.from(text, (character) => {
      const code = character.codePointAt(0)!;
      return code >= FIRST && code <= 0xefff ? Buffer.from([code - FIRST + 0x80]) : Buffer.from(character, "utf8");
    }),
  );
}

/** Of the well-formed character that starts there; 0 when there is none. A reserved one gives its first byte only. */
function lengthAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    utf8.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0; // overlong, a surrogate, or cut off
  }
}

/** Without `.` and `..`; null when it would lead above the workspace or starts at the root. */
export function normalised(path: string): string | null {
  if (path.startsWith("/")) return null;
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined) return null;
  }
  return names.join("/");
}
