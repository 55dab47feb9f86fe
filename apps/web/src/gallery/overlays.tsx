import { Button, IconButton } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { ContextMenu } from "@signalbox/ui/context-menu";
import { Dialog } from "@signalbox/ui/dialog";
import { Drawer } from "@signalbox/ui/drawer";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { Field, Input } from "@signalbox/ui/field";
import type { MenuEntry } from "@signalbox/ui/menu";
import { Popover } from "@signalbox/ui/popover";
import { toast } from "@signalbox/ui/toasts";
import { Tooltip } from "@signalbox/ui/tooltip";
import { Archive, Ellipsis, Info, Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { LONG, Specimen, Specimens } from "./specimen.tsx";

export function Overlays() {
  const [open, setOpen] = useState<"dialog" | "confirm" | "drawer" | null>(null);
  const [archived, setArchived] = useState(true);
  const close = (): void => setOpen(null);
  const entries: MenuEntry[] = [
    { kind: "heading", label: "Session" },
    { label: "Rename", icon: <Pencil size={16} />, keys: "r", onSelect: () => toast("Renamed") },
    { label: "Archive", icon: <Archive size={16} />, hint: "Can be brought back", onSelect: () => toast("Archived") },
    { label: "Not now", disabled: true, onSelect: () => undefined },
    { kind: "check", label: "Show archived", checked: archived, onChange: setArchived },
    { kind: "separator" },
    { label: "Delete", icon: <Trash2 size={16} />, tone: "danger", onSelect: () => toast("Deleted") },
  ];
  return (
    <Specimens>
      <Specimen name="Dialog, confirmation, drawer">
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => setOpen("dialog")}>Open a dialog</Button>
          <Button onClick={() => setOpen("confirm")}>Ask for confirmation</Button>
          <Button onClick={() => setOpen("drawer")}>Open a drawer</Button>
        </div>
        {open === "dialog" && (
          <Dialog title="Name the token" description="It is shown in the list, and in the log." onClose={close}>
            <Field label="Name">{(props) => <Input {...props} data-focus />}</Field>
            <div className="mt-5 flex justify-between gap-2">
              <DropdownMenu trigger={<Button look="quiet">More</Button>} entries={entries} />
              <Button look="solid" onClick={close}>
                Make the token
              </Button>
            </div>
          </Dialog>
        )}
        {open === "confirm" && (
          <ConfirmDialog
            title="Delete the session?"
            description={LONG}
            confirm="Delete the session"
            danger
            onConfirm={close}
            onClose={close}
          />
        )}
        {open === "drawer" && (
          <Drawer title="Filters" onClose={close}>
            <Field label="Model">{(props) => <Input {...props} />}</Field>
          </Drawer>
        )}
      </Specimen>
      <Specimen name="Menu, popover, tooltip">
        <div className="flex flex-wrap items-center gap-2">
          <DropdownMenu
            trigger={
              <IconButton label="More deeds" size="icon" look="plain">
                <Ellipsis size={16} />
              </IconButton>
            }
            entries={entries}
          />
          <Popover label="Budget" trigger={<Button>Budget</Button>}>
            <p className="font-semibold">$0.42 of $2.00</p>
            <p className="text-ink-2">The session stops before it spends more.</p>
          </Popover>
          <Tooltip text="What the policy decided, and why" keys="i">
            <IconButton label="Why" size="icon" look="plain">
              <Info size={16} />
            </IconButton>
          </Tooltip>
        </div>
      </Specimen>
      <Specimen name="Context menu">
        <ContextMenu entries={entries}>
          <button type="button" className="w-full rounded-md border border-dashed border-line-strong px-4 py-6 text-sm text-ink-2">
            Right button, long press, or Shift F10
          </button>
        </ContextMenu>
      </Specimen>
      <Specimen name="Toasts">
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => toast("Approved: push to main")}>Plain</Button>
          <Button onClick={() => toast("Dismissed", { action: { label: "Undo", run: () => toast("Back on the list") } })}>With undo</Button>
          <Button onClick={() => toast("Too late: Grace already denied it.", "danger")}>Trouble</Button>
        </div>
      </Specimen>
    </Specimens>
  );
}
