/* The changed files as a tree, windowed. One stop of the Tab key; arrows walk, Enter goes to the file or folds the folder. */
import { shownName } from "../names.ts";
import { SearchInput } from "@signalbox/ui/search-input";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Check, ChevronRight, Folder } from "lucide-react";
import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { LineCounts, StatusLetter } from "./marks.tsx";
import type { ChangedFile } from "./rows.ts";
import { treeRows } from "./tree.ts";

const ROW_PX = 28;

interface FilesTreeProps {
  files: readonly ChangedFile[];
  current: string | null;
  isViewed(path: string): boolean;
  onOpen(path: string): void;
}

export function FilesTree({ files, current, isViewed, onOpen }: FilesTreeProps) {
  const [filter, setFilter] = useState("");
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [walked, setWalked] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length === 0 ? files : files.filter(({ path }) => words.every((word) => path.toLowerCase().includes(word)));
    return treeRows(found, words.length === 0 ? folded : new Set());
  }, [files, filter, folded]);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 10,
  });
  const active = Math.max(
    0,
    rows.findIndex(({ path }) => path === (walked ?? current)),
  );
  const fold = (path: string, open: boolean): void =>
    setFolded((before) => (open ? new Set([...before].filter((each) => each !== path)) : new Set(before).add(path)));
  const walkTo = (index: number): void => {
    const to = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (to === undefined) return;
    setWalked(to.path);
    virtual.scrollToIndex(rows.indexOf(to));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[active];
    if (row === undefined) return;
    if (event.key === "ArrowDown") walkTo(active + 1);
    else if (event.key === "ArrowUp") walkTo(active - 1);
    else if (event.key === "Home") walkTo(0);
    else if (event.key === "End") walkTo(rows.length - 1);
    else if (event.key === "ArrowRight" && row.kind === "folder") {
      if (row.isOpen) walkTo(active + 1);
      else fold(row.path, true);
    } else if (event.key === "ArrowLeft") {
      if (row.kind === "folder" && row.isOpen) fold(row.path, false);
      else walkTo(rows.findLastIndex((each, i) => i < active && each.kind === "folder" && each.depth < row.depth));
    } else if (event.key === "Enter" || event.key === " ") {
      if (row.kind === "folder") fold(row.path, !row.isOpen);
      else onOpen(row.path);
    } else return;
    event.preventDefault();
  };
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="p-2">
        <SearchInput label="Filter files" value={filter} onChange={setFilter} />
      </div>
      {rows.length === 0 && <p className="px-4 py-3 text-sm text-ink-2">No changed file has that in its path.</p>}
      <div
        ref={scroller}
        role="tree"
        aria-label="Changed files"
        tabIndex={0}
        aria-activedescendant={rows.length > 0 ? `changed-${active}` : undefined}
        onKeyDown={onKeyDown}
        className="group min-h-0 flex-1 overflow-y-auto pb-2 -outline-offset-2"
      >
        <div className="relative" role="none" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const row = rows[index]!;
            return (
              <div
                key={`${row.kind} ${row.path}`}
                id={`changed-${index}`}
                role="treeitem"
                aria-level={row.depth + 1}
                aria-expanded={row.kind === "folder" ? row.isOpen : undefined}
                aria-selected={row.path === current}
                aria-current={row.path === current ? "true" : undefined}
                title={shownName(row.path)}
                onClick={() => {
                  setWalked(row.path);
                  if (row.kind === "folder") fold(row.path, !row.isOpen);
                  else onOpen(row.path);
                }}
                className={`absolute inset-x-0 top-0 flex cursor-pointer items-center gap-1.5 pr-3 text-sm hover:bg-raised aria-[current]:bg-chosen ${index === active ? "group-focus-visible:outline-2 group-focus-visible:-outline-offset-2 group-focus-visible:outline-moving" : ""}`}
                style={{ transform: `translateY(${start}px)`, height: ROW_PX, paddingLeft: 10 + row.depth * 14 }}
              >
                {row.kind === "folder" ? (
                  <>
                    <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 ${row.isOpen ? "rotate-90" : ""}`} />
                    <Folder size={14} aria-hidden className="shrink-0 text-ink-3" />
                    <span className="clamp-1 min-w-0 flex-1 text-ink-2">{shownName(row.name)}</span>
                    {!row.isOpen && <span className="text-plate text-ink-3">{row.files}</span>}
                  </>
                ) : (
                  <>
                    <StatusLetter status={row.file.status} />
                    <span className={`clamp-1 min-w-0 flex-1 ${isViewed(row.path) ? "text-ink-3" : ""}`}>{shownName(row.name)}</span>
                    {isViewed(row.path) && <Check size={13} className="shrink-0 text-clear-ink" aria-label="viewed" />}
                    <LineCounts additions={row.file.additions} deletions={row.file.deletions} />
                  </>
                )}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
