/* Changed files as they are in the sandbox, for the lines between the hunks. Read when somebody asks for such lines. */
import type { SessionId } from "@signalbox/contract/primitives";
import { readFile } from "@signalbox/contract/workbench";
import { toast } from "@signalbox/ui/toasts";
import { useState } from "react";
import { client } from "../../../data/api.ts";
import type { DiffFile } from "./diff.ts";
import { fits, type ChangedFile } from "./rows.ts";

type Known = ReadonlyMap<string, { readonly patch: DiffFile; readonly lines: readonly string[] }>;

export function useContents(sessionId: SessionId): {
  of(file: ChangedFile): readonly string[] | null;
  /** False when it cannot be read, or is not what the diff talks about; that has been said then. */
  read(file: ChangedFile): Promise<boolean>;
} {
  const [known, setKnown] = useState<Known>(new Map());
  return {
    of(file) {
      const found = known.get(file.path);
      return found !== undefined && found.patch === file.patch ? found.lines : null;
    },
    async read(file) {
      const { patch, path } = file;
      if (patch === null) return false;
      if (known.get(path)?.patch === patch) return true;
      try {
        const answer = await client.call(readFile, { params: { id: sessionId }, query: { path } });
        if (answer.encoding !== "utf8" || answer.binary || answer.truncated) {
          toast("That file is too long or not text: only the diff can be shown", "danger");
          return false;
        }
        const lines = answer.content.split("\n");
        if (lines.at(-1) === "") lines.pop();
        if (!fits(patch, lines)) {
          toast("The agent has changed the file since: its lines do not fit this diff any more", "danger");
          return false;
        }
        setKnown((before) => new Map(before).set(path, { patch, lines }));
        return true;
      } catch (error) {
        toast(error instanceof Error ? error.message : String(error), "danger");
        return false;
      }
    },
  };
}
