/* A unified diff, as git prints it, into what a page can draw. Pure; whatever it does not know it keeps as a line. */

export interface DiffLine {
  readonly kind: "context" | "added" | "removed" | "note";
  readonly text: string;
  /** Line numbers before and after; null where the line does not exist. */
  readonly before: number | null;
  readonly after: number | null;
}

export interface DiffHunk {
  readonly header: string;
  /** Number of its first line on either side; of the line before it, where it has none there. */
  readonly beforeStart: number;
  readonly afterStart: number;
  readonly lines: readonly DiffLine[];
}

export interface DiffFile {
  /** The path after the change; before it, when the file was deleted. */
  readonly path: string;
  readonly renamedFrom: string | null;
  readonly isBinary: boolean;
  readonly hunks: readonly DiffHunk[];
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)$/;

export function parseDiff(patch: string): DiffFile[] {
  return patch
    .split(/^(?=diff --git )/m)
    .filter((section) => section.startsWith("diff --git "))
    .map(parseFile);
}

function parseFile(section: string): DiffFile {
  const lines = section.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const start = lines.findIndex((line) => HUNK.test(line));
  const head = start === -1 ? lines : lines.slice(0, start);
  const hunks: { header: string; beforeStart: number; afterStart: number; lines: DiffLine[] }[] = [];
  let before = 0;
  let after = 0;
  /** Lines that the hunk's header still owes: a removed `--- a` looks like a file header without the count. */
  let owedBefore = 0;
  let owedAfter = 0;
  for (const line of start === -1 ? [] : lines.slice(start)) {
    const header = owedBefore <= 0 && owedAfter <= 0 ? HUNK.exec(line) : null;
    if (header !== null) {
      before = Number(header[1]);
      after = Number(header[3]);
      owedBefore = Number(header[2] ?? 1);
      owedAfter = Number(header[4] ?? 1);
      hunks.push({ header: (header[5] ?? "").trim(), beforeStart: before, afterStart: after, lines: [] });
      continue;
    }
    const into = hunks.at(-1)!.lines;
    const text = line.slice(1);
    if (line.startsWith("+")) {
      into.push({ kind: "added", text, before: null, after: after++ });
      owedAfter--;
    } else if (line.startsWith("-")) {
      into.push({ kind: "removed", text, before: before++, after: null });
      owedBefore--;
    } else if (line.startsWith("\\")) {
      into.push({ kind: "note", text: text.trim(), before: null, after: null });
    } else {
      into.push({ kind: "context", text, before: before++, after: after++ });
      owedBefore--;
      owedAfter--;
    }
  }
  const field = (prefix: string): string | null => head.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? null;
  const newPath = unquote(field("+++ ")?.replace(/\t$/, "") ?? null, "b/");
  const oldPath = unquote(field("--- ")?.replace(/\t$/, "") ?? null, "a/");
  const renamedFrom = unquote(field("rename from "), "");
  return {
    path: newPath ?? unquote(field("rename to "), "") ?? oldPath ?? pathOfHeader(head[0] ?? ""),
    renamedFrom,
    isBinary: head.some((line) => line.startsWith("Binary files ") || line === "GIT binary patch"),
    hunks,
  };
}

/** Mode changes and binary files name their path only here: `diff --git a/x b/x`, both halves alike. */
function pathOfHeader(line: string): string {
  const rest = line.slice("diff --git ".length);
  if (rest.startsWith('"')) return unquote(rest.slice(0, rest.indexOf('" ') + 1), "a/") ?? rest;
  return rest.slice(2, (rest.length - 1) / 2);
}

/** git quotes unusual names like a C string, octal bytes included. `/dev/null` is no path. */
function unquote(name: string | null, prefix: string): string | null {
  if (name === null || name === "/dev/null") return null;
  let plain = name;
  if (name.startsWith('"') && name.endsWith('"')) {
    const bytes: number[] = [];
    const encoder = new TextEncoder();
    const inner = name.slice(1, -1);
    for (let i = 0; i < inner.length; i++) {
      if (inner[i] !== "\\") {
        bytes.push(...encoder.encode(inner[i]));
        continue;
      }
      const octal = /^[0-7]{3}/.exec(inner.slice(i + 1))?.[0];
      if (octal !== undefined) {
        bytes.push(Number.parseInt(octal, 8));
        i += 3;
      } else {
        bytes.push(...encoder.encode({ n: "\n", t: "\t", r: "\r" }[inner[i + 1] ?? ""] ?? inner[i + 1] ?? ""));
        i++;
      }
    }
    plain = new TextDecoder().decode(new Uint8Array(bytes));
  }
  return plain.startsWith(prefix) ? plain.slice(prefix.length) : plain;
}
