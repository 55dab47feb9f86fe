/*
 * Text line by line: numbered, windowed, each number an address of its own. Lines keep their length and scroll as one;
 * a single line of megabytes is cut, with the rest at hand as the download. Colours come when their chunk has arrived.
 */
import type { Token } from "@signalbox/ui/code-lines";
import { count, visible } from "@signalbox/ui/format";
import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Link } from "@tanstack/react-router";
import { useEffect, useEffectEvent, useMemo, useRef } from "react";

const ROW_PX = 20;
const LINE_CHARS = 2_000;
const COLOURED_CHARS = 300_000;

export function NumberedText({
  text,
  language,
  line,
  label,
}: {
  text: string;
  language: string | undefined;
  line: number | undefined;
  label: string;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const lines = useMemo(() => text.replace(/\n$/, "").split("\n"), [text]);
  const longest = useMemo(() => lines.reduce((most, each) => Math.max(most, Math.min(each.length, LINE_CHARS)), 0), [lines]);
  const mayColour = language !== undefined && text.length <= COLOURED_CHARS;
  const { data: tokens } = useQuery({
    queryKey: ["coloured", language, text],
    queryFn: async () => (await import("@signalbox/ui/code-lines")).colouredLines(text, language!),
    enabled: mayColour,
    staleTime: Infinity,
    gcTime: 0,
  });
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 20,
  });
  const wanted = line === undefined || line < 1 || line > lines.length ? null : line;
  const show = useEffectEvent((number: number) => virtual.scrollToIndex(number - 1, { align: "center" }));
  useEffect(() => {
    // Only a new address moves the text: not what is drawn again.
    if (wanted !== null) show(wanted);
  }, [wanted]);
  const digits = String(lines.length).length;
  return (
    <figure className="overflow-clip rounded-md border border-line bg-sunken">
      <figcaption className="border-b border-line px-3.5 py-1.5 text-sm text-ink-2 tabular-nums">
        {count(lines.length, "line")}
        {line !== undefined && wanted === null && <span className="text-danger-ink">; there is no line {line}</span>}
      </figcaption>
      <div ref={scroller} tabIndex={0} role="group" aria-label={label} className="max-h-[70dvh] overflow-auto py-2 -outline-offset-2">
        <ol
          className="relative font-mono text-sm"
          style={{ height: virtual.getTotalSize(), width: `max(100%, ${longest + digits + 6}ch)` }}
        >
          {virtual.getVirtualItems().map((row) => {
            const number = row.index + 1;
            return (
              <li
                key={row.key}
                className={`absolute inset-x-0 flex h-5 leading-5 ${number === wanted ? "bg-raised" : "bg-sunken"}`}
                style={{ transform: `translateY(${row.start}px)` }}
                aria-current={number === wanted ? "location" : undefined}
              >
                <Link
                  to="."
                  search={(previous) => ({ ...previous, line: number })}
                  replace
                  aria-label={`Line ${number}`}
                  tabIndex={-1}
                  className={`sticky left-0 shrink-0 bg-inherit pr-4 pl-3.5 text-right select-none hover:text-ink hover:underline ${number === wanted ? "font-bold text-ink" : "text-ink-3"}`}
                  style={{ minWidth: `${digits + 5}ch` }}
                >
                  {number}
                </Link>
                <Line text={lines[row.index] ?? ""} tokens={tokens?.[row.index]} />
              </li>
            );
          })}
        </ol>
      </div>
    </figure>
  );
}

function Line({ text, tokens }: { text: string; tokens: readonly Token[] | undefined }) {
  if (text.length > LINE_CHARS)
    return (
      <code className="whitespace-pre">
        {visible(text.slice(0, LINE_CHARS))}
        <span className="text-ink-3"> … {(text.length - LINE_CHARS).toLocaleString()} more characters</span>
      </code>
    );
  return (
    <code className="whitespace-pre">
      {tokens === undefined
        ? visible(text)
        : tokens.map((token, i) => (
            <span key={i} className={token.look ?? undefined}>
              {visible(token.text)}
            </span>
          ))}
    </code>
  );
}
