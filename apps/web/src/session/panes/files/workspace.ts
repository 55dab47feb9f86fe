/* What is in the sandbox's workspace, folder by folder; read anew when the agent has done something. */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { SessionId } from "@signalbox/contract/primitives";
import { listFiles, readFile, searchFiles, type FileEntry } from "@signalbox/contract/workbench";
import { keepPreviousData, queryOptions, useQueries } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { client, queries } from "../../../data/api.ts";
import type { ConversationStore } from "../../conversation-store.ts";
import { useRoomEvent } from "../use-room-event.ts";

const key = (id: SessionId): readonly string[] => ["session", id, "workspace"];
/** An agent that writes a hundred files in a second is looked at once. */
const REFRESH_MS = 600;

const directoryQuery = (id: SessionId, path: string) =>
  queryOptions({
    queryKey: [...key(id), "directory", path],
    queryFn: ({ signal }) => client.call(listFiles, { params: { id }, query: { path }, signal }),
  });
export const fileQuery = (id: SessionId, path: string) =>
  queryOptions({
    queryKey: [...key(id), "file", path],
    queryFn: ({ signal }) => client.call(readFile, { params: { id }, query: { path }, signal }),
  });
export const fileSearchQuery = (id: SessionId, q: string) =>
  queryOptions({
    queryKey: [...key(id), "search", q],
    queryFn: ({ signal }) => client.call(searchFiles, { params: { id }, query: { q }, signal }),
    placeholderData: keepPreviousData,
    enabled: q !== "",
  });

const touchesFiles = ({ type }: EventEnvelope): boolean =>
  type === "tool.succeeded" || type === "tool.failed" || type === "session.changes_recorded" || type === "run.completed";

export function useFreshWorkspace(id: SessionId, conversation: ConversationStore): void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useRoomEvent(conversation, (event) => {
    if (!touchesFiles(event)) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => refreshWorkspace(id), REFRESH_MS);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
}
export const refreshWorkspace = (id: SessionId): void => void queries.invalidateQueries({ queryKey: key(id) });

export type WorkspaceRow =
  | { readonly kind: "entry"; readonly entry: FileEntry; readonly depth: number; readonly isOpen: boolean }
  | { readonly kind: "note"; readonly path: string; readonly depth: number; readonly text: string };

/** The open folders as rows, the workspace's own entries first. */
export function useWorkspaceRows(
  id: SessionId,
  open: ReadonlySet<string>,
): { rows: readonly WorkspaceRow[]; isLoading: boolean; error: Error | null } {
  const paths = ["", ...open];
  const answers = useQueries({ queries: paths.map((path) => directoryQuery(id, path)) });
  const of = new Map(paths.map((path, i) => [path, answers[i]!]));
  const rows: WorkspaceRow[] = [];
  const walk = (path: string, depth: number): void => {
    const answer = of.get(path);
    const note = (text: string): void => void rows.push({ kind: "note", path, depth, text });
    if (answer?.data === undefined) return note(answer?.error == null ? "Reading…" : answer.error.message);
    if (answer.data.entries.length === 0) note("Nothing in it");
    for (const entry of answer.data.entries) {
      const isOpen = entry.type === "directory" && open.has(entry.path);
      rows.push({ kind: "entry", entry, depth, isOpen });
      if (isOpen) walk(entry.path, depth + 1);
    }
    if (answer.data.truncated) note(`Only the first ${answer.data.entries.length.toLocaleString()} are listed`);
  };
  walk("", 0);
  return { rows, isLoading: answers[0]!.isPending, error: answers[0]!.data === undefined ? answers[0]!.error : null };
}
