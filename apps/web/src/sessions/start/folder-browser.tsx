import { browseRepositories } from "@signalbox/contract/repositories";
import { Button, IconButton } from "@signalbox/ui/button";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { ArrowUp, ChevronRight, Folder, GitBranch, X } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";

/** Directories of the server's machine; a repository is taken, any other is gone into. */
export function FolderBrowser({ onChoose, onClose }: { onChoose(path: string): void; onClose(): void }) {
  const [path, setPath] = useState<string>();
  const here = useQuery({
    queryKey: ["repositories", "browse", path ?? ""],
    queryFn: ({ signal }) => client.call(browseRepositories, { query: path === undefined ? {} : { path }, signal }),
    placeholderData: keepPreviousData,
    retry: false,
  });
  const listing = here.data;
  return (
    <section aria-label="Folders on the server's machine" className="overflow-hidden rounded-md border border-line-strong bg-raised">
      <header className="flex items-center gap-1.5 border-b border-line px-2 py-1.5">
        <IconButton
          label="One folder up"
          disabled={listing?.parent == null}
          onClick={() => listing?.parent != null && setPath(listing.parent)}
        >
          <ArrowUp size={16} />
        </IconButton>
        {/* Cut at the front: the end of a path is what tells it apart. */}
        <p className="clamp-1 min-w-0 flex-1 font-mono text-sm" title={listing?.path} aria-live="polite">
          {listing?.path ?? "…"}
        </p>
        {listing?.is_repository === true && (
          <Button size="sm" look="solid" onClick={() => onChoose(listing.path)}>
            Take this one
          </Button>
        )}
        <IconButton label="Close the folders" onClick={onClose}>
          <X size={16} />
        </IconButton>
      </header>
      {here.error !== null && <Trouble error={here.error} className="m-2" />}
      {here.isPending && (
        <div className="p-2">
          <Skeleton rows={4} className="h-7" />
        </div>
      )}
      {listing !== undefined && here.error === null && (
        <ul className="max-h-64 overflow-y-auto p-1 text-sm" aria-label={`In ${listing.path}`}>
          {listing.items.map((entry) => (
            <li key={entry.path}>
              <button
                type="button"
                className="flex min-h-8 w-full items-center gap-2.5 rounded-sm px-2.5 py-1 text-left hover:bg-chosen"
                onClick={() => (entry.is_repository ? onChoose(entry.path) : setPath(entry.path))}
              >
                {entry.is_repository ? (
                  <GitBranch size={16} aria-hidden className="shrink-0 text-moving-ink" />
                ) : (
                  <Folder size={16} aria-hidden className="shrink-0 text-ink-3" />
                )}
                <span className={`clamp-1 min-w-0 flex-1 ${entry.is_repository ? "font-medium" : ""}`}>{entry.name}</span>
                {entry.is_repository ? (
                  <span className="text-ink-3">repository</span>
                ) : (
                  <ChevronRight size={16} aria-label="open" className="text-ink-3" />
                )}
              </button>
            </li>
          ))}
          {listing.items.length === 0 && <li className="px-2.5 py-3 text-ink-3">No folder in here.</li>}
          {listing.truncated && <li className="px-2.5 py-2 text-ink-3">There are more than can be shown; type the path instead.</li>}
        </ul>
      )}
    </section>
  );
}
