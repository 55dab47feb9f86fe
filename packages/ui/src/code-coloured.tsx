/* Loaded when code is first shown: the grammars are most of its size. The tree becomes elements, never HTML text. */
import { common, createLowlight } from "lowlight";
import { Fragment, useMemo, type ReactNode } from "react";

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

interface Node {
  readonly type: string;
  readonly value?: string;
  readonly properties?: { readonly className?: unknown };
  readonly children?: readonly Node[];
}

function element(node: Node, key: number): ReactNode {
  if (node.type === "text") return <Fragment key={key}>{node.value}</Fragment>;
  const names = node.properties?.className;
  return (
    <span key={key} className={Array.isArray(names) ? names.join(" ") : undefined}>
      {node.children?.map(element)}
    </span>
  );
}

export default function Coloured({ code, language }: { code: string; language: string }) {
  const nodes = useMemo(() => {
    const name = BY_EXTENSION[language.toLowerCase()] ?? language.toLowerCase();
    return lowlight.registered(name) ? (lowlight.highlight(name, code) as Node).children : undefined;
  }, [code, language]);
  return nodes === undefined ? code : nodes.map(element);
}
