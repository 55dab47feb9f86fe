import { IconButton } from "@signalbox/ui/button";
import { shownName } from "../names.ts";
import { toast } from "@signalbox/ui/toasts";
import { Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { CommentForm } from "./comment-form.tsx";
import { linesOf } from "./message.ts";
import type { Review, ReviewComment } from "./review.ts";

/** A comment that waits to be sent, under its lines or in the review's list. */
export function KeptComment({ comment, review, withPlace = false }: { comment: ReviewComment; review: Review; withPlace?: boolean }) {
  const [isEditing, setEditing] = useState(false);
  if (isEditing)
    return (
      <CommentForm
        from={comment.from}
        to={comment.to}
        text={comment.text}
        isEdit
        onKeep={(text) => {
          review.put({ ...comment, text });
          setEditing(false);
        }}
        onCancel={() => setEditing(false)}
      />
    );
  return (
    <article
      aria-label={`Comment on ${shownName(comment.path)}, ${linesOf(comment)}`}
      className="m-2 flex max-w-2xl items-start gap-2 rounded-md border border-line bg-panel py-2 pr-1.5 pl-3 font-sans text-sm"
    >
      <div className="min-w-0 flex-1">
        {withPlace && (
          <p className="clamp-1 font-mono text-plate text-ink-3" title={shownName(comment.path)}>
            {shownName(comment.path)}
          </p>
        )}
        <p className="text-plate text-ink-3">{linesOf(comment)} · not sent yet</p>
        <p className="whitespace-pre-wrap wrap-anywhere">{comment.text}</p>
      </div>
      <IconButton label="Edit the comment" onClick={() => setEditing(true)}>
        <Pencil size={14} />
      </IconButton>
      <IconButton
        label="Remove the comment"
        onClick={() => {
          review.remove(comment.id);
          toast("Comment removed", { action: { label: "Undo", run: () => review.put(comment) } });
        }}
      >
        <Trash2 size={14} />
      </IconButton>
    </article>
  );
}
