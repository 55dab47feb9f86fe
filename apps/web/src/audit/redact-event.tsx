import { getEvent, redactEvent } from "@signalbox/contract/log";
import { isEventId } from "@signalbox/contract/ids";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Field, Input, Textarea } from "@signalbox/ui/field";
import { toast } from "@signalbox/ui/toasts";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Eraser } from "lucide-react";
import { useState } from "react";
import { summaryOf } from "../events/summary.ts";
import { client, isRefusal, queries } from "../data/api.ts";

/** Erases what one event says, for good. Its place in the chain and its hash stay, so the log still verifies. */
export function RedactEvent({ linked, onDone }: { linked: string | undefined; onDone(): void }) {
  const [isOpen, setOpen] = useState(linked !== undefined);
  const [text, setText] = useState(linked ?? "");
  const [reason, setReason] = useState("");
  const id = text.trim();
  const isEvent = isEventId(id);
  const event = useQuery({
    queryKey: ["event", id],
    queryFn: ({ signal }) => client.call(getEvent, { params: { id }, signal }),
    enabled: isOpen && isEvent,
    retry: false,
  });
  const close = (): void => {
    setOpen(false);
    setText("");
    setReason("");
    redact.reset();
    onDone();
  };
  const redact = useMutation({
    mutationFn: () => client.call(redactEvent, { body: { event_id: id, reason: reason.trim() } }),
    onSuccess: () => {
      toast("Erased; the chain holds without it");
      void queries.invalidateQueries({ queryKey: ["audit", "redactions"] });
      // What was read of it before is not kept here either.
      queries.removeQueries({ queryKey: ["event"] });
      void queries.invalidateQueries({ queryKey: ["events"] });
      close();
    },
  });
  const isReady = event.data !== undefined && reason.trim() !== "";
  const wrong =
    id === "" || isEvent
      ? event.error === null
        ? undefined
        : isRefusal(event.error, "event_not_found")
          ? "There is no such event."
          : event.error.message
      : "An event's id looks like 019a3c5e-…-7…; copy it from the timeline.";
  return (
    <>
      <Button onClick={() => setOpen(true)}>
        <Eraser size={16} aria-hidden /> Redact an event…
      </Button>
      {isOpen && (
        <ConfirmDialog
          title="Erase what an event says?"
          description="For good: nobody can bring it back. Its place, its hash and your reason stay in the log."
          confirm="Erase it"
          danger
          busy={redact.isPending}
          error={redact.error}
          onConfirm={() => isReady && redact.mutate()}
          onClose={close}
        >
          <div className="space-y-4">
            <Field label="Event" error={wrong}>
              {(field) => (
                <Input
                  {...field}
                  spellCheck={false}
                  className="font-mono !text-sm"
                  value={text}
                  onChange={(each) => setText(each.target.value)}
                />
              )}
            </Field>
            {event.data !== undefined && (
              <p className="rounded-md border border-line bg-sunken px-3.5 py-2 text-sm [overflow-wrap:anywhere]">
                <span className="font-mono">{event.data.type}</span> · {summaryOf(event.data)}
              </p>
            )}
            <Field label="Why" hint="It stands in the log with your name.">
              {(field) => <Textarea {...field} rows={2} maxLength={500} value={reason} onChange={(each) => setReason(each.target.value)} />}
            </Field>
          </div>
        </ConfirmDialog>
      )}
    </>
  );
}
