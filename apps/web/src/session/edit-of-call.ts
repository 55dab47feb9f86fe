/* What an editing tool was told to do to a file, as the few lines that change. Pure. */

export interface EditLine {
  readonly kind: "context" | "added" | "removed";
  readonly text: string;
}

export interface Edit {
  readonly path: string | null;
  /** Empty where the call names a file but not what changes in it. */
  readonly lines: readonly EditLine[];
  /** Lines that are not in `lines`. */
  readonly more: number;
}

const CONTEXT = 2;

/** null when the arguments are not those of an edit. */
export function editOfCall(args: unknown, limit: number): Edit | null {
  if (typeof args !== "object" || args === null) return null;
  const field = (...names: string[]): string | null => {
    for (const name of names) {
      const value = (args as Record<string, unknown>)[name];
      if (typeof value === "string") return value;
    }
    return null;
  };
  const path = field("filePath", "file_path", "path", "file");
  const patch = field("patchText", "patch", "diff");
  if (patch !== null) return cut(path, patchLines(patch), limit);
  const removed = field("oldString", "old_string", "old_str", "oldText", "old_text");
  const added = field("newString", "new_string", "new_str", "newText", "new_text", "content");
  if (added === null || (removed === null && path === null)) return null;
  return cut(path, changedLines(removed ?? "", added), limit);
}

function cut(path: string | null, lines: readonly EditLine[], limit: number): Edit {
  return { path, lines: lines.slice(0, limit), more: Math.max(0, lines.length - limit) };
}

const linesOf = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

/** What both have at their beginning and end is context; between, the old lines and then the new ones. */
function changedLines(before: string, after: string): EditLine[] {
  const old = linesOf(before);
  const fresh = linesOf(after);
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start++;
  let same = 0;
  while (same < old.length - start && same < fresh.length - start && old.at(-1 - same) === fresh.at(-1 - same)) same++;
  const context = (text: string): EditLine => ({ kind: "context", text });
  return [
    ...old.slice(Math.max(0, start - CONTEXT), start).map(context),
    ...old.slice(start, old.length - same).map((text): EditLine => ({ kind: "removed", text })),
    ...fresh.slice(start, fresh.length - same).map((text): EditLine => ({ kind: "added", text })),
    ...old.slice(old.length - same, old.length - same + CONTEXT).map(context),
  ];
}

/** A patch in any of the dialects that agents write: what matters is the sign before a line. */
function patchLines(patch: string): EditLine[] {
  return linesOf(patch).flatMap((line): EditLine[] => {
    if (/^(\+\+\+|---|diff --git|index |\*\*\* (Begin|End))/.test(line)) return [];
    if (line.startsWith("+")) return [{ kind: "added", text: line.slice(1) }];
    if (line.startsWith("-")) return [{ kind: "removed", text: line.slice(1) }];
    return [{ kind: "context", text: line.startsWith(" ") ? line.slice(1) : line }];
  });
}
