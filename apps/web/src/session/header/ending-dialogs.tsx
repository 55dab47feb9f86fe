import { deleteSession } from "@signalbox/contract/session-queue";
import { stopSession, type SessionView } from "@signalbox/contract/sessions";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { inputLook } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { client, queries } from "../../data/api.ts";
import { deletionOf } from "../gone.tsx";
import { useLever } from "./lever.ts";

export function StopDialog({ session, onClose }: { session: SessionView; onClose(): void }) {
  const stop = useLever(() => client.call(stopSession, { params: { id: session.id }, body: {} }), onClose);
  return (
    <ConfirmDialog
      title="Stop this session?"
      description="The turn ends and the sandbox is taken down. The conversation, the log and what was pushed stay; you can resume later."
      confirm="Stop the session"
      cancel="Keep it running"
      danger
      busy={stop.isPending}
      error={stop.error}
      onConfirm={() => stop.mutate()}
      onClose={onClose}
    />
  );
}

/** Its files go with it: while some of them are nowhere else, the name has to be written out. */
export function DeleteDialog({ session, onClose }: { session: SessionView; onClose(): void }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const id = useId();
  const unpushed = session.files_changed.length;
  const drop = useMutation({
    mutationKey: deletionOf(session.id),
    mutationFn: () => client.call(deleteSession, { params: { id: session.id } }),
    onSuccess: () => {
      toast(`Deleted “${session.title}”`);
      void queries.invalidateQueries({ queryKey: ["sessions"] });
      void navigate({ to: "/sessions" });
    },
  });
  const isMeant = unpushed === 0 || typed.trim() === session.title.trim();
  return (
    <ConfirmDialog
      title="Delete this session?"
      description={
        unpushed === 0
          ? "It leaves every list, and its files go. What happened stays in the log."
          : `It leaves every list, and its files go, with changes to ${count(unpushed, "file")} that may not have been pushed. What happened stays in the log.`
      }
      confirm="Delete the session"
      danger
      busy={drop.isPending}
      error={drop.error}
      onConfirm={() => isMeant && drop.mutate()}
      onClose={onClose}
    >
      {unpushed > 0 && (
        <div className="space-y-1.5">
          <label htmlFor={id} className="block text-sm">
            To confirm, write its name: <strong className="select-all">{session.title}</strong>
          </label>
          <input
            id={id}
            data-focus
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            aria-invalid={!isMeant}
            className={inputLook}
          />
        </div>
      )}
    </ConfirmDialog>
  );
}
