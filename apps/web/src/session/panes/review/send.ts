import { promptSession, type SessionView } from "@signalbox/contract/sessions";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { useRef } from "react";
import { client, queries } from "../../../data/api.ts";
import { sessionQuery } from "../../../data/queries.ts";
import { promptsKey } from "../../session-source.ts";
import { reviewMessage } from "./message.ts";
import type { ReviewComment } from "./review.ts";

interface Sent {
  readonly comments: readonly ReviewComment[];
  readonly note: string;
  done(): void;
}

/** Says comments to the agent. Tried again with the same words it is the same prompt, whatever became of the first answer. */
export function useSendReview(session: SessionView) {
  const last = useRef({ message: "", key: "" });
  return useMutation({
    mutationFn: ({ comments, note }: Sent) => {
      const message = reviewMessage(comments, note);
      if (last.current.message !== message) last.current = { message, key: crypto.randomUUID() };
      return client.call(promptSession, {
        params: { id: session.id },
        body: { content_md: message },
        idempotencyKey: last.current.key,
      });
    },
    onSuccess: (_, { done, comments }) => {
      last.current = { message: "", key: "" };
      done();
      void queries.invalidateQueries({ queryKey: sessionQuery(session.id).queryKey, exact: true });
      void queries.invalidateQueries({ queryKey: promptsKey(session.id) });
      const what = comments.length === 1 ? "Comment" : `${comments.length} comments`;
      toast(session.current_run === null ? `${what} sent to the agent` : `${what} queued: the agent gets to it after this turn`);
    },
    onError: (error) => toast(error.message, "danger"),
  });
}
