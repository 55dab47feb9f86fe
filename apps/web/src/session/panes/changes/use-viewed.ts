/* Which files somebody has looked through, by what they looked at: a file that changes again has not been viewed. */
import type { SessionId } from "@signalbox/contract/primitives";
import { useMemo } from "react";
import { useKeptJson } from "../kept-json.ts";
import type { ChangedFile } from "./rows.ts";

type Kept = Readonly<Record<string, string>>;
const NONE: Kept = {};
const isKept = (value: unknown): value is Kept =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((each) => typeof each === "string");

const marks = new WeakMap<ChangedFile, string>();
function markOf(file: ChangedFile): string {
  const known = marks.get(file);
  if (known !== undefined) return known;
  let hash = 5381;
  for (const { lines } of file.patch?.hunks ?? [])
    for (const { kind, text } of lines) {
      if (kind !== "added" && kind !== "removed") continue;
      hash = (hash * 33 + (kind === "added" ? 1 : 2)) | 0;
      for (let i = 0; i < text.length && i < 10_000; i++) hash = (hash * 33 + text.charCodeAt(i)) | 0;
    }
  const mark = `${file.status} ${file.additions} ${file.deletions} ${(hash >>> 0).toString(36)}`;
  marks.set(file, mark);
  return mark;
}

export function useViewed(
  sessionId: SessionId,
  files: readonly ChangedFile[],
): { viewed: ReadonlySet<string>; setViewed(path: string, is: boolean): void } {
  const [kept, change] = useKeptJson(`signalbox.viewed.${sessionId}`, isKept, NONE);
  const viewed = useMemo(
    () => new Set(files.filter((file) => Object.hasOwn(kept, file.path) && kept[file.path] === markOf(file)).map(({ path }) => path)),
    [files, kept],
  );
  return {
    viewed,
    setViewed: (path, is) =>
      change((before) => {
        const next = Object.fromEntries(Object.entries(before).filter(([each]) => each !== path));
        const file = files.find((each) => each.path === path);
        return is && file !== undefined ? { ...next, [path]: markOf(file) } : next;
      }),
  };
}
