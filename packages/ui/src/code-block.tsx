/*
 * Code as it is written, coloured when the colours have arrived: they are a chunk of their own, made of classes.
 * Beyond `COLOURED_CHARS` the colours are left out, beyond `SHOWN_CHARS` the rest waits for a press, so that a
 * 5 MB file neither stops the page nor is lost.
 */
import { lazy, memo, Suspense, useState } from "react";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy-button.tsx";
import { visible } from "./format.ts";

const Coloured = lazy(() => import("./code-coloured.tsx"));
const COLOURED_CHARS = 100_000;
const SHOWN_CHARS = 200_000;

/** A block of code. `language` is a name or a file's extension; one that nobody knows stays plain. */
export const CodeBlock = memo(function CodeBlock({
  code,
  language,
  title,
  wrap = false,
  className = "",
}: {
  code: string;
  language?: string | undefined;
  title?: string;
  wrap?: boolean;
  className?: string;
}) {
  const [shownChars, setShownChars] = useState(SHOWN_CHARS);
  const isCut = code.length > shownChars;
  const shown = visible(isCut ? code.slice(0, shownChars) : code);
  return (
    <figure className={`group relative overflow-clip rounded-md border border-line bg-sunken ${className}`}>
      {title !== undefined && (
        <figcaption className="border-b border-line py-1.5 pr-10 pl-3.5 font-mono text-sm text-ink-2">{title}</figcaption>
      )}
      <span className="absolute top-1 right-1 z-10 rounded-md bg-sunken opacity-0 transition-opacity duration-(--quick) group-focus-within:opacity-100 group-hover:opacity-100 [@media(hover:none)]:opacity-100">
        <CopyButton text={code} label="Copy the code" />
      </span>
      <pre
        tabIndex={0}
        aria-label={title ?? "Code"}
        role="group"
        className={`overflow-x-auto px-3.5 py-2.5 text-sm -outline-offset-2 ${wrap ? "whitespace-pre-wrap" : "[overflow-wrap:normal]"}`}
      >
        <code>
          {language === undefined || shown.length > COLOURED_CHARS ? (
            shown
          ) : (
            <Suspense fallback={shown}>
              <Coloured code={shown} language={language} />
            </Suspense>
          )}
        </code>
      </pre>
      {isCut && (
        <div className="flex items-center justify-between gap-3 border-t border-line px-3.5 py-2 text-sm text-ink-2">
          The first {shownChars.toLocaleString()} of {code.length.toLocaleString()} characters.
          <Button size="sm" onClick={() => setShownChars(shownChars + SHOWN_CHARS)}>
            Show more
          </Button>
        </div>
      )}
    </figure>
  );
});
