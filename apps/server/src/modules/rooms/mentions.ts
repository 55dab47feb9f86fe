/*
 * Who is named in a message: `@` and then a member's display name, or that name as a handle (in small
 * letters, without or with dashes for what is no letter or digit), or their id. Not in code, not in the
 * middle of a word (an e-mail address names nobody), and the longest name that fits.
 */
export interface Nameable {
  readonly id: string;
  readonly displayName: string;
}

const CODE = /```[\s\S]*?(?:```|$)|`[^`\n]*`/g;

export function mentionsIn(text: string, members: readonly Nameable[]): string[] {
  const names = members
    .flatMap(({ id, displayName }) =>
      [...new Set([displayName, ...handlesOf(displayName), id])].map((name) => ({ id, name: name.toLowerCase() })),
    )
    .filter(({ name }) => name !== "")
    .toSorted((a, b) => b.name.length - a.name.length);
  const prose = text.replaceAll(CODE, (code) => " ".repeat(code.length)).toLowerCase();
  const found = new Set<string>();
  for (let at = prose.indexOf("@"); at !== -1; at = prose.indexOf("@", at + 1)) {
    if (at > 0 && /[\p{L}\p{N}_.]/u.test(prose[at - 1]!)) continue;
    const fitting = names.filter(
      ({ name }) => prose.startsWith(name, at + 1) && !/^[\p{L}\p{N}_]/u.test(prose.slice(at + 1 + name.length)),
    );
    const longest = fitting[0]?.name.length;
    // Two who are called the same are both meant.
    for (const { id, name } of fitting) if (name.length === longest) found.add(id);
  }
  return [...found];
}

function handlesOf(displayName: string): string[] {
  const words = displayName.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return [words.join(""), words.join("-"), words.join("_")];
}
