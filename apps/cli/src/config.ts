/*
 * Where the server is and how we prove who we are, first found:
 *
 *   --url, --token  →  SIGNALBOX_URL, SIGNALBOX_TOKEN  →  server.json of the data directory
 *
 * `server.json` (0600) is written by the server that runs on this machine.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "./user-error.ts";

export interface ServerAddress {
  readonly url: string;
  readonly token: string;
}

const ServerFile = z.object({ url: z.string(), token: z.string() });

export const dataDirectory = (flag?: string): string =>
  flag ?? process.env["SIGNALBOX_DATA_DIR"] ?? (process.getuid?.() === 0 ? "/var/lib/signalbox" : join(homedir(), ".local/share/signalbox"));

export function serverAddress(flags: { url?: string | undefined; token?: string | undefined; dataDir?: string | undefined }): ServerAddress {
  const url = flags.url ?? process.env["SIGNALBOX_URL"];
  const token = flags.token ?? process.env["SIGNALBOX_TOKEN"];
  if (url !== undefined && token !== undefined) return { url, token };
  const path = join(dataDirectory(flags.dataDir), "server.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError("No server is known.", `Neither --url and --token nor SIGNALBOX_URL and SIGNALBOX_TOKEN are given, and ${path} cannot be read.`, "Start one with `npm start`, or name it.", { cause });
  }
  const parsed = ServerFile.safeParse(JSON.parse(text));
  if (!parsed.success) throw new UserError(`${path} is not what a server writes.`, "It was edited or cut off.", "Restart the server; it writes the file anew.");
  return { url: url ?? parsed.data.url, token: token ?? parsed.data.token };
}
