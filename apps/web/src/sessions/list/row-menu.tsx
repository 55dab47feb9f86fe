import { resumeSession, type SessionView } from "@signalbox/contract/sessions";
import { IconButton } from "@signalbox/ui/button";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import type { MenuEntry } from "@signalbox/ui/menu";
import { toast } from "@signalbox/ui/toasts";
import { Archive, ArchiveRestore, Ellipsis, Link2, PanelRight, Pencil, Play, Square, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { client } from "../../data/api.ts";
import { useLever } from "../../session/header/lever.ts";
import { isEnded } from "../state.ts";
import { archive, unarchive } from "./archive.ts";
import { RenameDialog } from "./rename-dialog.tsx";

const StopDialog = lazy(() => import("../../session/header/ending-dialogs.tsx").then(({ StopDialog }) => ({ default: StopDialog })));
const DeleteDialog = lazy(() => import("../../session/header/ending-dialogs.tsx").then(({ DeleteDialog }) => ({ default: DeleteDialog })));

function copyLink(session: SessionView): void {
  navigator.clipboard.writeText(`${window.location.origin}/sessions/${session.id}`).then(
    () => toast("Link copied"),
    () => toast("The browser does not let this page copy", "danger"),
  );
}

export function RowMenu({ session, onPeek }: { session: SessionView; onPeek(): void }) {
  const [asked, setAsked] = useState<"rename" | "stop" | "delete" | null>(null);
  const resume = useLever(
    () => client.call(resumeSession, { params: { id: session.id }, body: {} }),
    ({ title }) => toast(`Comes back: ${title}`),
  );
  const ended = isEnded(session.status);
  // What came with an imported log is read-only; its import is removed as a whole, in the settings.
  const isOurs = session.imported == null;
  const entries: MenuEntry[] = [
    { label: "Peek", icon: <PanelRight size={16} />, keys: "p", onSelect: onPeek },
    { label: "Copy link", icon: <Link2 size={16} />, onSelect: () => copyLink(session) },
  ];
  if (isOurs) {
    entries.push({ label: "Rename…", icon: <Pencil size={16} />, onSelect: () => setAsked("rename") }, { kind: "separator" });
    if (!ended) entries.push({ label: "Stop…", icon: <Square size={16} />, onSelect: () => setAsked("stop") });
    if ((session.status === "stopped" || session.status === "paused") && !session.archived)
      entries.push({ label: "Resume", icon: <Play size={16} />, disabled: resume.isPending, onSelect: () => resume.mutate() });
    if (ended && !session.archived)
      entries.push({ label: "Archive", icon: <Archive size={16} />, keys: "e", onSelect: () => void archive([session]) });
    if (session.archived)
      entries.push({ label: "Bring back", icon: <ArchiveRestore size={16} />, keys: "e", onSelect: () => void unarchive([session]) });
    if (ended) entries.push({ label: "Delete…", icon: <Trash2 size={16} />, tone: "danger", onSelect: () => setAsked("delete") });
  }
  return (
    <>
      <DropdownMenu
        align="end"
        trigger={
          <IconButton label={`More about ${session.title}`}>
            <Ellipsis size={16} />
          </IconButton>
        }
        entries={entries}
      />
      {asked === "rename" && <RenameDialog session={session} onClose={() => setAsked(null)} />}
      <Suspense>
        {asked === "stop" && <StopDialog session={session} onClose={() => setAsked(null)} />}
        {asked === "delete" && <DeleteDialog session={session} onClose={() => setAsked(null)} />}
      </Suspense>
    </>
  );
}
