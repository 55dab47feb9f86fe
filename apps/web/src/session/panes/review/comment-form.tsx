import { Button } from "@signalbox/ui/button";
import { inputLook, Textarea } from "@signalbox/ui/field";
import { useState, type KeyboardEvent } from "react";

/** Where a remark about lines is written. `Mod Enter` keeps it for the review; the other button sends it alone, at once. */
export function CommentForm({
  from,
  to,
  text: initial = "",
  isEdit = false,
  isSending = false,
  onRange,
  onKeep,
  onSend,
  onCancel,
}: {
  from: number;
  to: number;
  text?: string;
  isEdit?: boolean;
  isSending?: boolean;
  /** Absent: the lines are settled. */
  onRange?: ((from: number) => void) | undefined;
  onKeep(text: string): void;
  onSend?: ((text: string) => void) | undefined;
  onCancel(): void;
}) {
  const [text, setText] = useState(initial);
  const isEmpty = text.trim() === "";
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    } else if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !isEmpty) {
      event.preventDefault();
      onKeep(text);
    }
  };
  return (
    <form
      aria-label={from === to ? `Comment on line ${to}` : `Comment on lines ${from} to ${to}`}
      onKeyDown={onKeyDown}
      onSubmit={(event) => {
        event.preventDefault();
        if (!isEmpty) onKeep(text);
      }}
      className="soft-shadow m-2 max-w-2xl space-y-2 rounded-md border border-line-strong bg-panel p-3 font-sans text-sm"
    >
      <div className="flex flex-wrap items-center gap-1.5 text-ink-2">
        {onRange === undefined ? (
          from === to ? (
            `Line ${to}`
          ) : (
            `Lines ${from} to ${to}`
          )
        ) : (
          <>
            Lines
            <input
              type="number"
              aria-label="From line"
              min={1}
              max={to}
              value={from}
              onChange={(event) => {
                const value = event.target.valueAsNumber;
                if (Number.isInteger(value) && value >= 1 && value <= to) onRange(value);
              }}
              className={`${inputLook} !w-20 !py-0.5 !text-sm`}
            />
            to {to}
          </>
        )}
      </div>
      <Textarea
        aria-label="Comment"
        placeholder="What should the agent know or do about this?"
        rows={2}
        autoFocus
        value={text}
        onChange={(event) => setText(event.target.value)}
        className="!text-sm"
      />
      <div className="flex flex-wrap justify-end gap-2">
        <Button size="sm" look="quiet" onClick={onCancel}>
          Cancel
        </Button>
        {onSend !== undefined && (
          <Button size="sm" disabled={isEmpty} busy={isSending} onClick={() => onSend(text)}>
            Send at once
          </Button>
        )}
        <Button size="sm" look="solid" type="submit" disabled={isEmpty}>
          {isEdit ? "Keep the change" : "Add to the review"}
        </Button>
      </div>
    </form>
  );
}
