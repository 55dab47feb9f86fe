import { renameSession, type SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Input } from "@signalbox/ui/field";
import { toast } from "@signalbox/ui/toasts";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";
import { patchLists } from "./use-sessions.ts";

/** The new name shows at once, with the way back; a refusal brings the old one back. */
async function rename(session: SessionView, title: string, isUndo = false): Promise<void> {
  patchLists(session.id, { title });
  try {
    putSession(await client.call(renameSession, { params: { id: session.id }, body: { title } }));
    if (!isUndo)
      toast(`Renamed: ${title}`, { action: { label: "Undo", run: () => void rename({ ...session, title }, session.title, true) } });
  } catch (error) {
    patchLists(session.id, { title: session.title });
    toast(error instanceof Error ? error.message : "The server does not answer.", "danger");
  }
}

export function RenameDialog({ session, onClose }: { session: SessionView; onClose(): void }) {
  const [title, setTitle] = useState(session.title);
  const isName = title.trim() !== "";
  return (
    <Dialog title="Rename the session" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isName) return;
          if (title.trim() !== session.title) void rename(session, title.trim());
          onClose();
        }}
      >
        <Field label="Name" error={isName ? undefined : "A session needs a name."}>
          {(props) => <Input {...props} data-focus maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} />}
        </Field>
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="solid" disabled={!isName}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
