/* The workspace of the session's sandbox: a tree, a search by name, and a viewer. */
import type { SessionView } from "@signalbox/contract/sessions";
import { IconButton } from "@signalbox/ui/button";
import { Empty } from "@signalbox/ui/placeholder";
import { SearchInput } from "@signalbox/ui/search-input";
import { SplitPane } from "@signalbox/ui/split-pane";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { File, FolderTree, RotateCw } from "lucide-react";
import { useRef, useState } from "react";
import type { ConversationStore } from "../conversation-store.ts";
import { FileViewer } from "./files/file-viewer.tsx";
import { fileSearchQuery, refreshWorkspace, useFreshWorkspace } from "./files/workspace.ts";
import { WorkspaceTree } from "./files/workspace-tree.tsx";
import { useMay } from "./may.ts";
import { shownName } from "./names.ts";
import { NowNote } from "./now-note.tsx";
import { useWidth } from "./pane-width.ts";
import type { PaneProps } from "./panes.ts";
import { ReviewBar } from "./review/review-bar.tsx";
import { useReview } from "./review/review.ts";
import { isAwake, SandboxAway } from "./sandbox-away.tsx";

const WIDE_PX = 600;

export function FilesPane({ session, conversation, at }: PaneProps) {
  if (!isAwake(session)) return <SandboxAway session={session} what="Reading files" />;
  return (
    <>
      {at !== null && <NowNote what="Files show as they are now. What had changed by then is in Changes." />}
      <Workspace session={session} conversation={conversation} isNow={at === null} />
    </>
  );
}

function Workspace({ session, conversation, isNow }: { session: SessionView; conversation: ConversationStore; isNow: boolean }) {
  const { file: path, line } = useSearch({ from: "/frame/sessions/$sessionId" });
  const navigate = useNavigate();
  const frame = useRef<HTMLDivElement>(null);
  const isWide = useWidth(frame) >= WIDE_PX;
  const [words, setWords] = useState("");
  const review = useReview(session.id);
  const canSay = useMay("member") && isNow;
  useFreshWorkspace(session.id, conversation);
  const open = (file: string | undefined): void =>
    void navigate({ to: ".", search: (before) => ({ ...before, pane: "files" as const, file, line: undefined }) });

  const tree = (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center gap-1 p-2">
        <SearchInput label="Search by name" value={words} onChange={setWords} className="min-w-0 flex-1" />
        <IconButton label="Read the folders again" onClick={() => refreshWorkspace(session.id)}>
          <RotateCw size={14} />
        </IconButton>
      </div>
      {words === "" ? (
        <WorkspaceTree sessionId={session.id} current={path ?? null} onOpen={open} />
      ) : (
        <Found session={session} words={words} current={path ?? null} onOpen={open} />
      )}
    </div>
  );
  const viewer =
    path === undefined ? (
      <Empty icon={<FolderTree size={28} />} title="No file is open">
        Choose one in the tree. It is read from the sandbox, as it is now.
      </Empty>
    ) : (
      <FileViewer
        session={session}
        path={path}
        line={line ?? null}
        review={review}
        canSay={canSay}
        onBack={isWide ? undefined : () => open(undefined)}
      />
    );
  return (
    <div ref={frame} className="flex min-h-0 flex-1 flex-col">
      {isWide ? (
        <SplitPane
          label="Workspace and file"
          storageKey="files-tree"
          initial={32}
          min={15}
          max={60}
          className="flex-1"
          first={tree}
          second={<div className="flex min-h-0 flex-1 flex-col">{viewer}</div>}
        />
      ) : path === undefined ? (
        tree
      ) : (
        viewer
      )}
      <ReviewBar session={session} review={review} canSend={canSay} />
    </div>
  );
}

function Found({
  session,
  words,
  current,
  onOpen,
}: {
  session: SessionView;
  words: string;
  current: string | null;
  onOpen(path: string): void;
}) {
  const found = useQuery(fileSearchQuery(session.id, words));
  if (found.error !== null) return <Trouble error={found.error} onRetry={() => void found.refetch()} className="m-3" />;
  if (found.data === undefined) return null;
  return (
    <div className="min-h-0 flex-1 overflow-y-auto pb-2">
      {found.data.items.length === 0 && <p className="px-4 py-2 text-sm text-ink-2">No file has that in its path.</p>}
      <ul aria-label="Files found">
        {found.data.items.map(({ path, name }) => (
          <li key={path}>
            <button
              type="button"
              aria-current={path === current ? "true" : undefined}
              onClick={() => onOpen(path)}
              title={shownName(path)}
              className="flex w-full items-center gap-2 px-3 py-1 text-left text-sm -outline-offset-2 hover:bg-raised aria-[current]:bg-chosen"
            >
              <File size={14} aria-hidden className="shrink-0 text-ink-3" />
              <span className="min-w-0 flex-1">
                <bdi className="clamp-1 block">{shownName(name)}</bdi>
                {path !== name && <bdi className="clamp-1 block text-plate text-ink-3">{shownName(path)}</bdi>}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {found.data.truncated && <p className="px-3 py-2 text-sm text-ink-3">There are more: name it more exactly.</p>}
    </div>
  );
}
