/*
 * The key pair by which push services know this server (RFC 8292): made on first boot as
 * `<data-dir>/keys/vapid.json`, 0600. Losing it loses nothing but the browsers' subscriptions, which
 * are bound to the public key: people turn notes on again.
 */
import path from "node:path";
import webpush from "web-push";
import { z } from "zod";
import { keptText } from "../../keys.ts";

const Keys = z.object({ publicKey: z.string(), privateKey: z.string() });
export type VapidKeys = z.infer<typeof Keys>;

export async function openVapidKeys(directory: string): Promise<VapidKeys> {
  const file = path.join(directory, "vapid.json");
  try {
    return Keys.parse(JSON.parse(await keptText(file, () => JSON.stringify(webpush.generateVAPIDKeys()))));
  } catch (error) {
    throw new Error(`the push key ${file} cannot be read: restore it from a backup, or remove it to make a new one`, { cause: error });
  }
}
