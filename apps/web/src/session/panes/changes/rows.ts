/*
 * Everything that the changes pane draws, as one flat list of rows: only those on screen are drawn, however many files
 * and lines there are. Pure.
 *
 *   file ─ gap ─ line line line ─ comment ─ line ─ gap ─ line … ─ gap     one file
 *   file                                                                  one that is folded
 */
import type { ReviewComment } from "../review/review.ts";
import type { DiffFile, DiffHunk, DiffLine } from "./diff.ts";

export interface ChangedFile {
  readonly path: string;
  readonly renamedFrom: string | null;
  readonly status: "added" | "modified" | "deleted" | "renamed";
  readonly additions: number;
  readonly deletions: number;
  readonly isBinary: boolean;
  /** null: how it changed is not known here. */
  readonly patch: DiffFile | null;
}

/** Lines of a gap that were asked for, from its upper and its lower end. */
export interface Opened {
  readonly top: number;
  readonly bottom: number;
}
export interface FileLook {
  readonly file: ChangedFile;
  readonly isFolded: boolean;
  /** Shown although it is huge. */
  readonly isShown: boolean;
  readonly isSplit: boolean;
  readonly opened: ReadonlyMap<number, Opened>;
  /** The file as it is after the change, where it could be read. */
  readonly content: readonly string[] | null;
  /** Whether the lines between the hunks could be read at all. */
  readonly canOpen: boolean;
  readonly comments: readonly ReviewComment[];
  /** Where a comment is being written. */
  readonly draft: { readonly side: Side; readonly to: number } | null;
}
export type Side = "before" | "after";

export type Row =
  | { readonly kind: "file"; readonly key: string; readonly file: ChangedFile }
  | { readonly kind: "notice"; readonly key: string; readonly file: ChangedFile; readonly what: "binary" | "huge" | "unknown" | "empty" }
  | {
      readonly kind: "gap";
      readonly key: string;
      readonly file: ChangedFile;
      readonly index: number;
      readonly header: string;
      /** null: how long the rest of the file is, is not known yet. */
      readonly hidden: number | null;
      readonly canOpen: boolean;
      readonly isFirst: boolean;
      readonly isLast: boolean;
    }
  | { readonly kind: "line"; readonly key: string; readonly file: ChangedFile; readonly line: DiffLine; readonly startsChange: boolean }
  | {
      readonly kind: "pair";
      readonly key: string;
      readonly file: ChangedFile;
      readonly left: DiffLine | null;
      readonly right: DiffLine | null;
      readonly startsChange: boolean;
    }
  | { readonly kind: "comment"; readonly key: string; readonly file: ChangedFile; readonly comment: ReviewComment }
  | { readonly kind: "draft"; readonly key: string; readonly file: ChangedFile };

/** A file with more lines than this starts folded to a notice. */
export const HUGE_LINES = 3_000;

export const linesIn = (patch: DiffFile): number => patch.hunks.reduce((sum, { lines }) => sum + lines.length, 0);

export function rowsOf(look: FileLook): Row[] {
  const { file, isFolded, isShown, isSplit } = look;
  const { path, patch } = file;
  const rows: Row[] = [{ kind: "file", key: `f ${path}`, file }];
  if (isFolded) return rows;
  const notice = (what: "binary" | "huge" | "unknown" | "empty"): Row[] => [...rows, { kind: "notice", key: `n ${path}`, file, what }];
  if (file.isBinary || patch?.isBinary === true) return notice("binary");
  if (patch === null) return notice("unknown");
  if (patch.hunks.length === 0) return notice("empty");
  if (!isShown && linesIn(patch) > HUGE_LINES) return notice("huge");

  const after = remarks(look);
  let beforeNext = 1;
  let afterNext = 1;
  const gap = (index: number, hunk: DiffHunk | null): void => {
    const upTo = hunk !== null ? startOf(hunk).after : look.content === null ? null : look.content.length + 1;
    const size = upTo === null ? null : Math.max(0, upTo - afterNext);
    const { top = 0, bottom = 0 } = look.opened.get(index) ?? {};
    const shownTop = look.content === null || size === null ? 0 : Math.min(top, size);
    const shownBottom = look.content === null || size === null ? 0 : Math.min(bottom, size - shownTop);
    const context = (from: number, many: number): void => {
      for (let i = 0; i < many; i++) {
        const number = from + i;
        const line: DiffLine = {
          kind: "context",
          text: look.content?.[number - 1] ?? "",
          before: beforeNext - afterNext + number,
          after: number,
        };
        push(line, isSplit ? line : null);
      }
    };
    context(afterNext, shownTop);
    const hidden = size === null ? null : size - shownTop - shownBottom;
    const canOpen = look.canOpen && hidden !== 0;
    if (hunk !== null ? hidden !== 0 || hunk.header !== "" : canOpen)
      rows.push({
        kind: "gap",
        key: `g ${path} ${index}`,
        file,
        index,
        header: hunk?.header ?? "",
        hidden,
        canOpen,
        isFirst: index === 0,
        isLast: hunk === null,
      });
    if (upTo !== null) context(upTo - shownBottom, shownBottom);
  };
  let changing = false;
  function push(line: DiffLine, mate: DiffLine | null = null): void {
    const isChange = line.kind === "added" || line.kind === "removed";
    const startsChange = isChange && !changing;
    if (line.kind !== "note") changing = isChange;
    const name = `${line.before ?? ""}:${line.after ?? ""}`;
    if (isSplit) {
      const left = line.kind === "added" ? null : line;
      const right = line.kind === "removed" ? mate : line;
      rows.push({
        kind: "pair",
        key: `p ${path} ${name} ${right?.after ?? ""}${line.kind === "note" ? `n${rows.length}` : ""}`,
        file,
        left,
        right,
        startsChange,
      });
      rows.push(...(left?.before == null ? [] : (after.get(`before ${left.before}`) ?? [])));
      rows.push(...(right?.after == null ? [] : (after.get(`after ${right.after}`) ?? [])));
    } else {
      rows.push({ kind: "line", key: `l ${path} ${line.kind === "note" ? `n${rows.length}` : name}`, file, line, startsChange });
      if (line.kind !== "added" && line.before !== null) rows.push(...(after.get(`before ${line.before}`) ?? []));
      if (line.kind !== "removed" && line.after !== null) rows.push(...(after.get(`after ${line.after}`) ?? []));
    }
  }
  patch.hunks.forEach((hunk, index) => {
    gap(index, hunk);
    changing = false;
    if (isSplit) pairUp(hunk.lines, push);
    else for (const line of hunk.lines) push(line);
    ({ before: beforeNext, after: afterNext } = endOf(hunk, { before: beforeNext, after: afterNext }));
  });
  if (file.status !== "deleted" && file.status !== "added") gap(patch.hunks.length, null);
  return rows;
}

/** Removed lines beside those that took their place. */
function pairUp(lines: readonly DiffLine[], push: (line: DiffLine, mate?: DiffLine | null) => void): void {
  for (let i = 0; i < lines.length;) {
    if (lines[i]!.kind !== "removed") {
      push(lines[i++]!);
      continue;
    }
    const from = i;
    while (lines[i]?.kind === "removed") i++;
    const removed = lines.slice(from, i);
    const added: DiffLine[] = [];
    const notes: DiffLine[] = [];
    for (; lines[i]?.kind === "added" || lines[i]?.kind === "note"; i++) (lines[i]!.kind === "added" ? added : notes).push(lines[i]!);
    removed.forEach((line, n) => push(line, added[n] ?? null));
    for (const line of added.slice(removed.length)) push(line);
    for (const note of notes) push(note);
  }
}

/** Comments and the one being written, by the line under which they stand. */
function remarks({ file, comments, draft }: FileLook): Map<string, Row[]> {
  const under = new Map<string, Row[]>();
  const put = (place: string, row: Row): void => void under.set(place, [...(under.get(place) ?? []), row]);
  for (const comment of comments) put(`${comment.side} ${comment.to}`, { kind: "comment", key: `c ${comment.id}`, file, comment });
  if (draft !== null) put(`${draft.side} ${draft.to}`, { kind: "draft", key: `d ${file.path}`, file });
  return under;
}

/** A hunk without lines on one side names the line before it there. */
function startOf({ beforeStart, afterStart, lines }: DiffHunk): { before: number; after: number } {
  const hasBefore = lines.some(({ before }) => before !== null);
  const hasAfter = lines.some(({ after }) => after !== null);
  return { before: hasBefore ? beforeStart : beforeStart + 1, after: hasAfter ? afterStart : afterStart + 1 };
}
function endOf(hunk: DiffHunk, otherwise: { before: number; after: number }): { before: number; after: number } {
  const start = startOf(hunk);
  const count = (side: Side): number => hunk.lines.filter((line) => line[side] !== null).length;
  return hunk.lines.length === 0 ? otherwise : { before: start.before + count("before"), after: start.after + count("after") };
}

/** Whether what was read is what the diff talks about: the agent may have gone on since. */
export function fits(patch: DiffFile, content: readonly string[]): boolean {
  return patch.hunks.every(({ lines }) =>
    lines.every(({ kind, text, after }) => kind !== "context" || after === null || content[after - 1] === text),
  );
}

/** The lines from one to another on a side, as far as the diff (or the file, where it was read) has them. */
export function textOf(file: ChangedFile, content: readonly string[] | null, side: Side, from: number, to: number): string {
  const known = new Map<number, string>();
  for (const { lines } of file.patch?.hunks ?? []) for (const line of lines) if (line[side] !== null) known.set(line[side], line.text);
  const out: string[] = [];
  for (let number = from; number <= to; number++) {
    const text = known.get(number) ?? (side === "after" ? content?.[number - 1] : undefined);
    if (text !== undefined) out.push(text);
  }
  return out.join("\n");
}
