/*
 * The little that the script knows about repairing: read a `node --test` report, and list one-line changes that
 * might mend the source. It is generate and validate: each change is tried for real and kept if the tests say so.
 */

export type TestReport =
  | { status: "passed"; passed: number }
  | {
      status: "failed";
      failed: number;
      title: string | undefined;
      testFile: string | undefined;
      frames: string[];
      detail: string | undefined;
    }
  | { status: "tool_missing"; tool: string }
  | { status: "unreadable" };

const MISSING = /(?:^|\n|: )(?:\d+: )?(npm|node|git): (?:command )?not found/;
/** Colour codes: npm and node print them when told to. */
// eslint-disable-next-line no-control-regex -- the escape character is what is looked for
const COLOURS = /\u001b\[[0-9;]*m/g;

export function readTestReport(output: string): TestReport {
  const text = output.replaceAll(COLOURS, "");
  const passed = lastCount(text, "pass");
  const failed = lastCount(text, "fail");
  if (passed === undefined || failed === undefined) {
    const missing = MISSING.exec(text);
    return missing ? { status: "tool_missing", tool: missing[1]! } : { status: "unreadable" };
  }
  if (failed === 0) return { status: "passed", passed };
  const places = [...text.matchAll(/((?:file:\/\/)?[\w./@-]+\.[cm]?js):\d+:\d+/g)].map((match) => match[1]!.replace("file://", ""));
  const isTest = (path: string): boolean => /(^|[/.])(test|tests|spec)([/.]|$)/.test(path);
  return {
    status: "failed",
    failed,
    title: (/(?:^|\n)\s*(?:✖|not ok \d+ -) (.+?)(?: \([\d.]+ms\))?\r?\n/.exec(text)?.[1] ?? undefined)?.trim(),
    testFile: places.find(isTest),
    frames: places.filter((path) => !isTest(path) && !path.startsWith("node:")),
    detail: /\n\s*([^\n]+ !== [^\n]+)\n/.exec(text)?.[1]?.trim(),
  };
}

function lastCount(text: string, name: string): number | undefined {
  const all = [...text.matchAll(new RegExp(`(?:^|\\n)(?:#|ℹ) ${name} (\\d+)`, "g"))];
  const last = all.at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}

/** Agents number the lines of what they read in several ways; the source is wanted. */
export function withoutLineNumbers(output: string): string {
  const lines = output.split("\n");
  const numbered = /^\s*0*(\d+)(?:\||:|\t|→) ?(.*)$/;
  const kept: string[] = [];
  let next = 1;
  for (const line of lines) {
    const match = numbered.exec(line);
    if (match && Number(match[1]) === next) {
      kept.push(match[2]!);
      next += 1;
    }
  }
  return kept.length > 1 ? kept.join("\n") : output;
}

/** The first relative import of a test file, resolved against its own path. */
export function importedSource(testPath: string, testSource: string): string | undefined {
  const specifier = /(?:from|import|require)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/.exec(testSource)?.[1];
  if (specifier === undefined) return undefined;
  const parts = testPath.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

export type Change = { before: string; after: string; line: number };

const RULES: readonly [RegExp, string][] = [
  [/ \+ /, " - "],
  [/ - /, " + "],
  [/ < /, " <= "],
  [/ <= /, " < "],
  [/ > /, " >= "],
  [/ >= /, " > "],
  [/ \* /, " / "],
  [/ \/ /, " * "],
  [/ === /, " !== "],
  [/ !== /, " === "],
  [/ && /, " || "],
  [/ \|\| /, " && "],
];

/** Changes to try, likeliest first: a `return` says what the function means, so those lines come first. */
export function changesToTry(source: string): Change[] {
  const lines = source.split("\n");
  const code = lines.map((text, index) => ({ text, index })).filter(({ text }) => !/^\s*(\/\/|\/?\*|import |export \{)/.test(text));
  const ordered = [...code.filter(({ text }) => /\breturn\b/.test(text)), ...code.filter(({ text }) => !/\breturn\b/.test(text))];
  return ordered.flatMap(({ text, index }) =>
    RULES.filter(([pattern]) => pattern.test(text)).map(([pattern, replacement]) => {
      // An edit tool refuses text that occurs twice: take lines before it until it is unique.
      let from = index;
      while (from > 0 && source.split(lines.slice(from, index + 1).join("\n")).length > 2) from -= 1;
      const before = lines.slice(from, index + 1).join("\n");
      return { before, after: [...lines.slice(from, index), text.replace(pattern, replacement)].join("\n"), line: index + 1 };
    }),
  );
}
