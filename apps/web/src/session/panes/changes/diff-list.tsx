/*
 * The diff of every file in one windowed list. The head of the file one reads stays at the top. The place is in the
 * address (`file`, `line`); n and p walk the changes, N and P the files, m comments on what is chosen, v marks as viewed.
 */
import type { SessionView } from "@signalbox/contract/sessions";
import { toast } from "@signalbox/ui/toasts";
import { defaultRangeExtractor, useVirtualizer, type Range } from "@tanstack/react-virtual";
import { useNavigate } from "@tanstack/react-router";
import { Copy, Download, FileText, Link2 } from "lucide-react";
import { useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState, type Ref } from "react";
import { useShortcuts } from "../../../frame/shortcuts.ts";
import { download } from "../../download.ts";
import { copy } from "../clipboard.ts";
import { shownName } from "../names.ts";
import { useWidth } from "../pane-width.ts";
import { CommentForm } from "../review/comment-form.tsx";
import { KeptComment } from "../review/kept-comment.tsx";
import type { Review } from "../review/review.ts";
import { useSendReview } from "../review/send.ts";
import { useColours } from "./colours.ts";
import { parseDiff } from "./diff.ts";
import { ignoringWhitespace } from "./ignore-whitespace.ts";
import { LINE_CHARS } from "./line-text.tsx";
import { FileHead, Gap, Notice, SplitLine, UnifiedLine, type LineDeeds } from "./row-views.tsx";
import { rowsOf, textOf, type ChangedFile, type FileLook, type Opened, type Row, type Side } from "./rows.ts";
import { useContents } from "./use-contents.ts";

export interface DiffListHandle {
  toFile(path: string): void;
}

interface Chosen {
  readonly path: string;
  readonly side: Side;
  readonly from: number;
  readonly to: number;
}

const HEAD_PX = 36;
const LINE_PX = 20;
const CHAR_PX = 7.25;
const NO_OPENED: ReadonlyMap<number, Opened> = new Map();

export interface DiffListProps {
  session: SessionView;
  files: readonly ChangedFile[];
  patch: string;
  isSplit: boolean;
  isIgnoring: boolean;
  viewed: ReadonlySet<string>;
  onViewed(path: string, is: boolean): void;
  review: Review;
  canSay: boolean;
  canRead: boolean;
  target: { readonly file: string | null; readonly line: number | null };
  onCurrent(path: string | null): void;
  ref?: Ref<DiffListHandle>;
}

export function DiffList({
  session,
  files: given,
  patch,
  isSplit,
  isIgnoring,
  viewed,
  onViewed,
  review,
  canSay,
  canRead,
  target,
  onCurrent,
  ref,
}: DiffListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  const navigate = useNavigate();
  const send = useSendReview(session);
  const contents = useContents(session.id);
  const [folds, setFolds] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<ReadonlyMap<string, ReadonlyMap<number, Opened>>>(new Map());
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [draft, setDraft] = useState<Chosen | null>(null);
  const [marked, setMarked] = useState<string | null>(null);

  const files = useMemo(
    () => (isIgnoring ? given.map((file) => (file.patch === null ? file : { ...file, patch: ignoringWhitespace(file.patch) })) : given),
    [given, isIgnoring],
  );
  const isFolded = (path: string): boolean => folds.get(path) ?? viewed.has(path);
  const setFolded = (path: string, is: boolean): void => setFolds((before) => new Map(before).set(path, is));

  /** A file's rows are made anew only when something of that file changes. */
  const made = useRef(new Map<string, { look: FileLook; rows: Row[] }>());
  const original = new Map(isIgnoring ? given.map((file) => [file.path, file]) : []);
  const contentOf = (file: ChangedFile): readonly string[] | null => contents.of(original.get(file.path) ?? file);
  const commentsOf = Map.groupBy(review.comments, ({ path }) => path);
  const parts = files.map((file) => {
    const look: FileLook = {
      file,
      isFolded: isFolded(file.path),
      isShown: shown.has(file.path),
      isSplit,
      opened: opened.get(file.path) ?? NO_OPENED,
      content: contentOf(file),
      canOpen: canRead && file.status !== "deleted" && file.status !== "added",
      comments: commentsOf.get(file.path) ?? [],
      draft: draft?.path === file.path ? draft : null,
    };
    const before = made.current.get(file.path);
    if (before !== undefined && isSame(before.look, look)) return before.rows;
    const rows = rowsOf(look);
    made.current.set(file.path, { look, rows });
    return rows;
  });
  const lastParts = useRef<{ parts: Row[][]; rows: Row[]; heads: number[] }>({ parts: [], rows: [], heads: [] });
  if (parts.length !== lastParts.current.parts.length || parts.some((part, i) => part !== lastParts.current.parts[i])) {
    const heads: number[] = [];
    const rows: Row[] = [];
    for (const part of parts) {
      heads.push(rows.length);
      for (const row of part) rows.push(row);
    }
    lastParts.current = { parts, rows, heads };
  }
  const { rows, heads } = lastParts.current;

  const codePx = Math.max(120, (isSplit ? width / 2 : width) - (width < 500 ? 64 : isSplit ? 72 : 120));
  const head = useRef(0);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => heightOf(rows[index]!, codePx),
    getItemKey: (index) => rows[index]!.key,
    overscan: 20,
    scrollPaddingStart: HEAD_PX,
    rangeExtractor: useCallback((range: Range) => {
      head.current = lastHead(lastParts.current.heads, range.startIndex);
      const shown = defaultRangeExtractor(range);
      return shown.includes(head.current) ? shown : [head.current, ...shown];
    }, []),
  });

  const items = virtual.getVirtualItems();
  const visibleFiles = [...new Set(items.map(({ index }) => rows[index]?.file).filter((file) => file !== undefined))];
  const colours = useColours(visibleFiles.filter((file) => !isFolded(file.path)).map((file) => ({ file, content: contentOf(file) })));
  const current = rows[head.current]?.file.path ?? null;
  useEffect(() => onCurrent(current), [current, onCurrent]);

  const go = (index: number, align: "start" | "center" = "center"): void => {
    // The rows in between are measured only when they come into view: asked again, it lands where it should.
    virtual.scrollToIndex(index, { align });
    requestAnimationFrame(() => virtual.scrollToIndex(index, { align }));
  };
  const toFile = (path: string): void => {
    const at = files.findIndex((file) => file.path === path);
    const index = heads[at];
    if (index === undefined || scroller.current === null) return;
    const start = (): void => {
      const offset = virtual.getOffsetForIndex(index, "start")?.[0];
      if (offset !== undefined) virtual.scrollToOffset(offset + HEAD_PX);
    };
    start();
    requestAnimationFrame(start);
  };
  useImperativeHandle(ref, () => ({ toFile }));

  // Once an address: what changes afterwards must not pull a reader back.
  const applied = useRef("");
  // oxlint-disable-next-line react-hooks/exhaustive-deps -- asks at each render whether the place is there yet, and acts once
  useEffect(() => {
    const { file, line } = target;
    const key = `${file} ${line}`;
    if (file === null || applied.current === key || rows.length === 0 || width === 0) return;
    if (!files.some(({ path }) => path === file)) return;
    if (line !== null && isFolded(file)) {
      setFolded(file, false);
      return;
    }
    applied.current = key;
    if (line === null) return toFile(file);
    const index = rows.findIndex((row) => row.file.path === file && afterOf(row) === line);
    if (index === -1) return toFile(file);
    setChosen((before) =>
      before?.path === file && before.side === "after" && before.from <= line && line <= before.to
        ? before
        : { path: file, side: "after", from: line, to: line },
    );
    go(index);
  });

  const here = (): number => {
    const at = marked === null ? -1 : rows.findIndex(({ key }) => key === marked);
    const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
    // Who scrolled away goes on from what is on screen.
    return at >= first && at <= last ? at : (virtual.getVirtualItemForOffset(virtual.scrollOffset ?? 0)?.index ?? 0) - 1;
  };
  const walk = (by: 1 | -1): void => {
    for (let i = here() + by; i >= 0 && i < rows.length; i += by) {
      const row = rows[i]!;
      if ((row.kind === "line" || row.kind === "pair") && row.startsChange) {
        setMarked(row.key);
        const line = row.kind === "line" ? row.line : (row.right ?? row.left)!;
        const side: Side = line.after === null ? "before" : "after";
        setChosen({ path: row.file.path, side, from: line[side]!, to: line[side]! });
        return go(i);
      }
    }
    toast(by === 1 ? "That was the last change" : "That was the first change");
  };
  const walkFile = (by: 1 | -1): void => {
    const at = files.findIndex(({ path }) => path === current);
    const next = files[Math.max(0, Math.min(files.length - 1, at + by))];
    if (next === undefined) return;
    setMarked(null);
    toFile(next.path);
  };
  const comment = (file: ChangedFile, side: Side, line: number): void => {
    const isInside = chosen?.path === file.path && chosen.side === side && line >= chosen.from && line <= chosen.to;
    setDraft(isInside ? chosen : { path: file.path, side, from: line, to: line });
  };
  useShortcuts([
    { keys: "n", label: "Next change", run: () => walk(1) },
    { keys: "p", label: "Change before", run: () => walk(-1) },
    { keys: "N", label: "Next file", run: () => walkFile(1) },
    { keys: "P", label: "File before", run: () => walkFile(-1) },
    {
      keys: "v",
      label: "Mark the file as viewed",
      run: () => {
        if (current === null) return;
        onViewed(current, !viewed.has(current));
        setFolded(current, !viewed.has(current));
      },
    },
    ...(canSay ? [{ keys: "m", label: "Comment on the chosen lines", run: () => chosen !== null && setDraft(chosen) }] : []),
  ]);

  const deeds: LineDeeds = {
    onChoose(file, side, line, isFurther) {
      const from = isFurther && chosen?.path === file.path && chosen.side === side ? Math.min(chosen.from, line) : line;
      const to = isFurther && chosen?.path === file.path && chosen.side === side ? Math.max(chosen.to, line) : line;
      setChosen({ path: file.path, side, from, to });
      if (side !== "after") return;
      applied.current = `${file.path} ${from}`;
      void navigate({ to: ".", search: (before) => ({ ...before, pane: "changes" as const, file: file.path, line: from }), replace: true });
    },
    onComment: canSay ? comment : null,
  };
  // The rows keep one set of deeds for ever, and it always does what the newest would.
  const latest = useRef(deeds);
  latest.current = deeds;
  const lasting = useMemo<LineDeeds>(
    () => ({
      onChoose: (...of) => latest.current.onChoose(...of),
      onComment: canSay ? (...of) => latest.current.onComment?.(...of) : null,
    }),
    [canSay],
  );

  const entries = (file: ChangedFile) => () => [
    { label: "Copy the path", icon: <Copy size={14} />, onSelect: () => copy(file.path, "the path") },
    {
      label: "Copy a link to the file",
      icon: <Link2 size={14} />,
      onSelect: () => copy(linkTo(file.path), "the link"),
    },
    {
      label: "Copy the patch",
      icon: <Copy size={14} />,
      disabled: file.patch === null,
      onSelect: () => copy(patchOf(patch, file.path), "the patch"),
    },
    {
      label: "Download the patch",
      icon: <Download size={14} />,
      disabled: file.patch === null,
      onSelect: () => download(`${file.path.replaceAll(/[^\w.-]+/g, "-")}.patch`, patchOf(patch, file.path)),
    },
    {
      label: "Open in Files",
      icon: <FileText size={14} />,
      disabled: !canRead || file.status === "deleted",
      onSelect: () =>
        void navigate({ to: ".", search: (before) => ({ ...before, pane: "files" as const, file: file.path, line: undefined }) }),
    },
  ];

  const draw = (row: Row) => {
    const { file } = row;
    switch (row.kind) {
      case "file":
        return (
          <FileHead
            file={file}
            isFolded={isFolded(file.path)}
            isViewed={viewed.has(file.path)}
            entries={entries(file)}
            onFold={() => setFolded(file.path, !isFolded(file.path))}
            onViewed={(is) => {
              onViewed(file.path, is);
              setFolded(file.path, is);
            }}
          />
        );
      case "notice":
        return <Notice row={row} onShow={() => setShown((before) => new Set(before).add(file.path))} />;
      case "gap":
        return (
          <Gap
            row={row}
            onOpen={(index, by) => {
              void contents.read(original.get(file.path) ?? file).then((could) => {
                if (!could) return;
                setOpened((before) => {
                  const of = new Map(before.get(file.path));
                  const was = of.get(index) ?? { top: 0, bottom: 0 };
                  of.set(index, { top: was.top + by.top, bottom: was.bottom + by.bottom });
                  return new Map(before).set(file.path, of);
                });
              });
            }}
          />
        );
      case "line": {
        const side: Side = row.line.kind === "removed" ? "before" : "after";
        const number = row.line[side];
        return (
          <UnifiedLine
            file={file}
            line={row.line}
            tokens={number === null ? undefined : colours(file)?.[side].get(number)}
            isChosen={isIn(draft ?? chosen, file.path, side, number)}
            isMarked={row.key === marked}
            deeds={lasting}
          />
        );
      }
      case "pair": {
        const { left, right } = row;
        const by = colours(file);
        const mark = draft ?? chosen;
        return (
          <SplitLine
            file={file}
            left={left}
            right={right}
            leftTokens={left?.before == null ? undefined : by?.before.get(left.before)}
            rightTokens={right?.after == null ? undefined : by?.after.get(right.after)}
            chosen={
              isIn(mark, file.path, "before", left?.before ?? null)
                ? "before"
                : isIn(mark, file.path, "after", right?.after ?? null)
                  ? "after"
                  : null
            }
            isMarked={row.key === marked}
            deeds={lasting}
          />
        );
      }
      case "comment":
        return <KeptComment comment={row.comment} review={review} />;
      case "draft":
        return draft === null ? null : (
          <CommentForm
            from={draft.from}
            to={draft.to}
            isSending={send.isPending}
            onRange={(from) => setDraft({ ...draft, from })}
            onKeep={(text) => {
              review.put({
                id: crypto.randomUUID(),
                ...draft,
                code: textOf(file, contentOf(file), draft.side, draft.from, draft.to),
                text,
              });
              setDraft(null);
            }}
            onSend={(text) =>
              send.mutate({
                comments: [{ id: "", ...draft, code: textOf(file, contentOf(file), draft.side, draft.from, draft.to), text }],
                note: "",
                done: () => setDraft(null),
              })
            }
            onCancel={() => setDraft(null)}
          />
        );
    }
  };

  // What is on screen of one file is one region, named after it.
  const regions: { path: string; items: typeof items }[] = [];
  for (const item of items) {
    const path = rows[item.index]?.file.path;
    if (path === undefined) continue;
    if (regions.at(-1)?.path === path) regions.at(-1)!.items.push(item);
    else regions.push({ path, items: [item] });
  }
  return (
    <div
      ref={scroller}
      tabIndex={0}
      role="group"
      aria-label="Lines of all changes"
      className="min-h-0 flex-1 overflow-x-hidden overflow-y-auto font-mono text-[0.75rem] -outline-offset-2 [overflow-anchor:none]"
    >
      <div className="relative" style={{ height: virtual.getTotalSize() }}>
        {regions.map(({ path, items }) => (
          <section key={path} aria-label={`Changes in ${shownName(path)}`}>
            {items.map(({ index, key, start }) => {
              const row = rows[index]!;
              const isSticky = index === head.current;
              return (
                <div
                  key={key}
                  data-index={index}
                  ref={virtual.measureElement}
                  className={isSticky ? "sticky top-0 z-20" : "absolute inset-x-0 top-0"}
                  style={isSticky ? undefined : { transform: `translateY(${start}px)` }}
                >
                  {draw(row)}
                </div>
              );
            })}
          </section>
        ))}
      </div>
    </div>
  );
}

const isSame = (a: FileLook, b: FileLook): boolean =>
  (Object.keys(a) as (keyof FileLook)[]).every((name) => {
    if (name !== "comments") return a[name] === b[name];
    return a.comments.length === b.comments.length && a.comments.every((each, i) => each === b.comments[i]);
  });

/** The last head at or before an index. */
function lastHead(heads: readonly number[], index: number): number {
  let low = 0;
  let high = heads.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (heads[middle]! <= index) low = middle;
    else high = middle - 1;
  }
  return heads[low] ?? 0;
}

function heightOf(row: Row, codePx: number): number {
  const lines = (text: string): number => Math.max(1, Math.ceil((Math.min(text.length, LINE_CHARS) * CHAR_PX) / codePx));
  switch (row.kind) {
    case "file":
      return HEAD_PX;
    case "notice":
      return 40;
    case "gap":
      return 24;
    case "line":
      return lines(row.line.text) * LINE_PX;
    case "pair":
      return Math.max(lines(row.left?.text ?? ""), lines(row.right?.text ?? "")) * LINE_PX;
    case "comment":
      return 70;
    case "draft":
      return 190;
  }
}

const afterOf = (row: Row): number | null =>
  row.kind === "line" ? row.line.after : row.kind === "pair" ? (row.right?.after ?? null) : null;

const isIn = (chosen: Chosen | null, path: string, side: Side, line: number | null): boolean =>
  chosen !== null && line !== null && chosen.path === path && chosen.side === side && line >= chosen.from && line <= chosen.to;

/** Exactly what git printed about one file. */
const patchOf = (patch: string, path: string): string =>
  patch.split(/^(?=diff --git )/m).find((section) => parseDiff(section)[0]?.path === path) ?? "";

function linkTo(file: string): string {
  const address = new URL(window.location.href);
  address.search = new URLSearchParams({ pane: "changes", file }).toString();
  return address.href;
}
