import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Field, Textarea } from "@signalbox/ui/field";
import { useState, type ReactNode } from "react";

/** Asks why: what is written goes into the log for good. */
export function ReasonDialog({
  title,
  description,
  confirm,
  busy,
  error,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  description: string;
  confirm: string;
  busy: boolean;
  error: Error | null;
  onConfirm(reason: string): void;
  onClose(): void;
  children?: ReactNode;
}) {
  const [reason, setReason] = useState("");
  return (
    <ConfirmDialog
      title={title}
      description={description}
      confirm={confirm}
      danger
      disabled={reason.trim().length < 10}
      busy={busy}
      error={error}
      onConfirm={() => onConfirm(reason.trim())}
      onClose={onClose}
    >
      <div className="space-y-3">
        {children}
        <Field label="Why" hint="At least ten characters; it goes into the log.">
          {(props) => (
            <Textarea {...props} rows={2} maxLength={500} required value={reason} onChange={(event) => setReason(event.target.value)} />
          )}
        </Field>
      </div>
    </ConfirmDialog>
  );
}
