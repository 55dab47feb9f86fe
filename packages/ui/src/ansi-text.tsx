import { memo, useMemo, useState } from "react";
import { ansiRuns } from "./ansi.ts";
import { Button } from "./button.tsx";
import { visible } from "./format.ts";

const SHOWN_CHARS = 100_000;

/** What a program printed, with its colours and without its tricks. Shows the end first: that is where the answer is. */
export const AnsiText = memo(function AnsiText({
  text,
  label = "Output",
  className = "",
}: {
  text: string;
  label?: string;
  className?: string;
}) {
  const [shownChars, setShownChars] = useState(SHOWN_CHARS);
  const hidden = Math.max(0, text.length - shownChars);
  const runs = useMemo(() => ansiRuns(visible(hidden === 0 ? text : text.slice(hidden))), [text, hidden]);
  return (
    <div className={`overflow-clip rounded-md border border-line bg-sunken ${className}`}>
      {hidden > 0 && (
        <div className="flex items-center justify-between gap-3 border-b border-line px-3.5 py-2 text-sm text-ink-2">
          {hidden.toLocaleString()} characters before this.
          <Button size="sm" onClick={() => setShownChars(shownChars + 4 * SHOWN_CHARS)}>
            Show earlier
          </Button>
        </div>
      )}
      <pre
        tabIndex={0}
        role="group"
        aria-label={label}
        className="max-h-[60dvh] overflow-auto px-3.5 py-2.5 text-sm whitespace-pre-wrap -outline-offset-2"
      >
        {runs.map(({ text, className, href }, i) =>
          href === undefined ? (
            <span key={i} className={className === "" ? undefined : className}>
              {text}
            </span>
          ) : (
            <a
              key={i}
              href={href}
              target="_blank"
              rel="noreferrer noopener nofollow"
              title={href}
              className={`${className} text-moving-ink underline`}
            >
              {text}
            </a>
          ),
        )}
      </pre>
    </div>
  );
});
