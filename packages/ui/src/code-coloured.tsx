/* Loaded when code is first shown: the grammars are most of its size. The tree becomes elements, never HTML text. */
import { Fragment, useMemo, type ReactNode } from "react";
import { coloured, type Node } from "./code-lines.ts";

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
  const nodes = useMemo(() => coloured(code, language)?.children, [code, language]);
  return nodes === undefined ? code : nodes.map(element);
}
