/* Whom or what an `@` means: files of the workspace, as the sandbox finds them, and people. */
import { listPrincipals } from "@signalbox/contract/identity";
import type { SessionId } from "@signalbox/contract/primitives";
import { searchFiles } from "@signalbox/contract/workbench";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { FileText, User } from "lucide-react";
import { client } from "../../data/api.ts";

export interface Mention {
  readonly key: string;
  readonly kind: "file" | "person";
  readonly label: string;
  /** What is written in place of the `@…`. */
  readonly text: string;
}

const SHOWN = 8;

const filesQuery = (id: SessionId, q: string) =>
  queryOptions({
    queryKey: ["session", id, "file-search", q],
    queryFn: ({ signal }) => client.call(searchFiles, { params: { id }, query: { q }, signal }),
    staleTime: 10_000,
    // Without a running sandbox there are no files to find, and asking again finds none either.
    retry: false,
    placeholderData: (previous) => previous,
  });
const peopleQuery = queryOptions({
  queryKey: ["principals"],
  queryFn: ({ signal }) => client.call(listPrincipals, { query: { limit: 200 }, signal }),
  staleTime: 60_000,
});

export function useMentions(id: SessionId, query: string | null): readonly Mention[] {
  const q = query ?? "";
  const files = useQuery({ ...filesQuery(id, q), enabled: q !== "" });
  const people = useQuery({ ...peopleQuery, enabled: query !== null });
  if (query === null) return [];
  const needle = q.toLowerCase();
  return [
    ...(q === "" || files.error !== null ? [] : (files.data?.items ?? [])).map(({ path }): Mention => ({
      key: `file:${path}`,
      kind: "file",
      label: path,
      text: `@${path}`,
    })),
    ...(people.data?.items ?? [])
      .filter(({ id: principal, display_name: name }) => principal.startsWith("usr_") && name.toLowerCase().includes(needle))
      .map(({ id: principal, display_name: name }): Mention => ({ key: principal, kind: "person", label: name, text: `@${name}` })),
  ].slice(0, SHOWN);
}

export function MentionList({
  id,
  mentions,
  at,
  onTake,
}: {
  id: string;
  mentions: readonly Mention[];
  at: number;
  onTake(mention: Mention): void;
}) {
  return (
    <ul
      id={id}
      role="listbox"
      aria-label="Files and people"
      className="soft-shadow absolute inset-x-0 bottom-full z-30 mb-1.5 max-h-72 overflow-y-auto rounded-md border border-line bg-raised p-1 text-sm"
    >
      {mentions.map((mention, i) => (
        <li
          key={mention.key}
          id={`${id}-${i}`}
          role="option"
          aria-selected={i === at}
          // The field keeps the focus: a press must not take it away before the click is heard.
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onTake(mention)}
          className={`flex cursor-pointer items-center gap-2.5 rounded-sm px-2.5 py-1.5 ${i === at ? "bg-chosen" : ""}`}
        >
          {mention.kind === "file" ? (
            <FileText size={14} aria-hidden className="shrink-0 text-ink-3" />
          ) : (
            <User size={14} aria-hidden className="shrink-0 text-ink-3" />
          )}
          <span className={`clamp-1 ${mention.kind === "file" ? "font-mono" : ""}`}>{mention.label}</span>
        </li>
      ))}
    </ul>
  );
}
