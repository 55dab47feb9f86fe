/*
 * Markdown as someone wrote it, made harmless: HTML stays text, links open elsewhere without
 * telling from where, images are links, because loading one would tell its host who reads.
 * Loaded when first needed; until then the text shows as it is.
 */
import { lazy, memo, Suspense } from "react";

const Rendered = lazy(() => import("./markdown-rendered.tsx"));

export const Markdown = memo(function Markdown({ text, className = "" }: { text: string; className?: string }) {
  return (
    <Suspense fallback={<div className={`prose whitespace-pre-wrap ${className}`}>{text}</div>}>
      <Rendered text={text} className={className} />
    </Suspense>
  );
});
