/* How a tool call reads in one line. Pure. */
import { FilePen, FileText, FolderSearch, Globe, ListTodo, SquareTerminal, Wrench, type LucideIcon } from "lucide-react";
import { createElement, type ReactElement } from "react";

const ICONS: readonly (readonly [RegExp, LucideIcon])[] = [
  [/bash|shell|exec|terminal|command|run/i, SquareTerminal],
  [/edit|write|patch|replace/i, FilePen],
  [/read|view|cat|open/i, FileText],
  [/grep|glob|list|search|find|ls/i, FolderSearch],
  [/fetch|web|http/i, Globe],
  [/todo|plan/i, ListTodo],
];
const iconOf = (name: string): LucideIcon => ICONS.find(([pattern]) => pattern.test(name))?.[1] ?? Wrench;
export const toolIcon = (name: string, className: string): ReactElement =>
  createElement(iconOf(name), { size: 15, className, "aria-hidden": true });

export type CallKind = "read" | "search" | "edit" | "command" | "web" | "plan" | "other";

/** The last two words of a name say what it does; what stands before them is whose tool it is. */
const KINDS: readonly (readonly [RegExp, CallKind])[] = [
  [/(^|[_.-])(read|view|cat|open)(_?file)?$/i, "read"],
  [/(^|[_.-])(grep|glob|list|search|find|ls|codesearch)(_?(files?|dir|directory))?$/i, "search"],
  [/(edit|write|patch|replace)/i, "edit"],
  [/(bash|shell|exec|terminal|command)/i, "command"],
  [/(fetch|web|http)/i, "web"],
  [/(todo|plan)/i, "plan"],
];
export const kindOf = (name: string): CallKind => KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? "other";
/** It only looked: nothing that a person follows step by step. */
export const isLookUp = (name: string): boolean => kindOf(name) === "read" || kindOf(name) === "search";

/** "Read 3 files, searched twice": a row of look-ups in a line. */
export function lookUpSummary(names: readonly string[]): string {
  const reads = names.filter((name) => kindOf(name) === "read").length;
  const searches = names.length - reads;
  const said = [
    ...(reads === 0 ? [] : [`read ${reads === 1 ? "a file" : `${reads} files`}`]),
    ...(searches === 0 ? [] : [`searched ${searches === 1 ? "once" : searches === 2 ? "twice" : `${searches} times`}`]),
  ].join(", ");
  return said.charAt(0).toUpperCase() + said.slice(1);
}

/** Where the repository lies in every sandbox: saying so on each line says nothing. */
const WORKSPACE = /^\/workspace\/(?=.)/;

/** The argument that says most: a command, a path, a pattern. */
const TELLING = ["command", "cmd", "pattern", "query", "filePath", "file_path", "path", "url", "description"];

export function headline(title: string | null, args: unknown): string | null {
  if (typeof args === "object" && args !== null) {
    const record = args as Record<string, unknown>;
    for (const key of TELLING) {
      const value = record[key];
      if (typeof value === "string" && value !== "") return (value.split("\n")[0] ?? value).replace(WORKSPACE, "");
    }
  }
  return title;
}

/** Colours and cursor movements are for terminals; here they would only be noise. */
const ANSI =
  // oxlint-disable-next-line no-control-regex -- control characters are what it removes
  /[\u001B\u009B][[\]()#;?]*(?:(?:[a-zA-Z\d]*(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?\u0007|(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~])/g;
export const plain = (output: string): string => output.replaceAll(ANSI, "");

/** The exit code of a command, where the agent's own words have it; null where nothing says so. */
export function exitCodeOf(call: {
  readonly name: string;
  readonly status: string;
  readonly output: string | null;
  readonly error: string | null;
}): number | null {
  if (kindOf(call.name) !== "command" || call.status === "invoked") return null;
  const said =
    /\bexit(?:ed)?(?: with)?(?: code| status)?[: ]+(-?\d{1,3})\b/i.exec(call.error ?? "") ??
    /<exit_code>(-?\d{1,3})<\/exit_code>/.exec(call.output ?? "");
  return said === null ? null : Number(said[1]);
}
