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
