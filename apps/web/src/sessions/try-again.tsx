import type { SessionId } from "@signalbox/contract/primitives";
import { promptSession, resumeSession } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { useState } from "react";
import { client, isRefusal } from "../data/api.ts";
import { refreshAttention } from "../needs/attention-queries.ts";

/** Asks the agent of a session whose last turn failed to go on; resumes the session first where it has ended. */
export function TryAgain({ sessionId }: { sessionId: SessionId }) {
  // One press is one message, however often it is sent.
  const [attempt] = useState(() => crypto.randomUUID());
  const again = useMutation({
    mutationFn: async () => {
      const ask = (key: string) =>
        client.call(promptSession, {
          params: { id: sessionId },
          body: { content_md: "The last turn failed. Try again, and go on from where you were." },
          idempotencyKey: key,
        });
      try {
        return await ask(attempt);
      } catch (error) {
        if (!isRefusal(error, "session_ended")) throw error;
        // Its sandbox has gone with the failure; files and conversation are kept.
        await client.call(resumeSession, { params: { id: sessionId }, body: {} });
        return ask(`${attempt}-resumed`);
      }
    },
    onSuccess: () => {
      toast("Asked to try again");
      refreshAttention();
    },
    onError: (error) => toast(error.message, "danger"),
  });
  return (
    <Button busy={again.isPending} onClick={() => again.mutate()}>
      <RotateCcw size={16} aria-hidden /> Try again
    </Button>
  );
}
