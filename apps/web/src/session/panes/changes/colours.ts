/*
 * Syntax colours for the files on screen, one file at a time and when the browser is idle. What a diff holds of a file
 * is read as if it were the whole of it; where the file itself was read, its colours are exact.
 */
import { useEffect, useState } from "react";
import type { Token } from "@signalbox/ui/code-lines";
import { extensionOf } from "../names.ts";
import type { DiffFile } from "./diff.ts";
import type { ChangedFile, Side } from "./rows.ts";

export type Colours = Readonly<Record<Side, ReadonlyMap<number, readonly Token[]>>>;

/** More than this is not coloured: it would keep the page from answering. */
const FILE_CHARS = 150_000;
const LINE_CHARS = 2_000;
const IDLE_WITHIN_MS = 300;

interface Wanted {
  readonly file: ChangedFile;
  readonly content: readonly string[] | null;
}

/** A file's diff never changes, a changed one is another. */
const known = new WeakMap<DiffFile, { readonly content: readonly string[] | null; readonly colours: Colours | undefined }>();

export function useColours(wanted: readonly Wanted[]): (file: ChangedFile) => Colours | undefined {
  const [, setDrawn] = useState(0);
  const due = wanted.find(({ file, content }) => file.patch !== null && known.get(file.patch)?.content !== content);
  const patch = due?.file.patch ?? null;
  const path = due?.file.path ?? "";
  const content = due?.content ?? null;
  useEffect(() => {
    if (patch === null) return;
    let isOver = false;
    const done = (colours: Colours | undefined): void => {
      known.set(patch, { content, colours });
      if (!isOver) setDrawn((n) => n + 1);
    };
    const language = extensionOf(path);
    if (language === undefined || !isColourable(patch, content)) {
      done(undefined);
      return;
    }
    const make = (): void =>
      void import("@signalbox/ui/code-lines").then(
        ({ colouredLines }) => !isOver && done(coloursOf(patch, content, (code) => colouredLines(code, language))),
        () => done(undefined), // Without colours it can be read all the same.
      );
    // Safari has no requestIdleCallback.
    const idle = "requestIdleCallback" in window ? requestIdleCallback(make, { timeout: IDLE_WITHIN_MS }) : null;
    const timer = idle === null ? setTimeout(make, 30) : undefined;
    return () => {
      isOver = true;
      if (idle !== null) cancelIdleCallback(idle);
      clearTimeout(timer);
    };
  }, [patch, path, content]);
  return (file) => (file.patch === null ? undefined : known.get(file.patch)?.colours);
}

function isColourable(patch: DiffFile, content: readonly string[] | null): boolean {
  let chars = 0;
  for (const { lines } of patch.hunks)
    for (const { text } of lines) {
      chars += text.length;
      if (text.length > LINE_CHARS || chars > FILE_CHARS) return false;
    }
  return content === null || content.reduce((sum, line) => sum + line.length, 0) <= FILE_CHARS;
}

function coloursOf(patch: DiffFile, content: readonly string[] | null, colour: (code: string) => Token[][] | null): Colours {
  const side = (name: Side): Map<number, Token[]> => {
    const lines = patch.hunks.flatMap((hunk) => hunk.lines.filter((line) => line[name] !== null));
    const coloured = colour(lines.map(({ text }) => text).join("\n"));
    return new Map(lines.flatMap((line, i) => (coloured?.[i] === undefined ? [] : [[line[name]!, coloured[i]] as const])));
  };
  if (content === null) return { before: side("before"), after: side("after") };
  const whole = colour(content.join("\n"));
  return { before: side("before"), after: new Map(whole?.map((tokens, i) => [i + 1, tokens])) };
}
