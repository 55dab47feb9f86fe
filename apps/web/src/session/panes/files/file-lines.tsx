/* A text as numbered lines, windowed, with an address a line, and remarks for the agent under them. */
import type { SessionView } from "@signalbox/contract/sessions";
import type { Token } from "@signalbox/ui/code-lines";
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Plus } from "lucide-react";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { useShortcuts } from "../../../frame/shortcuts.ts";
import { LineText } from "../changes/line-text.tsx";
import { extensionOf, shownName } from "../names.ts";
import { CommentForm } from "../review/comment-form.tsx";
import { KeptComment } from "../review/kept-comment.tsx";
import type { Review } from "../review/review.ts";
import { useSendReview } from "../review/send.ts";

const LINE_PX = 20;
const COLOURED_CHARS = 200_000;
const COLOURED_LINE = 5_000;

interface Range_ {
  readonly from: number;
  readonly to: number;
}

export function FileLines({
  session,
  path,
  lines,
  line,
  review,
  canSay,
}: {
  session: SessionView;
  path: string;
  lines: readonly string[];
  /** The line that the address names. */
  line: number | null;
  review: Review;
  canSay: boolean;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const send = useSendReview(session);
  const tokens = useTokens(path, lines);
  const [chosen, setChosen] = useState<Range_ | null>(line === null ? null : { from: line, to: line });
  const [draft, setDraft] = useState<Range_ | null>(null);
  const comments = useMemo(
    () =>
      Map.groupBy(
        review.comments.filter((each) => each.path === path && each.side === "after"),
        ({ to }) => Math.min(to, lines.length),
      ),
    [review.comments, path, lines.length],
  );
  // oxlint-disable-next-line react/incompatible-library -- nothing here is compiled for memoization
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: 20,
  });
  const applied = useRef<number | null>(null);
  useEffect(() => {
    if (line === null || applied.current === line || line > lines.length) return;
    applied.current = line;
    setChosen((before) => (before !== null && before.from <= line && line <= before.to ? before : { from: line, to: line }));
    virtual.scrollToIndex(line - 1, { align: "center" });
    requestAnimationFrame(() => virtual.scrollToIndex(line - 1, { align: "center" }));
  }, [line, lines.length, virtual]);
  const choose = (number: number, isFurther: boolean): void => {
    const range =
      isFurther && chosen !== null
        ? { from: Math.min(chosen.from, number), to: Math.max(chosen.to, number) }
        : { from: number, to: number };
    setChosen(range);
    applied.current = range.from;
    void navigate({ to: ".", search: (before) => ({ ...before, pane: "files" as const, file: path, line: range.from }), replace: true });
  };
  useShortcuts(canSay ? [{ keys: "m", label: "Comment on the chosen lines", run: () => chosen !== null && setDraft(chosen) }] : []);
  const digits = String(lines.length).length;
  const marked = draft ?? chosen;
  const code = (range: Range_): string => lines.slice(range.from - 1, range.to).join("\n");
  return (
    <div
      ref={scroller}
      tabIndex={0}
      role="group"
      aria-label={`Contents of ${shownName(path)}`}
      className="min-h-0 flex-1 overflow-x-hidden overflow-y-auto bg-panel font-mono text-[0.75rem] -outline-offset-2 [overflow-anchor:none]"
    >
      <div className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, key, start }) => {
          const number = index + 1;
          return (
            <div
              key={key}
              data-index={index}
              ref={virtual.measureElement}
              className="absolute inset-x-0 top-0"
              style={{ transform: `translateY(${start}px)` }}
            >
              <div
                className={`group relative flex min-h-5 leading-5 ${marked !== null && number >= marked.from && number <= marked.to ? "bg-chosen shadow-[inset_3px_0_0_var(--moving)]" : ""}`}
              >
                <button
                  type="button"
                  tabIndex={-1}
                  aria-label={`Line ${number}`}
                  onClick={(event) => choose(number, event.shiftKey)}
                  className="shrink-0 self-start pr-2 pl-2 text-right text-ink-3 tabular-nums select-none hover:text-ink"
                  style={{ width: `${digits + 3}ch` }}
                >
                  {number}
                </button>
                <span className="relative w-5 shrink-0">
                  {canSay && (
                    <button
                      type="button"
                      aria-label={`Comment on line ${number}`}
                      onClick={() =>
                        setDraft(chosen !== null && number >= chosen.from && number <= chosen.to ? chosen : { from: number, to: number })
                      }
                      className="flex size-5 items-center justify-center rounded-sm bg-ink text-on-ink opacity-0 group-hover:opacity-100 focus-visible:opacity-100 [@media(hover:none)]:opacity-40"
                    >
                      <Plus size={13} />
                    </button>
                  )}
                </span>
                <Code text={lines[index]!} tokens={tokens?.[index]} />
              </div>
              {comments.get(number)?.map((comment) => (
                <KeptComment key={comment.id} comment={comment} review={review} />
              ))}
              {draft?.to === number && (
                <CommentForm
                  from={draft.from}
                  to={draft.to}
                  isSending={send.isPending}
                  onRange={(from) => setDraft({ ...draft, from })}
                  onKeep={(text) => {
                    review.put({ id: crypto.randomUUID(), path, side: "after", ...draft, code: code(draft), text });
                    setDraft(null);
                  }}
                  onSend={(text) =>
                    send.mutate({
                      comments: [{ id: "", path, side: "after", ...draft, code: code(draft), text }],
                      note: "",
                      done: () => setDraft(null),
                    })
                  }
                  onCancel={() => setDraft(null)}
                />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const Code = memo(function Code({ text, tokens }: { text: string; tokens: readonly Token[] | undefined }) {
  return (
    <code className="min-w-0 flex-1 pr-3 text-[0.75rem] wrap-anywhere whitespace-pre-wrap">
      <LineText text={text} tokens={tokens} />
    </code>
  );
});

/** Undefined until the colours have arrived, and for what is too long or in no language that is known. */
function useTokens(path: string, lines: readonly string[]): readonly (readonly Token[])[] | undefined {
  const [known, setKnown] = useState<{ lines: readonly string[]; tokens: readonly (readonly Token[])[] | null } | null>(null);
  const language = extensionOf(path);
  useEffect(() => {
    if (language === undefined) return;
    if (lines.reduce((sum, { length }) => sum + length, 0) > COLOURED_CHARS || lines.some(({ length }) => length > COLOURED_LINE)) return;
    let isOver = false;
    import("@signalbox/ui/code-lines").then(
      ({ colouredLines }) => {
        if (!isOver) setKnown({ lines, tokens: colouredLines(lines.join("\n"), language) });
      },
      () => undefined, // Without colours it can be read all the same.
    );
    return () => {
      isOver = true;
    };
  }, [lines, language]);
  return known?.lines === lines ? (known.tokens ?? undefined) : undefined;
}
