/*
 * The key pair by which push services know this server (RFC 8292): made on first boot as
 * `<data-dir>/keys/vapid.json`, 0600. Losing it loses nothing but the browsers' subscriptions, which
 * are bound to the public key: people turn notes on again.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import webpush from "web-push";
import { z } from "zod";

const Keys = z.object({ publicKey: z.string(), privateKey: z.string() });
export type VapidKeys = z.infer<typeof Keys>;

export async function openVapidKeys(directory: string): Promise<VapidKeys> {
  const file = path.join(directory, "vapid.json");
  const found = await read(file);
  if (found !== null) return found;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = path.join(directory, `.vapid-${randomBytes(6).toString("hex")}`);
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(JSON.stringify(webpush.generateVAPIDKeys()));
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Two processes at first boot must end with one pair: whoever links first wins.
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const made = await read(file);
  if (made === null) throw new Error(`${file} was written but cannot be read`);
  return made;
}

async function read(file: string): Promise<VapidKeys | null> {
  try {
    return Keys.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Error(`the push key ${file} cannot be read: restore it from a backup, or remove it to make a new one`, { cause: error });
  }
}
