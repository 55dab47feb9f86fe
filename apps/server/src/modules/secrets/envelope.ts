/*
 * Sealing: AES-256-GCM, a fresh nonce for each sealing, and the place that a value belongs to as
 * associated data, so that a row moved to another organization or name does not open there.
 *
 *   sealed = nonce (12) ‖ ciphertext ‖ tag (16)
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const NONCE = 12;
const TAG = 16;
export const KEY_BYTES = 32;

export function seal(key: Buffer, place: string, value: Buffer): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG }).setAAD(Buffer.from(place));
  const text = Buffer.concat([cipher.update(value), cipher.final()]);
  return Buffer.concat([nonce, text, cipher.getAuthTag()]);
}

/** Null when the key, the place or the bytes are not those that it was sealed with. */
export function unseal(key: Buffer, place: string, sealed: Buffer): Buffer | null {
  if (sealed.length < NONCE + TAG) return null;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE), { authTagLength: TAG })
    .setAAD(Buffer.from(place))
    .setAuthTag(sealed.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]);
  } catch {
    return null; // the tag does not match: GCM says no more than that
  }
}

/** Names a key without giving it away. */
export const keyIdOf = (key: Buffer): string => createHash("sha256").update("signalbox/key-id").update(key).digest("hex").slice(0, 16);
