/* Finds words in the conversation: in what is held at once, and further back as one asks. Matches are lit, not rewritten. */
import { Button, IconButton } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { ChevronDown, ChevronUp, X } from "lucide-react";
import { useEffect, useMemo, useRef, useState, type RefObject } from "react";
import type { ConversationStore } from "./conversation-store.ts";
import "./find.css";
import { searchText, type Row } from "./rows.ts";

const HIGHLIGHT = "found";
/** Pages of what was said before that one press reads. */
const PAGES = 10;

interface FindBarProps {
  rows: readonly Row[];
  store: ConversationStore;
  scroller: RefObject<HTMLDivElement | null>;
  onShow(key: string): void;
  onClose(): void;
}

export function FindBar({ rows, store, scroller, onShow, onClose }: FindBarProps) {
  const [query, setQuery] = useState("");
  const [current, setCurrent] = useState<string | null>(null);
  const [isReading, setReading] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const needle = query.trim().toLowerCase();
  const matches = useMemo(
    () => (needle === "" ? [] : rows.filter((row) => searchText(row).includes(needle)).map(({ key }) => key)),
    [rows, needle],
  );
  const at = current === null ? -1 : matches.indexOf(current);
  const hasOlder = store.get().conversation.older !== null;

  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    light(scroller.current, needle);
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- the page is what is read, and they say when it changed
  }, [needle, scroller, current, rows]);
  useEffect(() => () => void CSS.highlights?.delete(HIGHLIGHT), []);

  const go = (by: 1 | -1): void => {
    if (matches.length === 0) return;
    const next = at === -1 ? (by === 1 ? 0 : matches.length - 1) : (at + by + matches.length) % matches.length;
    const key = matches[next]!;
    setCurrent(key);
    onShow(key);
  };
  const readBack = async (): Promise<void> => {
    setReading(true);
    try {
      for (let page = 0; page < PAGES && store.get().conversation.older !== null; page++) await store.older();
    } finally {
      setReading(false);
    }
  };

  return (
    <search className="flex items-center gap-2 border-b border-line bg-panel px-4 py-2">
      <input
        ref={field}
        type="search"
        aria-label="Find in the conversation"
        placeholder="Find in the conversation"
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setCurrent(null);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          else if (event.key === "Enter") {
            event.preventDefault();
            // The newest first: what one looks for was mostly said lately.
            go(event.shiftKey ? 1 : -1);
          }
        }}
        className={`${inputLook} max-w-80 min-w-0 !py-1 !text-sm`}
      />
      <span role="status" className="text-sm whitespace-nowrap text-ink-2 tabular-nums">
        {needle !== "" && (matches.length === 0 ? "Not found" : at === -1 ? `${matches.length} found` : `${at + 1} of ${matches.length}`)}
      </span>
      <IconButton label="Match above" disabled={matches.length === 0} onClick={() => go(-1)}>
        <ChevronUp size={16} />
      </IconButton>
      <IconButton label="Match below" disabled={matches.length === 0} onClick={() => go(1)}>
        <ChevronDown size={16} />
      </IconButton>
      {hasOlder && needle !== "" && (
        <Button size="sm" look="quiet" busy={isReading} onClick={() => void readBack()}>
          Search further back
        </Button>
      )}
      <IconButton label="Close the search" className="ml-auto" onClick={onClose}>
        <X size={16} />
      </IconButton>
    </search>
  );
}

/** Marks the words where they stand on screen, without touching the elements that React keeps. */
function light(root: HTMLElement | null, needle: string): void {
  if (root === null || typeof CSS === "undefined" || !("highlights" in CSS)) return;
  CSS.highlights.delete(HIGHLIGHT);
  if (needle === "") return;
  const ranges: Range[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const text = node.nodeValue?.toLowerCase() ?? "";
    for (let from = text.indexOf(needle); from !== -1; from = text.indexOf(needle, from + needle.length)) {
      const range = new Range();
      range.setStart(node, from);
      range.setEnd(node, from + needle.length);
      ranges.push(range);
    }
  }
  CSS.highlights.set(HIGHLIGHT, new Highlight(...ranges));
}
