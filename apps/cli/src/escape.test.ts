import { expect, test } from "vitest";
import { EscapeReader } from "./escape.ts";

/** Each string is one read of the keyboard. */
function typed(...keys: string[]): string {
  const reader = new EscapeReader();
  let sent = "";
  for (const key of keys) {
    const { send, leave } = reader.push(Buffer.from(key));
    sent += send.toString();
    if (leave) return `${sent}<left>`;
  }
  return sent;
}

test.each([
  [["~."], "<left>"],
  [["~", "."], "<left>"],
  [["ls\r", "~", "."], "ls\r<left>"],
  [["ls\r~.rest"], "ls\r<left>"],
  [["cd ~.x\r"], "cd ~.x\r"],
  [["~~."], "~."],
  [["~/bin\r"], "~/bin\r"],
  [["~\r~."], "~\r<left>"],
  [["a", "~", "."], "a~."],
  [["héllo\r~~\r"], "héllo\r~\r"],
])("%j is sent as %j", (keys, expected) => expect(typed(...keys)).toBe(expected));
