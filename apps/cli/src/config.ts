/*
 * Where the server is and how we prove who we are, first found:
 *
 *   --url, --token  →  SIGNALBOX_URL, SIGNALBOX_TOKEN  →  what `signalbox login` kept for that URL
 *                   →  server.json of the data directory
 *
 * `server.json` (0600) is written by the server that runs on this machine; its token is for that server
 * and goes to no other.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { tokenOf } from "./credentials.ts";
import { UserError } from "./user-error.ts";

export interface ServerAddress {
  readonly url: string;
  readonly token: string;
}

const ServerFile = z.object({ url: z.string(), token: z.string() });

export const dataDirectory = (flag?: string): string =>
  flag ??
  process.env["SIGNALBOX_DATA_DIR"] ??
  (process.getuid?.() === 0 ? "/var/lib/signalbox" : join(homedir(), ".local/share/signalbox"));

export function serverAddress(flags: {
  url?: string | undefined;
  token?: string | undefined;
  dataDir?: string | undefined;
}): ServerAddress {
  const url = flags.url ?? process.env["SIGNALBOX_URL"];
  const token = flags.token ?? process.env["SIGNALBOX_TOKEN"];
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    throw new UserError(
      `"${url}" is not the address of a server.`,
      "It must be an http:// or https:// URL.",
      "For example --url http://127.0.0.1:4400",
    );
  if (url !== undefined && token !== undefined) return { url, token };
  if (url !== undefined) {
    const kept = tokenOf(new URL(url).origin);
    if (kept !== undefined) return { url, token: kept };
  }
  const path = join(dataDirectory(flags.dataDir), "server.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError(
      "No server is known.",
      `Neither --url and --token nor SIGNALBOX_URL and SIGNALBOX_TOKEN are given, and ${path} cannot be read.`,
      "Start one with `npm start`, or name it.",
      { cause },
    );
  }
  const parsed = ServerFile.safeParse(json(text));
  if (!parsed.success)
    throw new UserError(
      `${path} is not what a server writes.`,
      "It was edited or cut off.",
      "Restart the server; it writes the file anew.",
    );
  if (url !== undefined && new URL(url).origin !== new URL(parsed.data.url).origin) {
    throw new UserError(
      `No token for ${url} is given.`,
      `The one of this machine is for ${parsed.data.url} and goes to no other server.`,
      `Run \`signalbox login ${url}\`, or give --token or SIGNALBOX_TOKEN.`,
    );
  }
  return { url: url ?? parsed.data.url, token: token ?? parsed.data.token };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Cut off or edited: the caller says so.
  }
}
