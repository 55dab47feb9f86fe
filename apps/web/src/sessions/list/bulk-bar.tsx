import { stopSession, type SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { Archive, ArchiveRestore, Square } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";
import { isEnded } from "../state.ts";
import { archive, unarchive } from "./archive.ts";

/** What can be done with several at once: each by itself, and what does not suit the deed is left alone. */
export function BulkBar({ sessions, onDone }: { sessions: readonly SessionView[]; onDone(): void }) {
  const [isAsking, setAsking] = useState(false);
  const ours = sessions.filter(({ imported }) => imported == null);
  const running = ours.filter(({ status }) => !isEnded(status));
  const ended = ours.filter(({ status, archived }) => isEnded(status) && !archived);
  const archived = ours.filter((each) => each.archived);
  const stop = useMutation({
    mutationFn: () => Promise.allSettled(running.map(({ id }) => client.call(stopSession, { params: { id }, body: {} }))),
    onSuccess: (outcomes) => {
      for (const outcome of outcomes) if (outcome.status === "fulfilled") putSession(outcome.value);
      const failed = outcomes.filter((outcome) => outcome.status === "rejected");
      const stopped = count(outcomes.length - failed.length, "session");
      if (failed.length === 0) toast(`${stopped} stopped`);
      else toast(`${stopped} stopped, ${failed.length} not: ${(failed[0]!.reason as Error).message}`, "danger");
      setAsking(false);
      onDone();
    },
  });
  return (
    <div
      role="region"
      aria-label="What was picked"
      className="soft-shadow sticky bottom-4 z-20 mt-4 flex flex-wrap items-center gap-2 rounded-lg border border-line-strong bg-raised px-4 py-3"
    >
      <p className="mr-auto font-semibold">{sessions.length} picked</p>
      <Button
        disabled={ended.length === 0}
        onClick={() => {
          void archive(ended);
          onDone();
        }}
      >
        <Archive size={16} aria-hidden /> Archive {ended.length > 0 && ended.length}
      </Button>
      {archived.length > 0 && (
        <Button
          onClick={() => {
            void unarchive(archived);
            onDone();
          }}
        >
          <ArchiveRestore size={16} aria-hidden /> Bring back {archived.length}
        </Button>
      )}
      <Button look="danger" disabled={running.length === 0} onClick={() => setAsking(true)}>
        <Square size={16} aria-hidden /> Stop {running.length > 0 && running.length}
      </Button>
      <Button look="quiet" onClick={onDone}>
        Pick none
      </Button>
      {isAsking && (
        <ConfirmDialog
          title={`Stop ${count(running.length, "session")}?`}
          description="Their turns end and their sandboxes are taken down. Conversations, the log and what was pushed stay; they can be resumed later."
          confirm={`Stop ${count(running.length, "session")}`}
          cancel="Keep them running"
          danger
          busy={stop.isPending}
          onConfirm={() => stop.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  );
}
