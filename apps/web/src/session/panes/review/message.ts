/* A review as the message that the agent gets: path, lines, code, remark. Pure. */
import { shownName } from "../names.ts";
import type { ReviewComment } from "./review.ts";

/** Of one comment's code; what is longer the agent can look up itself. */
const QUOTED_LINES = 40;
const QUOTED_CHARS = 4_000;

type Said = Pick<ReviewComment, "path" | "side" | "from" | "to" | "code" | "text">;

export function reviewMessage(comments: readonly Said[], note: string): string {
  const inOrder = [...comments].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.from - b.from));
  const parts = inOrder.map((comment, i) => {
    const place = `${named(comment.path)}, ${linesOf(comment)}`;
    return [comments.length === 1 ? `On ${place}:` : `${i + 1}. ${place}:`, quoted(comment), comment.text.trim()].join("\n\n");
  });
  const head = comments.length > 1 ? [`I looked at your changes and have ${comments.length} comments.`] : [];
  return [...head, ...(note.trim() === "" ? [] : [note.trim()]), ...parts].join("\n\n");
}

export function linesOf({ side, from, to }: Pick<Said, "side" | "from" | "to">): string {
  const lines = from === to ? `line ${from}` : `lines ${from} to ${to}`;
  return side === "before" ? `${lines} as it was before` : lines;
}

/** A fence longer than any in what it holds, so that the code cannot end it. */
function fence(code: string, mark: string, least: number): string {
  const runs = code.match(/`+/g) ?? [];
  return mark.repeat(Math.max(least, ...runs.map((run) => run.length + 1)));
}
function named(path: string): string {
  const plain = shownName(path);
  const mark = fence(plain, "`", 1);
  return mark === "`" ? `\`${plain}\`` : `${mark} ${plain} ${mark}`;
}
function quoted({ code, path }: Said): string {
  const lines = code.split("\n");
  let shown = lines.slice(0, QUOTED_LINES).join("\n");
  const isCut = lines.length > QUOTED_LINES || shown.length > QUOTED_CHARS;
  if (shown.length > QUOTED_CHARS) shown = shown.slice(0, QUOTED_CHARS);
  const mark = fence(shown, "`", 3);
  const language = /\.([a-z0-9]{1,12})$/i.exec(path)?.[1]?.toLowerCase() ?? "";
  return `${mark}${language}\n${shown}${isCut ? "\n…" : ""}\n${mark}`;
}
