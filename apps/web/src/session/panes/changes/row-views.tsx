/* How each kind of row looks. Drawn anew only when the row itself or what it shows of the outside changes. */
import { Button, IconButton } from "@signalbox/ui/button";
import { Checkbox } from "@signalbox/ui/checkbox";
import type { Token } from "@signalbox/ui/code-lines";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { count } from "@signalbox/ui/format";
import type { MenuEntry } from "@signalbox/ui/menu";
import { ChevronRight, Ellipsis, FoldVertical, Plus, UnfoldVertical } from "lucide-react";
import { memo } from "react";
import { shownName } from "../names.ts";
import type { DiffLine } from "./diff.ts";
import { LineText } from "./line-text.tsx";
import { LineCounts, StatusLetter } from "./marks.tsx";
import { linesIn, type ChangedFile, type Row, type Side } from "./rows.ts";

export const FileHead = memo(function FileHead({
  file,
  isFolded,
  isViewed,
  entries,
  onFold,
  onViewed,
}: {
  file: ChangedFile;
  isFolded: boolean;
  isViewed: boolean;
  entries(): readonly MenuEntry[];
  onFold(): void;
  onViewed(is: boolean): void;
}) {
  const shown = shownName(file.path);
  const slash = shown.lastIndexOf("/") + 1;
  return (
    <div className="flex h-9 items-center gap-1 border-b border-line bg-panel pr-2 font-sans hover:bg-raised">
      <button
        type="button"
        aria-expanded={!isFolded}
        onClick={onFold}
        title={shown}
        className="flex h-full min-w-0 flex-1 items-center gap-2 pl-3 text-left text-sm -outline-offset-2"
      >
        <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 transition-transform ${isFolded ? "" : "rotate-90"}`} />
        <StatusLetter status={file.status} />
        {/* The end of a path says more than its beginning. */}
        <span className="flex min-w-0 font-mono">
          <span className="clamp-1 min-w-0 shrink text-ink-3">
            {file.renamedFrom !== null && file.renamedFrom !== file.path && `${shownName(file.renamedFrom)} → `}
            {shown.slice(0, slash)}
          </span>
          <span className="clamp-1 max-w-full shrink-0">{shown.slice(slash)}</span>
        </span>
        <span className="flex-1" />
        <LineCounts additions={file.additions} deletions={file.deletions} />
      </button>
      <span className="ml-2 flex shrink-0 items-center text-sm leading-6 text-ink-2 [&_label]:text-sm [&_label]:leading-6">
        <Checkbox label={<span className="narrow:sr-only">Viewed</span>} checked={isViewed} onChange={onViewed} />
      </span>
      <DropdownMenu
        align="end"
        entries={entries()}
        trigger={
          <IconButton label={`More about ${shown}`}>
            <Ellipsis size={15} />
          </IconButton>
        }
      />
    </div>
  );
});

const NOTICE = {
  binary: "A binary file: its bytes are not shown.",
  unknown: "What changed in it is not here: the sandbox is not running, or the diff was cut.",
  empty: "No line of it changed.",
} as const;

export function Notice({ row, onShow }: { row: Extract<Row, { kind: "notice" }>; onShow(): void }) {
  const { file, what } = row;
  return (
    <div className="flex min-h-10 flex-wrap items-center gap-3 border-b border-line bg-sunken px-4 py-1.5 font-sans text-sm text-ink-2">
      {what === "huge" ? (
        <>
          {count(file.patch === null ? 0 : linesIn(file.patch), "line")} of diff.
          <Button size="sm" onClick={onShow}>
            Show it
          </Button>
        </>
      ) : what === "empty" && file.status === "renamed" ? (
        "Moved as it was."
      ) : what === "empty" && file.additions + file.deletions > 0 ? (
        "Only white space differs."
      ) : (
        NOTICE[what]
      )}
    </div>
  );
}

const STEP = 20;

export function Gap({
  row,
  onOpen,
}: {
  row: Extract<Row, { kind: "gap" }>;
  onOpen(index: number, by: { top: number; bottom: number }): void;
}) {
  const { index, hidden, header, canOpen, isFirst, isLast } = row;
  const isSmall = hidden !== null && hidden <= STEP;
  const look = "flex h-full items-center gap-1 px-2 hover:text-ink -outline-offset-2";
  return (
    <div className="flex min-h-6 items-center bg-sunken font-sans text-sm text-ink-3">
      {canOpen ? (
        <span className="flex h-6 shrink-0 items-center">
          {isSmall ? (
            <button type="button" className={look} onClick={() => onOpen(index, { top: hidden, bottom: 0 })}>
              <UnfoldVertical size={13} aria-hidden /> {count(hidden, "line")}
            </button>
          ) : (
            <>
              {!isFirst && (
                <button
                  type="button"
                  className={look}
                  title={`${STEP} lines further down`}
                  onClick={() => onOpen(index, { top: STEP, bottom: 0 })}
                >
                  <FoldVertical size={13} aria-hidden /> More below
                </button>
              )}
              {!isLast && (
                <button
                  type="button"
                  className={look}
                  title={`${STEP} lines further up`}
                  onClick={() => onOpen(index, { top: 0, bottom: STEP })}
                >
                  <FoldVertical size={13} aria-hidden /> More above
                </button>
              )}
              {hidden !== null && (
                <button type="button" className={look} onClick={() => onOpen(index, { top: hidden, bottom: 0 })}>
                  <UnfoldVertical size={13} aria-hidden /> All {hidden.toLocaleString()}
                </button>
              )}
            </>
          )}
        </span>
      ) : (
        <span aria-hidden className="px-3">
          ⋯
        </span>
      )}
      {header !== "" && <span className="clamp-1 min-w-0 flex-1 px-2 font-mono text-[0.75rem]">{header}</span>}
    </div>
  );
}

const LOOK: Record<DiffLine["kind"], string> = {
  added: "bg-clear-wash",
  removed: "bg-danger-wash",
  context: "bg-panel",
  note: "bg-panel italic text-ink-3",
};
const SIGN: Record<DiffLine["kind"], string> = { added: "+", removed: "−", context: "", note: "" };
const WORD: Record<DiffLine["kind"], string | undefined> = { added: "added", removed: "removed", context: undefined, note: undefined };

export interface LineDeeds {
  /** Chooses the line (`isFurther`: up to it from the one chosen before). */
  onChoose(file: ChangedFile, side: Side, line: number, isFurther: boolean): void;
  /** Absent: nothing can be said here. */
  readonly onComment: ((file: ChangedFile, side: Side, line: number) => void) | null;
}

function Number_({
  file,
  side,
  line,
  deeds,
  className = "",
}: {
  file: ChangedFile;
  side: Side;
  line: number | null;
  deeds: LineDeeds;
  className?: string;
}) {
  if (line === null) return <span className={`w-11 shrink-0 narrow:w-8 ${className}`} />;
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-label={`Line ${line}${side === "before" ? " before" : ""}`}
      onClick={(event) => deeds.onChoose(file, side, line, event.shiftKey)}
      className={`w-11 shrink-0 self-start pr-1.5 text-right text-ink-3 tabular-nums select-none hover:text-ink narrow:w-8 narrow:pr-1 ${className}`}
    >
      {line}
    </button>
  );
}

function CommentButton({ file, side, line, deeds }: { file: ChangedFile; side: Side; line: number | null; deeds: LineDeeds }) {
  if (deeds.onComment === null || line === null) return null;
  return (
    <button
      type="button"
      aria-label={`Comment on line ${line}${side === "before" ? " before" : ""}`}
      onClick={() => deeds.onComment?.(file, side, line)}
      className="absolute top-0 left-0 z-10 flex size-5 items-center justify-center rounded-sm bg-ink text-on-ink opacity-0 group-hover:opacity-100 focus-visible:opacity-100 [@media(hover:none)]:opacity-40"
    >
      <Plus size={13} />
    </button>
  );
}

export const UnifiedLine = memo(function UnifiedLine({
  file,
  line,
  tokens,
  isChosen,
  isMarked,
  deeds,
}: {
  file: ChangedFile;
  line: DiffLine;
  tokens: readonly Token[] | undefined;
  isChosen: boolean;
  isMarked: boolean;
  deeds: LineDeeds;
}) {
  const side: Side = line.kind === "removed" ? "before" : "after";
  return (
    <div
      className={`group relative flex min-h-5 leading-5 ${isChosen ? "bg-chosen shadow-[inset_3px_0_0_var(--moving)]" : LOOK[line.kind]} ${isMarked ? "outline-2 -outline-offset-2 outline-moving" : ""}`}
    >
      <Number_ file={file} side="before" line={line.before} deeds={deeds} className="narrow:hidden" />
      <Number_
        file={file}
        side={side}
        line={side === "before" ? null : line.after}
        deeds={deeds}
        className={side === "before" ? "narrow:hidden" : ""}
      />
      {side === "before" && <Number_ file={file} side="before" line={line.before} deeds={deeds} className="hidden narrow:block" />}
      <span className={`relative w-5 shrink-0 text-center select-none ${line.kind === "added" ? "text-clear-ink" : "text-danger-ink"}`}>
        <span aria-hidden>{SIGN[line.kind]}</span>
        {WORD[line.kind] !== undefined && <span className="sr-only">{WORD[line.kind]}</span>}
        <CommentButton file={file} side={side} line={line[side]} deeds={deeds} />
      </span>
      <code className="min-w-0 flex-1 pr-3 text-[0.75rem] wrap-anywhere whitespace-pre-wrap">
        <LineText text={line.text} tokens={tokens} />
      </code>
    </div>
  );
});

export const SplitLine = memo(function SplitLine({
  file,
  left,
  right,
  leftTokens,
  rightTokens,
  chosen,
  isMarked,
  deeds,
}: {
  file: ChangedFile;
  left: DiffLine | null;
  right: DiffLine | null;
  leftTokens: readonly Token[] | undefined;
  rightTokens: readonly Token[] | undefined;
  chosen: Side | null;
  isMarked: boolean;
  deeds: LineDeeds;
}) {
  return (
    <div className={`grid min-h-5 grid-cols-2 leading-5 ${isMarked ? "outline-2 -outline-offset-2 outline-moving" : ""}`}>
      <Half file={file} side="before" line={left} tokens={leftTokens} isChosen={chosen === "before"} deeds={deeds} />
      <Half file={file} side="after" line={right} tokens={rightTokens} isChosen={chosen === "after"} deeds={deeds} />
    </div>
  );
});

function Half({
  file,
  side,
  line,
  tokens,
  isChosen,
  deeds,
}: {
  file: ChangedFile;
  side: Side;
  line: DiffLine | null;
  tokens: readonly Token[] | undefined;
  isChosen: boolean;
  deeds: LineDeeds;
}) {
  const edge = side === "after" ? "border-l border-line" : "";
  if (line === null) return <span className={`bg-sunken ${edge}`} />;
  return (
    <div className={`group relative flex min-w-0 ${edge} ${isChosen ? "bg-chosen shadow-[inset_3px_0_0_var(--moving)]" : LOOK[line.kind]}`}>
      <Number_ file={file} side={side} line={line[side]} deeds={deeds} />
      <span className={`relative w-5 shrink-0 text-center select-none ${line.kind === "added" ? "text-clear-ink" : "text-danger-ink"}`}>
        <span aria-hidden>{SIGN[line.kind]}</span>
        {WORD[line.kind] !== undefined && <span className="sr-only">{WORD[line.kind]}</span>}
        <CommentButton file={file} side={side} line={line[side]} deeds={deeds} />
      </span>
      <code className="min-w-0 flex-1 pr-2 text-[0.75rem] wrap-anywhere whitespace-pre-wrap">
        <LineText text={line.text} tokens={tokens} />
      </code>
    </div>
  );
}
