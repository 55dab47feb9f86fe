/*
 * What somebody said. Markdown is parsed only up to `PARSED`: beyond that a page would stand still for seconds, so
 * the beginning shows and the rest waits for a press, as plain text in pieces.
 */
import { Button } from "@signalbox/ui/button";
import { Markdown } from "@signalbox/ui/markdown";
import { Download } from "lucide-react";
import { memo, useState } from "react";
import { download } from "../download.ts";

const PARSED = 40_000;
const STEP = 400_000;

export const Said = memo(function Said({ text, className = "" }: { text: string; className?: string }) {
  if (text.length <= PARSED) return <Markdown text={text} className={className} />;
  return <Long text={text} className={className} />;
});

function Long({ text, className }: { text: string; className: string }) {
  const [shown, setShown] = useState(PARSED);
  // A cut in the middle of a line is only made where a line is longer than all that is shown.
  const first = cutAt(text, PARSED);
  return (
    <div>
      <Markdown text={text.slice(0, first)} className={className} />
      {shown > PARSED && (
        <pre className="mt-3 max-h-[70dvh] overflow-auto rounded-md bg-sunken p-3 text-sm whitespace-pre-wrap">
          {text.slice(first, shown)}
        </pre>
      )}
      <p className="mt-3 flex flex-wrap items-center gap-3 rounded-md border border-line bg-panel px-3 py-2 text-sm text-ink-2">
        <span className="flex-1">
          {shown < text.length
            ? `The first ${shown.toLocaleString()} of ${text.length.toLocaleString()} characters.`
            : `All ${text.length.toLocaleString()} characters.`}
        </span>
        {shown < text.length && (
          <Button size="sm" onClick={() => setShown(Math.min(text.length, shown + STEP))}>
            Show more
          </Button>
        )}
        <Button size="sm" onClick={() => download("message.md", text)}>
          <Download size={14} aria-hidden /> Download
        </Button>
      </p>
    </div>
  );
}

const cutAt = (text: string, near: number): number => {
  const line = text.lastIndexOf("\n", near);
  return line > near / 2 ? line : near;
};
