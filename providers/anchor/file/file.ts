/* A directory, best on another disk or a file system that only grows: `<dir>/<organization>/<position>.json`, 0600. */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { type Anchor, anchoredLine, AnchorFailed, AnchorOccupied, placeName } from "../port.ts";

export function fileAnchor(directory: string): Anchor {
  const fileOf = (organizationId: string, position: number): string => path.join(directory, `${placeName(organizationId, position)}.json`);
  async function read({ organizationId, position }: { organizationId: string; position: number }): Promise<string | null> {
    try {
      return await readFile(fileOf(organizationId, position), "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return null;
      throw failed(error);
    }
  }
  return {
    where: directory,
    async leave(checkpoint) {
      const file = fileOf(checkpoint.organizationId, checkpoint.position);
      const draft = `${file}.${randomBytes(6).toString("hex")}`;
      const text = anchoredLine(checkpoint);
      try {
        await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
        const handle = await open(draft, "wx", 0o600);
        try {
          await handle.writeFile(text);
          await handle.sync();
        } finally {
          await handle.close();
        }
        // A link, not a rename: what is there stays.
        await link(draft, file);
        const home = await open(path.dirname(file), "r");
        await home.sync();
        await home.close();
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw failed(error);
        if ((await read(checkpoint)) !== text) throw new AnchorOccupied(`Another checkpoint lies in ${file}.`, { cause: error });
      } finally {
        await rm(draft, { force: true }).catch(() => undefined); // what went wrong first is what counts
      }
      return path.basename(file);
    },
    read,
    close: () => Promise.resolve(),
  };

  function failed(error: unknown): AnchorFailed {
    return new AnchorFailed(`${directory} cannot be used (${codeOf(error) ?? "unknown"}): look at its owner and its disk.`, {
      cause: error,
    });
  }
}
const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
