/* The workspace as a tree, windowed. One stop of the Tab key; arrows walk, right opens a folder, Enter opens a file. */
import type { SessionId } from "@signalbox/contract/primitives";
import { bytes } from "@signalbox/ui/format";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronRight, File, FileSymlink, Folder } from "lucide-react";
import { useRef, useState, type KeyboardEvent } from "react";
import { shownName } from "../names.ts";
import { refreshWorkspace, useWorkspaceRows } from "./workspace.ts";

const ROW_PX = 28;

export function WorkspaceTree({
  sessionId,
  current,
  onOpen,
}: {
  sessionId: SessionId;
  current: string | null;
  onOpen(path: string): void;
}) {
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(parentsOf(current)));
  const [followed, setFollowed] = useState(current);
  if (followed !== current) {
    setFollowed(current);
    setOpen(new Set([...open, ...parentsOf(current)]));
  }
  const { rows, isLoading, error } = useWorkspaceRows(sessionId, open);
  const [walked, setWalked] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 10,
  });
  const pathOf = (index: number): string | null => {
    const row = rows[index];
    return row?.kind === "entry" ? row.entry.path : null;
  };
  const active = Math.max(
    0,
    rows.findIndex((row) => row.kind === "entry" && row.entry.path === (walked ?? current)),
  );
  const fold = (path: string, isOpen: boolean): void =>
    setOpen((before) =>
      isOpen ? new Set(before).add(path) : new Set([...before].filter((each) => each !== path && !each.startsWith(`${path}/`))),
    );
  const walkTo = (index: number, by: 1 | -1): void => {
    for (let i = Math.max(0, Math.min(rows.length - 1, index)); i >= 0 && i < rows.length; i += by) {
      if (pathOf(i) === null) continue;
      setWalked(pathOf(i));
      virtual.scrollToIndex(i);
      return;
    }
  };
  const press = (index: number): void => {
    const row = rows[index];
    if (row?.kind !== "entry") return;
    setWalked(row.entry.path);
    if (row.entry.type === "directory") fold(row.entry.path, !row.isOpen);
    else onOpen(row.entry.path);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[active];
    if (row?.kind !== "entry") return;
    if (event.key === "ArrowDown") walkTo(active + 1, 1);
    else if (event.key === "ArrowUp") walkTo(active - 1, -1);
    else if (event.key === "Home") walkTo(0, 1);
    else if (event.key === "End") walkTo(rows.length - 1, -1);
    else if (event.key === "ArrowRight" && row.entry.type === "directory") {
      if (row.isOpen) walkTo(active + 1, 1);
      else fold(row.entry.path, true);
    } else if (event.key === "ArrowLeft") {
      if (row.isOpen) fold(row.entry.path, false);
      else
        walkTo(
          rows.findLastIndex((each, i) => i < active && each.kind === "entry" && each.depth < row.depth),
          -1,
        );
    } else if (event.key === "Enter" || event.key === " ") press(active);
    else return;
    event.preventDefault();
  };
  if (error !== null) return <Trouble error={error} onRetry={() => refreshWorkspace(sessionId)} className="m-3" />;
  if (isLoading)
    return (
      <div className="p-3">
        <Skeleton rows={8} className="h-5" />
      </div>
    );
  return (
    <div
      ref={scroller}
      role="tree"
      aria-label="Workspace"
      tabIndex={0}
      aria-activedescendant={`workspace-${active}`}
      onKeyDown={onKeyDown}
      className="group min-h-0 flex-1 overflow-y-auto pb-2 -outline-offset-2"
    >
      <div role="none" className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const row = rows[index]!;
          const place = { transform: `translateY(${start}px)`, height: ROW_PX, paddingLeft: 10 + row.depth * 14 };
          if (row.kind === "note")
            return (
              <p
                key={`note ${row.path}`}
                role="none"
                className="clamp-1 absolute inset-x-0 top-0 flex items-center pr-3 text-sm text-ink-3 italic"
                style={place}
              >
                {row.text}
              </p>
            );
          const { entry } = row;
          const isFolder = entry.type === "directory";
          const Icon = isFolder ? Folder : entry.type === "symlink" ? FileSymlink : File;
          return (
            <div
              key={entry.path}
              id={`workspace-${index}`}
              role="treeitem"
              aria-level={row.depth + 1}
              aria-expanded={isFolder ? row.isOpen : undefined}
              aria-selected={entry.path === current}
              aria-current={entry.path === current ? "true" : undefined}
              title={isFolder ? shownName(entry.path) : `${shownName(entry.path)}, ${bytes(entry.size_bytes)}`}
              onClick={() => press(index)}
              className={`absolute inset-x-0 top-0 flex cursor-pointer items-center gap-1.5 pr-3 text-sm hover:bg-raised aria-[current]:bg-chosen ${index === active ? "group-focus-visible:outline-2 group-focus-visible:-outline-offset-2 group-focus-visible:outline-moving" : ""}`}
              style={place}
            >
              <ChevronRight
                size={14}
                aria-hidden
                className={`shrink-0 text-ink-3 ${isFolder ? "" : "invisible"} ${row.isOpen ? "rotate-90" : ""}`}
              />
              <Icon size={14} aria-hidden className="shrink-0 text-ink-3" />
              <bdi className="clamp-1 min-w-0 flex-1">{shownName(entry.name)}</bdi>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function parentsOf(path: string | null): string[] {
  const names = (path ?? "").split("/").slice(0, -1);
  return names.map((_, i) => names.slice(0, i + 1).join("/"));
}
