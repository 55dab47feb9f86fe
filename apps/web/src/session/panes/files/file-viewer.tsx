/* One file: text as lines, an image as an image, anything else as a notice. Nothing of it is ever a page. */
import type { SessionView } from "@signalbox/contract/sessions";
import type { FileContent } from "@signalbox/contract/workbench";
import { Button, IconButton } from "@signalbox/ui/button";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { bytes } from "@signalbox/ui/format";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { ArrowLeft, Copy, Download, Ellipsis, FileQuestion, Link2, RotateCw } from "lucide-react";
import { useMemo, useState } from "react";
import { isRefusal } from "../../../data/api.ts";
import { copy } from "../clipboard.ts";
import { shownName } from "../names.ts";
import type { Review } from "../review/review.ts";
import { FileLines } from "./file-lines.tsx";
import { fileQuery, refreshWorkspace } from "./workspace.ts";

/** What a browser draws as a picture; in an <img> an SVG runs nothing and loads nothing. */
const PICTURE = /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon|vnd\.microsoft\.icon|svg\+xml)$/;

export function FileViewer({
  session,
  path,
  line,
  review,
  canSay,
  onBack,
}: {
  session: SessionView;
  path: string;
  line: number | null;
  review: Review;
  canSay: boolean;
  /** Given where the viewer takes the place of the tree. */
  onBack?: (() => void) | undefined;
}) {
  const file = useQuery(fileQuery(session.id, path));
  const data = file.data;
  const isGone = file.error !== null && isRefusal(file.error, "file_not_found");
  return (
    <section aria-label={`File ${shownName(path)}`} className="flex min-h-0 flex-1 flex-col">
      <header className="flex min-h-10 shrink-0 items-center gap-2 border-b border-line px-2 py-1">
        {onBack !== undefined && (
          <IconButton label="Back to the files" onClick={onBack}>
            <ArrowLeft size={15} />
          </IconButton>
        )}
        <h2 className="clamp-1 min-w-0 flex-1 pl-1 font-mono text-sm" title={shownName(path)}>
          <bdi>{shownName(path)}</bdi>
        </h2>
        {data !== undefined && (
          <span className="shrink-0 text-sm text-ink-3 narrow:hidden">
            {bytes(data.size_bytes)} · <Timestamp at={data.modified_at} />
          </span>
        )}
        <IconButton label="Read it again" busy={file.isFetching && !file.isPending} onClick={() => refreshWorkspace(session.id)}>
          <RotateCw size={14} />
        </IconButton>
        <DropdownMenu
          align="end"
          trigger={
            <IconButton label="More about this file">
              <Ellipsis size={15} />
            </IconButton>
          }
          entries={[
            { label: "Copy the path", icon: <Copy size={14} />, onSelect: () => copy(path, "the path") },
            {
              label: "Copy the content",
              icon: <Copy size={14} />,
              disabled: data?.encoding !== "utf8",
              ...(data?.truncated === true ? { hint: "As far as it is shown" } : {}),
              onSelect: () => data !== undefined && copy(data.content, "the content"),
            },
            { label: "Copy a link", icon: <Link2 size={14} />, onSelect: () => copy(linkTo(path, line), "the link") },
            {
              label: "Download",
              icon: <Download size={14} />,
              disabled: data === undefined,
              ...(data?.truncated === true ? { hint: `The first ${bytes(bytesOf(data).length)}` } : {}),
              onSelect: () => data !== undefined && download(data),
            },
          ]}
        />
      </header>
      {isGone ? (
        <Empty icon={<FileQuestion size={28} />} title="This file is not there any more">
          The agent may have moved or removed it.
        </Empty>
      ) : file.error !== null && data === undefined ? (
        <Trouble error={file.error} onRetry={() => void file.refetch()} className="m-4" />
      ) : data === undefined ? (
        <div className="p-4">
          <Skeleton rows={10} className="h-4" />
        </div>
      ) : (
        <Body key={path} session={session} file={data} line={line} review={review} canSay={canSay} />
      )}
    </section>
  );
}

function Body({
  session,
  file,
  line,
  review,
  canSay,
}: {
  session: SessionView;
  file: FileContent;
  line: number | null;
  review: Review;
  canSay: boolean;
}) {
  const isPicture = PICTURE.test(file.media_type) && !file.truncated;
  const isText = file.encoding === "utf8" && !file.binary;
  const [view, setView] = useState<"picture" | "source">("picture");
  const lines = useMemo(() => {
    if (!isText) return [];
    const all = file.content.split(/\r?\n/);
    if (all.length > 1 && all.at(-1) === "") all.pop();
    return all;
  }, [isText, file.content]);
  if (isPicture && (!isText || view === "picture"))
    return (
      <>
        {isText && <PictureOrSource view={view} onChange={setView} />}
        <Picture file={file} />
      </>
    );
  if (!isText)
    return (
      <Empty
        icon={<FileQuestion size={28} />}
        title="Not text"
        action={
          <Button onClick={() => download(file)}>
            <Download size={15} /> {file.truncated ? `Download the first ${bytes(bytesOf(file).length)}` : "Download"}
          </Button>
        }
      >
        {bytes(file.size_bytes)} of {file.media_type === "application/octet-stream" ? "bytes" : file.media_type}.
      </Empty>
    );
  return (
    <>
      {isPicture && <PictureOrSource view={view} onChange={setView} />}
      {file.truncated && (
        <p className="shrink-0 border-b border-line bg-sunken px-4 py-1.5 text-sm text-ink-2">
          The first {bytes(bytesOf(file).length)} of {bytes(file.size_bytes)}.
        </p>
      )}
      {file.content === "" ? (
        <p className="px-4 py-3 text-sm text-ink-2">The file is empty.</p>
      ) : (
        <FileLines session={session} path={file.path} lines={lines} line={line} review={review} canSay={canSay} />
      )}
    </>
  );
}

function PictureOrSource({ view, onChange }: { view: "picture" | "source"; onChange(view: "picture" | "source"): void }) {
  return (
    <div className="shrink-0 border-b border-line p-2">
      <SegmentedControl
        label="Show as"
        segments={[
          { value: "picture", label: "Picture" },
          { value: "source", label: "Source" },
        ]}
        value={view}
        onChange={onChange}
      />
    </div>
  );
}

function Picture({ file }: { file: FileContent }) {
  const [isBroken, setBroken] = useState(false);
  const [size, setSize] = useState<string | null>(null);
  const source = useMemo(
    () =>
      `data:${file.media_type};${file.encoding === "base64" ? "base64," : `charset=utf-8,`}${file.encoding === "base64" ? file.content : encodeURIComponent(file.content)}`,
    [file],
  );
  if (isBroken)
    return (
      <Empty icon={<FileQuestion size={28} />} title="This picture cannot be drawn">
        It says that it is {file.media_type}, and is not.
      </Empty>
    );
  return (
    <figure className="flex min-h-0 flex-1 flex-col items-center gap-2 overflow-auto p-4">
      <img
        src={source}
        alt={shownName(file.path)}
        onError={() => setBroken(true)}
        onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setSize(`${naturalWidth} × ${naturalHeight}`)}
        className="max-h-full max-w-full rounded-sm border border-line bg-raised object-contain"
      />
      <figcaption className="text-sm text-ink-3">{[size, bytes(file.size_bytes)].filter(Boolean).join(" · ")}</figcaption>
    </figure>
  );
}

const bytesOf = ({ encoding, content }: FileContent): Uint8Array<ArrayBuffer> =>
  encoding === "utf8" ? new TextEncoder().encode(content) : Uint8Array.from(atob(content), (character) => character.charCodeAt(0));

function download(file: FileContent): void {
  const address = URL.createObjectURL(new Blob([bytesOf(file)], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = file.path.slice(file.path.lastIndexOf("/") + 1).replaceAll(/[\p{Cc}\p{Cf}]/gu, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function linkTo(file: string, line: number | null): string {
  const address = new URL(window.location.href);
  address.search = new URLSearchParams({ pane: "files", file, ...(line === null ? {} : { line: String(line) }) }).toString();
  return address.href;
}
