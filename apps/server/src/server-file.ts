/* `<data-dir>/server.json` (0600): where the server is and an owner's token, for the CLI on this machine. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

const ServerFile = z.object({ url: z.string(), token: z.string(), pid: z.int() });
export type ServerFile = z.infer<typeof ServerFile>;

const fileIn = (dataDir: string): string => path.join(dataDir, "server.json");

/** Null when there is none that can be used. */
export function readServerFile(dataDir: string): ServerFile | null {
  try {
    return ServerFile.parse(JSON.parse(readFileSync(fileIn(dataDir), "utf8")));
  } catch {
    return null; // absent, or of another version: a new one is written
  }
}

/** Whole or not at all: the CLI may read at any moment. */
export function writeServerFile(dataDir: string, content: ServerFile): void {
  const draft = `${fileIn(dataDir)}.${process.pid}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(content)}\n`, { mode: 0o600, flag: "wx" });
  renameSync(draft, fileIn(dataDir));
}
