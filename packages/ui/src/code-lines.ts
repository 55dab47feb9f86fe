/* Code coloured line by line, for what shows lines: the grammars are most of its size, so load it when code shows. */
import { common, createLowlight } from "lowlight";

export interface Token {
  readonly text: string;
  /** Classes of code.css; null is plain. */
  readonly look: string | null;
}

export interface Node {
  readonly type: string;
  readonly value?: string;
  readonly properties?: { readonly className?: unknown };
  readonly children?: readonly Node[];
}

const lowlight = createLowlight(common);
const BY_EXTENSION: Record<string, string> = {
  tsx: "typescript",
  jsx: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  mts: "typescript",
  svg: "xml",
  vue: "xml",
  toml: "ini",
  zsh: "bash",
  hs: "haskell",
};

/** null when nobody knows the language. `language` is a name or a file's extension. */
export function coloured(code: string, language: string): Node | null {
  const name = BY_EXTENSION[language.toLowerCase()] ?? language.toLowerCase();
  return lowlight.registered(name) ? lowlight.highlight(name, code) : null;
}

/** The same as one entry a line. */
export function colouredLines(code: string, language: string): Token[][] | null {
  const tree = coloured(code, language);
  if (tree === null) return null;
  const lines: Token[][] = [[]];
  const walk = (node: Node, look: string | null): void => {
    if (node.type === "text") {
      const [first = "", ...rest] = (node.value ?? "").split("\n");
      if (first !== "") lines.at(-1)!.push({ text: first, look });
      for (const text of rest) lines.push(text === "" ? [] : [{ text, look }]);
      return;
    }
    const names = node.properties?.className;
    const own = Array.isArray(names) ? [look, ...(names as string[])].filter((each) => each !== null).join(" ") : look;
    for (const child of node.children ?? []) walk(child, own);
  };
  walk(tree, null);
  return lines;
}
