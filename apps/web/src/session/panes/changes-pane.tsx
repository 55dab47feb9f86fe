/* What the agent changed, file by file. */
import type { SessionView } from "@signalbox/contract/sessions";
import { useQuery } from "@tanstack/react-query";
import { ChevronRight, FileDiff } from "lucide-react";
import { memo, useMemo, useState } from "react";
import { isRefusal } from "../../data/api.ts";
import { diffQuery } from "../../data/queries.ts";
import { changedLines } from "../../sessions/state.ts";
import { count } from "@signalbox/ui/format";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import type { PaneProps } from "./panes.ts";
import { parseDiff, type DiffFile, type DiffLine } from "./diff.ts";

/** A file with more changed lines than this starts folded. */
const FOLDED_FROM = 300;

type Change = SessionView["files_changed"][number];

export function ChangesPane({ session }: PaneProps) {
  const diff = useQuery(diffQuery(session));
  const patches = useMemo(() => new Map(parseDiff(diff.data?.patch ?? "").map((file) => [file.path, file])), [diff.data?.patch]);
  const files = diff.data?.files ?? session.files_changed;
  const notRunning = diff.error !== null && isRefusal(diff.error, "sandbox_not_running");
  const lines = changedLines(files);

  return (
    <div className="min-h-0 flex-1 overflow-y-auto">
      {diff.error !== null && !notRunning && <Trouble error={diff.error} onRetry={() => void diff.refetch()} className="m-4" />}
      {diff.isPending && files.length === 0 && (
        <div className="p-4">
          <Skeleton rows={3} className="h-9" />
        </div>
      )}
      {!diff.isPending && files.length === 0 && (
        <Empty icon={<FileDiff size={26} />} title="No changes yet">
          Files that the agent edits show up here as it goes.
        </Empty>
      )}
      {files.length > 0 && (
        <>
          <p className="border-b border-line px-4 py-2 text-sm text-ink-2">
            {count(files.length, "file")} <span className="text-clear-ink">+{lines.additions}</span>{" "}
            <span className="text-danger-ink">−{lines.deletions}</span>
            {diff.data?.base_commit != null && <span className="text-ink-3"> since {diff.data.base_commit.slice(0, 9)}</span>}
          </p>
          {notRunning && (
            <p className="border-b border-line px-4 py-2 text-sm text-ink-3">
              The sandbox is not running just now, so only the list of files is here.
            </p>
          )}
          {diff.data?.truncated === true && (
            <p className="border-b border-line px-4 py-2 text-sm text-signal-ink">
              The diff is too long to show whole; what is missing is in the sandbox and in the push.
            </p>
          )}
          {files.map((file) => (
            <File key={file.path} file={file} patch={patches.get(file.path) ?? null} />
          ))}
        </>
      )}
    </div>
  );
}

const LETTER = { added: "A", modified: "M", deleted: "D", renamed: "R" } as const;
const TONE = { added: "text-clear-ink", modified: "text-moving-ink", deleted: "text-danger-ink", renamed: "text-ink-2" } as const;

const File = memo(function File({ file, patch }: { file: Change; patch: DiffFile | null }) {
  const [isOpen, setOpen] = useState(file.additions + file.deletions <= FOLDED_FROM);
  const slash = file.path.lastIndexOf("/") + 1;
  return (
    <section className="border-b border-line" aria-label={file.path}>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="sticky top-0 z-10 flex w-full items-center gap-2.5 bg-panel px-4 py-1.5 text-left text-sm -outline-offset-2 hover:bg-raised"
      >
        <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 transition-transform ${isOpen ? "rotate-90" : ""}`} />
        <span className={`font-mono font-semibold ${TONE[file.status]}`} title={file.status}>
          {LETTER[file.status]}
        </span>
        <span className="clamp-1 min-w-0 flex-1 font-mono" title={file.path}>
          <span className="text-ink-3">{file.path.slice(0, slash)}</span>
          {file.path.slice(slash)}
        </span>
        <span className="shrink-0 text-plate">
          <span className="text-clear-ink">+{file.additions}</span> <span className="text-danger-ink">−{file.deletions}</span>
        </span>
      </button>
      {isOpen && patch !== null && <Patch patch={patch} />}
      {isOpen && patch === null && file.binary && <p className="px-4 pb-2 pl-11 text-sm text-ink-3">A binary file.</p>}
    </section>
  );
});

const LOOK: Record<DiffLine["kind"], string> = {
  added: "bg-clear-wash",
  removed: "bg-danger-wash",
  context: "",
  note: "text-ink-3 italic",
};
const SIGN: Record<DiffLine["kind"], string> = { added: "+", removed: "−", context: "", note: "" };

function Patch({ patch }: { patch: DiffFile }) {
  if (patch.isBinary) return <p className="px-4 pb-2 pl-11 text-sm text-ink-3">A binary file.</p>;
  return (
    <div
      className="overflow-x-auto bg-raised pb-1 font-mono text-[0.75rem] leading-5 [content-visibility:auto]"
      tabIndex={0}
      role="region"
      aria-label={`Changes in ${patch.path}`}
    >
      <table className="w-full border-collapse">
        {patch.hunks.map((hunk, i) => (
          <tbody key={i}>
            <tr className="bg-sunken text-ink-3">
              <td colSpan={3} className="px-4 py-0.5">
                {i > 0 || hunk.header !== "" ? `⋯ ${hunk.header}` : "⋯"}
              </td>
            </tr>
            {hunk.lines.map((line, j) => (
              <tr key={j} className={LOOK[line.kind]}>
                <td className="w-10 min-w-10 pr-2 text-right text-ink-3 select-none">{line.after ?? line.before ?? ""}</td>
                <td
                  aria-label={line.kind === "added" ? "added" : line.kind === "removed" ? "removed" : undefined}
                  className={`w-4 min-w-4 text-center select-none ${line.kind === "added" ? "text-clear-ink" : "text-danger-ink"}`}
                >
                  {SIGN[line.kind]}
                </td>
                <td className="pr-4 break-normal whitespace-pre">{line.text === "" ? " " : line.text}</td>
              </tr>
            ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}
