import { renameSession, type SessionView } from "@signalbox/contract/sessions";
import { IconButton } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { Pencil } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { useShortcuts } from "../../frame/shortcuts.ts";
import { useLever } from "./lever.ts";

export function SessionTitle({ session, canRename }: { session: SessionView; canRename: boolean }) {
  const [text, setText] = useState<string | null>(null);
  const rename = useLever(
    () => client.call(renameSession, { params: { id: session.id }, body: { title: text?.trim() ?? session.title } }),
    () => setText(null),
  );
  useShortcuts(canRename ? [{ keys: "R", label: "Rename the session", run: () => setText(session.title) }] : []);
  if (text === null) {
    return (
      <h1 className="group flex min-w-0 items-center gap-1.5 font-semibold">
        <span className="clamp-1" title={session.title} onDoubleClick={() => canRename && setText(session.title)}>
          {session.title}
        </span>
        {canRename && (
          <IconButton
            label="Rename the session"
            className="!size-6 opacity-0 group-hover:opacity-100 focus-visible:opacity-100 [@media(hover:none)]:opacity-100"
            onClick={() => setText(session.title)}
          >
            <Pencil size={13} />
          </IconButton>
        )}
      </h1>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() === session.title) setText(null);
        else if (text.trim() !== "") rename.mutate();
      }}
    >
      <input
        autoFocus
        aria-label="Title of the session"
        maxLength={200}
        value={text}
        disabled={rename.isPending}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText(null)}
        onBlur={() => !rename.isPending && setText(null)}
        className={`${inputLook} !py-0.5 font-semibold`}
      />
    </form>
  );
}
