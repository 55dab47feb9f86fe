/* What changed: now, from the sandbox or as last recorded; or as it was at a moment, from what was recorded by then. */
import { getArtifact } from "@signalbox/contract/runs";
import { getSessionAt } from "@signalbox/contract/session-history";
import type { SessionView } from "@signalbox/contract/sessions";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { client, isRefusal } from "../../../data/api.ts";
import { diffQuery } from "../../../data/queries.ts";
import { parseDiff } from "./diff.ts";
import type { ChangedFile } from "./rows.ts";

export interface Changes {
  readonly files: readonly ChangedFile[];
  /** As git printed it. */
  readonly patch: string;
  readonly baseCommit: string | null;
  readonly isTruncated: boolean;
  readonly isLoading: boolean;
  /** Only the list of files could be had. */
  readonly isListOnly: boolean;
  readonly error: Error | null;
  retry(): void;
}

const NOTHING: SessionView["files_changed"] = [];

export function useChanges(session: SessionView, at: number | null): Changes {
  const now = useQuery({ ...diffQuery(session), enabled: at === null });
  const then = useQuery({
    queryKey: ["session", session.id, "changes-at", at],
    queryFn: async ({ signal }) => {
      const moment = await client.call(getSessionAt, { params: { id: session.id }, query: { seq: at ?? 0 }, signal });
      const id = moment.patch_artifact_id;
      const { text } = id === null ? { text: "" } : await client.call(getArtifact, { params: { id }, signal });
      return { files: moment.files_changed, patch: text ?? "", base_commit: null, truncated: false };
    },
    enabled: at !== null,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
  const { data, error, isPending, refetch } = at === null ? now : then;
  const patch = data?.patch ?? "";
  // While it is read nothing is shown: what has been viewed is known by the patch.
  const list = data?.files ?? (at === null && !isPending ? session.files_changed : NOTHING);
  const files = useMemo(() => merged(list, patch), [list, patch]);
  const isAway = error !== null && isRefusal(error, "sandbox_not_running");
  return {
    files,
    patch,
    baseCommit: data?.base_commit ?? null,
    isTruncated: data?.truncated === true,
    isLoading: isPending,
    isListOnly: files.length > 0 && patch === "" && !isPending && files.some(({ additions, deletions }) => additions + deletions > 0),
    error: isAway ? null : error,
    retry: () => void refetch(),
  };
}

/** The list and the patch come from one look at the sandbox, but either may be cut. */
function merged(list: SessionView["files_changed"], patch: string): ChangedFile[] {
  const patches = new Map(parseDiff(patch).map((file) => [file.path, file]));
  const files = list.map((file): ChangedFile => {
    const known = patches.get(file.path) ?? null;
    patches.delete(file.path);
    return {
      path: file.path,
      renamedFrom: known?.renamedFrom ?? null,
      status: file.status,
      additions: file.additions,
      deletions: file.deletions,
      isBinary: file.binary || known?.isBinary === true,
      patch: known,
    };
  });
  for (const known of patches.values()) {
    const count = (kind: "added" | "removed"): number =>
      known.hunks.reduce((sum, { lines }) => sum + lines.filter((line) => line.kind === kind).length, 0);
    files.push({
      path: known.path,
      renamedFrom: known.renamedFrom,
      status: known.renamedFrom === null ? "modified" : "renamed",
      additions: count("added"),
      deletions: count("removed"),
      isBinary: known.isBinary,
      patch: known,
    });
  }
  return files.sort(byPlace);
}

/** As the tree lists them: in a folder the folders come first. */
function byPlace(a: ChangedFile, b: ChangedFile): number {
  const left = a.path.split("/");
  const right = b.path.split("/");
  for (let i = 0; ; i++) {
    const [isLeafLeft, isLeafRight] = [i === left.length - 1, i === right.length - 1];
    if (isLeafLeft !== isLeafRight) return isLeafLeft ? 1 : -1;
    if (left[i] !== right[i]) return left[i]! < right[i]! ? -1 : 1;
    if (isLeafLeft) return 0;
  }
}
