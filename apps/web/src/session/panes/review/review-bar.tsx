/* What waits to be said about lines, and the one button that says it. */
import type { SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Textarea } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { ChevronUp, MessageSquare } from "lucide-react";
import { useState } from "react";
import { KeptComment } from "./kept-comment.tsx";
import type { Review } from "./review.ts";
import { useSendReview } from "./send.ts";

export function ReviewBar({ session, review, canSend }: { session: SessionView; review: Review; canSend: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const [isDropping, setDropping] = useState(false);
  const [note, setNote] = useState("");
  const send = useSendReview(session);
  const { comments } = review;
  if (comments.length === 0) return null;
  return (
    <section aria-label="Review" className="shrink-0 border-t border-line-strong bg-raised">
      {isOpen && (
        <div className="max-h-[40dvh] overflow-y-auto border-b border-line p-2">
          {comments.map((comment) => (
            <KeptComment key={comment.id} comment={comment} review={review} withPlace />
          ))}
          <div className="m-2 max-w-2xl">
            <Textarea
              aria-label="In general"
              placeholder="Something in general (optional)"
              rows={2}
              value={note}
              onChange={(event) => setNote(event.target.value)}
              className="!text-sm"
            />
          </div>
        </div>
      )}
      <div className="flex flex-wrap items-center gap-2 px-3 py-2">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          className="flex min-w-0 flex-1 items-center gap-2 rounded-sm py-1 text-left text-sm font-semibold"
        >
          <MessageSquare size={15} aria-hidden className="shrink-0" />
          <span className="clamp-1">{count(comments.length, "comment")} not sent</span>
          <ChevronUp size={15} aria-hidden className={`shrink-0 text-ink-3 ${isOpen ? "rotate-180" : ""}`} />
        </button>
        <Button size="sm" look="quiet" onClick={() => setDropping(true)}>
          Discard
        </Button>
        <Button
          size="sm"
          look="solid"
          busy={send.isPending}
          disabled={!canSend}
          title={canSend ? undefined : "Nothing can be said to this session now"}
          onClick={() =>
            send.mutate({
              comments,
              note,
              done: () => {
                review.clear();
                setNote("");
                setOpen(false);
              },
            })
          }
        >
          Send the review
        </Button>
      </div>
      {isDropping && (
        <ConfirmDialog
          title={`Discard ${count(comments.length, "comment")}?`}
          description="They were not sent to the agent, and are kept nowhere else."
          confirm="Discard"
          danger
          onConfirm={() => {
            review.clear();
            setDropping(false);
          }}
          onClose={() => setDropping(false)}
        />
      )}
    </section>
  );
}
