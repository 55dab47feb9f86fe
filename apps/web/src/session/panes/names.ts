/* Names from inside a sandbox, for reading: nothing in them turns text around, breaks a line or hides. Pure. */
import { visible } from "@signalbox/ui/format";

/** A byte that is not UTF-8 comes as one of these (contract/workbench.ts). */
const BYTE = 0xef00;

export const shownName = (name: string): string =>
  visible(name).replaceAll(/[\p{Cc}\u2028\u2029\uef80-\uefff]/gu, (character) => {
    const code = character.codePointAt(0)!;
    if (code >= 0xef80 && code <= 0xefff) return `\\x${(code - BYTE).toString(16)}`;
    if (code >= 0x2028) return `\\u${code.toString(16)}`;
    return { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character] ?? `\\x${code.toString(16).padStart(2, "0")}`;
  });

export const extensionOf = (path: string): string | undefined => {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (name === "dockerfile" || name === "makefile") return name;
  return /\.([a-z0-9]{1,12})$/.exec(name)?.[1];
};
