import type { ReactNode } from "react";
import { AlertDialog } from "./alert-dialog.tsx";
import { Button } from "./button.tsx";
import { Trouble } from "./trouble.tsx";

/** Asks once more before what cannot be taken back. `confirm` names the deed ("Delete 3 files"), never "OK". */
export function ConfirmDialog({
  title,
  description,
  confirm,
  cancel = "Leave it",
  danger = false,
  busy = false,
  disabled = false,
  error = null,
  onConfirm,
  onClose,
  children,
}: {
  title: string;
  description?: ReactNode;
  confirm: string;
  cancel?: string;
  danger?: boolean;
  busy?: boolean;
  /** There is nothing to confirm yet. */
  disabled?: boolean;
  error?: Error | null;
  onConfirm(): void;
  onClose(): void;
  children?: ReactNode;
}) {
  return (
    <AlertDialog
      title={title}
      description={description}
      onClose={onClose}
      actions={
        <>
          <Button look="quiet" data-focus onClick={onClose}>
            {cancel}
          </Button>
          <Button look={danger ? "alarm" : "solid"} busy={busy} disabled={disabled} onClick={onConfirm}>
            {confirm}
          </Button>
        </>
      }
    >
      {children}
      {error !== null && <Trouble error={error} className="mt-4" />}
    </AlertDialog>
  );
}
