import type { Token } from "@signalbox/ui/code-lines";
import { visible } from "@signalbox/ui/format";
import { memo, useState } from "react";

/** A line is drawn to here; a line of 5 MB would otherwise take the page with it. */
export const LINE_CHARS = 1_000;
const STEP_CHARS = 20_000;

/** The text of a line of code: coloured where the colours are known, cut where it is endless. */
export const LineText = memo(function LineText({ text, tokens }: { text: string; tokens: readonly Token[] | undefined }) {
  const [chars, setChars] = useState(LINE_CHARS);
  if (text.length > chars)
    return (
      <>
        {visible(text.slice(0, chars))}
        <button
          type="button"
          onClick={() => setChars(chars + STEP_CHARS)}
          className="mx-2 rounded-sm border border-line bg-panel px-1.5 font-sans text-ink-2 hover:text-ink"
        >
          … {(text.length - chars).toLocaleString()} more characters
        </button>
      </>
    );
  if (tokens === undefined) return text === "" ? "\u200b" : visible(text);
  return tokens.length === 0
    ? "\u200b"
    : tokens.map(({ text, look }, i) =>
        look === null ? (
          visible(text)
        ) : (
          <span key={i} className={look}>
            {visible(text)}
          </span>
        ),
      );
});
