/* What the agent changed, file by file; remarks on it are collected and said to the agent as one message. */
import { Button } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SplitPane } from "@signalbox/ui/split-pane";
import { Toolbar, ToolbarButton, ToolbarGap } from "@signalbox/ui/toolbar";
import { Trouble } from "@signalbox/ui/trouble";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Columns2, Download, FileDiff, FolderTree, Pilcrow } from "lucide-react";
import { useCallback, useRef, useState } from "react";
import { useKept } from "../../frame/kept.ts";
import { changedLines, isEnded } from "../../sessions/state.ts";
import { download } from "../download.ts";
import { DiffList, type DiffListHandle } from "./changes/diff-list.tsx";
import { FilesTree } from "./changes/files-tree.tsx";
import { LineCounts } from "./changes/marks.tsx";
import { useChanges } from "./changes/use-changes.ts";
import { useViewed } from "./changes/use-viewed.ts";
import { useMay } from "./may.ts";
import { useWidth } from "./pane-width.ts";
import type { PaneProps } from "./panes.ts";
import { ReviewBar } from "./review/review-bar.tsx";
import { useReview } from "./review/review.ts";
import { isAwake } from "./sandbox-away.tsx";

/** From here on the tree stands beside the diff, and two columns of code can be read. */
const WIDE_PX = 640;

export function ChangesPane({ session, at }: PaneProps) {
  const changes = useChanges(session, at);
  const { files } = changes;
  const { file, line } = useSearch({ from: "/frame/sessions/$sessionId" });
  const navigate = useNavigate();
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<DiffListHandle>(null);
  const isWide = useWidth(frame) >= WIDE_PX;
  const [isSplitWanted, setSplit] = useKept("signalbox.diff.split", false);
  const [isIgnoring, setIgnoring] = useKept("signalbox.diff.ignore-whitespace", false);
  const [isTreeBeside, setTreeBeside] = useKept("signalbox.diff.tree", true);
  const [isTreeOver, setTreeOver] = useState(false);
  const [current, setCurrent] = useState<string | null>(null);
  const { viewed, setViewed } = useViewed(session.id, files);
  const review = useReview(session.id);
  const canSay = useMay("member") && at === null && session.imported == null && !isEnded(session.status);
  const isTreeShown = isWide ? isTreeBeside : isTreeOver;
  const setTree = isWide ? setTreeBeside : setTreeOver;

  const open = useCallback(
    (path: string) => {
      setTreeOver(false);
      list.current?.toFile(path);
      void navigate({ to: ".", search: (before) => ({ ...before, pane: "changes" as const, file: path, line: undefined }), replace: true });
    },
    [navigate],
  );

  const lines = changedLines(files.map((each) => ({ ...each, binary: each.isBinary })));
  const tree = <FilesTree files={files} current={current} isViewed={(path) => viewed.has(path)} onOpen={open} />;
  const diff = (
    <DiffList
      ref={list}
      session={session}
      files={files}
      patch={changes.patch}
      isSplit={isSplitWanted && isWide}
      isIgnoring={isIgnoring}
      viewed={viewed}
      onViewed={setViewed}
      review={review}
      canSay={canSay}
      canRead={at === null && isAwake(session)}
      target={{ file: file ?? null, line: line ?? null }}
      onCurrent={setCurrent}
    />
  );
  return (
    <div ref={frame} className="relative flex min-h-0 flex-1 flex-col">
      {changes.error !== null && <Trouble error={changes.error} onRetry={changes.retry} className="m-4" />}
      {changes.isLoading && files.length === 0 && changes.error === null && (
        <div className="p-4">
          <Skeleton rows={3} className="h-9" />
        </div>
      )}
      {!changes.isLoading && files.length === 0 && changes.error === null && (
        <Empty icon={<FileDiff size={28} />} title={at === null ? "No changes yet" : "Nothing had changed by then"}>
          {at === null ? "Files that the agent edits show up here as it goes." : "Changes are recorded when a turn ends."}
        </Empty>
      )}
      {files.length > 0 && (
        <>
          <Toolbar label="Changes" className="min-h-10 shrink-0 border-b border-line px-2 py-1">
            <ToolbarButton
              label={isTreeShown ? "Hide the files" : "Show the files"}
              icon={<FolderTree size={15} />}
              pressed={isTreeShown}
              onClick={() => setTree(!isTreeShown)}
            />
            <p className="min-w-0 flex-1 px-1 text-sm text-ink-2">
              {count(files.length, "file")} <LineCounts additions={lines.additions} deletions={lines.deletions} />
              {viewed.size > 0 && <span className="text-ink-3"> · {viewed.size.toLocaleString()} viewed</span>}
              {changes.baseCommit !== null && <span className="text-ink-3 narrow:hidden"> since {changes.baseCommit.slice(0, 9)}</span>}
            </p>
            <ToolbarButton
              label="Ignore white space"
              icon={<Pilcrow size={15} />}
              pressed={isIgnoring}
              onClick={() => setIgnoring(!isIgnoring)}
            />
            {isWide && (
              <ToolbarButton
                label="Side by side"
                icon={<Columns2 size={15} />}
                pressed={isSplitWanted}
                onClick={() => setSplit(!isSplitWanted)}
              />
            )}
            <ToolbarGap />
            <ToolbarButton
              label="Download the patch"
              icon={<Download size={15} />}
              disabled={changes.patch === ""}
              onClick={() => download(`${session.title.replaceAll(/[^\w.-]+/g, "-").slice(0, 60) || "changes"}.patch`, changes.patch)}
            />
          </Toolbar>
          {changes.isListOnly && (
            <p className="shrink-0 border-b border-line px-4 py-1.5 text-sm text-ink-2">
              {at === null
                ? "The sandbox is not running just now, so only the list of files is here."
                : "Only the list of files was kept of that moment."}
            </p>
          )}
          {changes.isTruncated && (
            <p className="shrink-0 border-b border-line px-4 py-1.5 text-sm text-ink-2">
              The diff is too long to show whole; what is missing is in the sandbox and in the push.
            </p>
          )}
          {isTreeShown && isWide ? (
            <SplitPane
              label="Changed files and their diff"
              storageKey="changes-tree"
              initial={30}
              min={15}
              max={60}
              className="flex-1"
              first={<div className="flex min-h-0 flex-1 flex-col">{tree}</div>}
              second={<div className="flex min-h-0 flex-1 flex-col">{diff}</div>}
            />
          ) : (
            diff
          )}
          {isTreeShown && !isWide && (
            <div className="absolute inset-x-0 top-10 bottom-0 z-30 flex flex-col bg-panel">
              <div className="flex min-h-0 flex-1 flex-col">{tree}</div>
              <div className="flex items-center justify-end border-t border-line p-2">
                <Button size="sm" onClick={() => setTreeOver(false)}>
                  Back to the diff
                </Button>
              </div>
            </div>
          )}
          <ReviewBar session={session} review={review} canSend={canSay} />
        </>
      )}
    </div>
  );
}
