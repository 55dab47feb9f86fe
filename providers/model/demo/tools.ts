/* Which of the client's tools to use for what, and under which argument names: chosen from what it offered. */
import type { Done, Reply, ToolOffer } from "./conversation.ts";

type Call = Reply["calls"][number];

export type Toolbox = {
  shell: ((command: string, description: string, timeoutMs?: number) => Call) | null;
  read: ((path: string) => Call) | null;
  edit: ((path: string, before: string, after: string) => Call) | null;
};

const SHELL = /^(bash|shell|sh|execute|exec|run_command|run_shell_command|local_shell|terminal)$/i;
const READ = /^(read|read_file|view|view_file|cat|open_file)$/i;
const EDIT = /^(edit|edit_file|str_replace|replace|str_replace_editor|search_replace)$/i;

export function toolbox(offers: readonly ToolOffer[]): Toolbox {
  const find = (name: RegExp): ToolOffer | undefined => offers.find((offer) => name.test(offer.name));
  const shell = find(SHELL);
  const read = find(READ);
  const edit = find(EDIT);
  const command = shell && property(shell, /^(command|cmd|script|input)$/i);
  const readPath = read && property(read, /path|file/i);
  const editPath = edit && property(edit, /path|file/i);
  const before = edit && property(edit, /^old/i);
  const after = edit && property(edit, /^new/i);
  return {
    shell:
      shell && command !== undefined
        ? (text, description, timeoutMs) => ({
            name: shell.name,
            arguments: {
              [command]: text,
              ...(shell.properties.includes("description") && { description }),
              ...(timeoutMs !== undefined && shell.properties.includes("timeout") && { timeout: timeoutMs }),
            },
          })
        : null,
    read: read && readPath !== undefined ? (path) => ({ name: read.name, arguments: { [readPath]: path } }) : null,
    edit:
      edit && editPath !== undefined && before !== undefined && after !== undefined
        ? (path, from, to) => ({ name: edit.name, arguments: { [editPath]: path, [before]: from, [after]: to } })
        : null,
  };
}

export type Recognised =
  | { kind: "shell"; command: string; output: string }
  | { kind: "read"; path: string; output: string }
  | { kind: "edit"; before: string; after: string; output: string }
  | { kind: "other" };

/** The reverse: what a past call of ours was. */
export function recognise(done: Done): Recognised {
  const text = (pattern: RegExp): string => {
    for (const [key, value] of Object.entries(done.arguments)) if (pattern.test(key) && typeof value === "string") return value;
    return "";
  };
  if (SHELL.test(done.name)) return { kind: "shell", command: text(/^(command|cmd|script|input)$/i), output: done.output };
  if (READ.test(done.name)) return { kind: "read", path: text(/path|file/i), output: done.output };
  if (EDIT.test(done.name)) return { kind: "edit", before: text(/^old/i), after: text(/^new/i), output: done.output };
  return { kind: "other" };
}

function property(offer: ToolOffer, pattern: RegExp): string | undefined {
  return offer.required.find((name) => pattern.test(name)) ?? offer.properties.find((name) => pattern.test(name));
}
