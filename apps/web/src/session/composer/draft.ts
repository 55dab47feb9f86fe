/*
 * What is being written to an agent, per session: it survives a reload, another page and a closed tab, until it is
 * sent. Long pasted texts are kept beside the words, so that the words stay readable.
 */
export interface Draft {
  readonly text: string;
  readonly pasted: readonly string[];
}
export const NO_DRAFT: Draft = { text: "", pasted: [] };

const key = (sessionId: string): string => `signalbox.draft.${sessionId}`;

export function readDraft(sessionId: string): Draft {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key(sessionId)) ?? "null");
    if (typeof kept !== "object" || kept === null) return NO_DRAFT;
    const { text, pasted } = kept as { text?: unknown; pasted?: unknown };
    return {
      text: typeof text === "string" ? text : "",
      pasted: Array.isArray(pasted) ? pasted.filter((each): each is string => typeof each === "string") : [],
    };
  } catch {
    return NO_DRAFT; // Storage may be forbidden, or hold what another version wrote.
  }
}

export function keepDraft(sessionId: string, draft: Draft): void {
  try {
    if (draft.text === "" && draft.pasted.length === 0) localStorage.removeItem(key(sessionId));
    else localStorage.setItem(key(sessionId), JSON.stringify(draft));
  } catch {
    // Storage may be forbidden or full; the draft then lives as long as the page.
  }
}

/** More than this is folded away when it is pasted. */
const LONG = { chars: 2_000, lines: 25 } as const;
export const isLongPaste = (text: string): boolean => text.length > LONG.chars || text.split("\n", LONG.lines + 1).length > LONG.lines;

/** The message as it is sent: the words, then each pasted text in a fence that it does not contain. */
export function messageOf({ text, pasted }: Draft): string {
  return [text.trim(), ...pasted.map(fenced)].filter((part) => part !== "").join("\n\n");
}
function fenced(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(Math.max(3, longest + 1));
  return `${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}

/** Lines of a message, quoted, with room to answer below. */
export const quoted = (text: string): string =>
  `${text
    .trim()
    .split("\n")
    .slice(0, 40)
    .map((line) => `> ${line}`)
    .join("\n")}\n\n`;

/** `@` and what follows it right before the caret, when a mention is being written there. */
export function mentionAt(text: string, caret: number): { readonly from: number; readonly query: string } | null {
  const found = /(?:^|\s)@([^\s@]{0,200})$/.exec(text.slice(0, caret));
  return found === null ? null : { from: caret - found[1]!.length - 1, query: found[1]! };
}
