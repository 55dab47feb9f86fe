import type { SessionView } from "@signalbox/contract/sessions";
import { IconButton } from "@signalbox/ui/button";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import type { MenuEntry } from "@signalbox/ui/menu";
import { toast } from "@signalbox/ui/toasts";
import { useNavigate } from "@tanstack/react-router";
import { Archive, ArchiveRestore, Download, Ellipsis, Hash, MessagesSquare, OctagonX, RotateCcw, Share2, Trash2 } from "lucide-react";
import { useState } from "react";
import { useShortcuts } from "../../frame/shortcuts.ts";
import { archive, unarchive } from "../../sessions/list/archive.ts";
import { isEnded } from "../../sessions/state.ts";
import { DeleteDialog, StopDialog } from "./ending-dialogs.tsx";
import { exportRoom } from "./export-room.ts";
import { ShareDialog } from "./share-dialog.tsx";

export function SessionMenu({ session, isImported, onResume }: { session: SessionView; isImported: boolean; onResume(): void }) {
  const navigate = useNavigate();
  const [dialog, setDialog] = useState<"stop" | "share" | "delete" | null>(null);
  const ended = isEnded(session.status);
  const canStop = !ended && !isImported;
  const copy = (what: string, text: string): void =>
    void navigator.clipboard.writeText(text).then(
      () => toast(`${what} copied`),
      () => toast("The browser does not let this page copy", "danger"),
    );
  useShortcuts([
    ...(canStop ? [{ keys: ".", label: "Stop the session", run: () => setDialog("stop") }] : []),
    ...(isImported ? [] : [{ keys: "S", label: "Share the session", run: () => setDialog("share") }]),
  ]);
  const entries: MenuEntry[] = [
    ...(isImported ? [] : [{ label: "Share…", icon: <Share2 size={15} />, keys: "S", onSelect: () => setDialog("share") }]),
    {
      label: "Open in its room",
      icon: <MessagesSquare size={15} />,
      onSelect: () => void navigate({ to: "/rooms/$roomId", params: { roomId: session.room_id } }),
    },
    {
      label: "Export the log",
      icon: <Download size={15} />,
      hint: "Every event with its hash, one a line",
      onSelect: () => {
        toast("Collecting the events…");
        void exportRoom(session).catch((error: unknown) => toast(error instanceof Error ? error.message : String(error), "danger"));
      },
    },
    { kind: "separator" },
    { label: "Copy the session's id", icon: <Hash size={15} />, onSelect: () => copy("Id of the session", session.id) },
    { label: "Copy the room's id", icon: <Hash size={15} />, onSelect: () => copy("Id of the room", session.room_id) },
    ...(isImported
      ? []
      : ([
          { kind: "separator" },
          ...(ended || session.status === "paused" ? [{ label: "Resume", icon: <RotateCcw size={15} />, onSelect: onResume }] : []),
          ...(canStop
            ? [{ label: "Stop…", icon: <OctagonX size={15} />, keys: ".", tone: "danger" as const, onSelect: () => setDialog("stop") }]
            : []),
          session.archived
            ? { label: "Bring back from the archive", icon: <ArchiveRestore size={15} />, onSelect: () => void unarchive([session]) }
            : {
                label: "Archive",
                icon: <Archive size={15} />,
                disabled: !ended,
                ...(ended ? {} : { hint: "Once it has ended" }),
                onSelect: () => {
                  void archive([session]);
                  void navigate({ to: "/sessions" });
                },
              },
          {
            label: "Delete…",
            icon: <Trash2 size={15} />,
            tone: "danger" as const,
            disabled: !ended,
            ...(ended ? {} : { hint: "Once it has ended" }),
            onSelect: () => setDialog("delete"),
          },
        ] satisfies MenuEntry[])),
  ];
  return (
    <>
      <DropdownMenu
        align="end"
        trigger={
          <IconButton label="More about this session">
            <Ellipsis size={18} />
          </IconButton>
        }
        entries={entries}
      />
      {dialog === "stop" && <StopDialog session={session} onClose={() => setDialog(null)} />}
      {dialog === "share" && <ShareDialog session={session} onClose={() => setDialog(null)} />}
      {dialog === "delete" && <DeleteDialog session={session} onClose={() => setDialog(null)} />}
    </>
  );
}
