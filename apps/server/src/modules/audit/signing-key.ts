/*
 * The key that signs checkpoints: Ed25519, made on first boot under `<data-dir>/keys`, readable by
 * the server's user alone. Losing it loses nothing that was signed; new checkpoints then carry a new
 * key, and whoever verifies must be given both public keys.
 */
import { formatKey, keyId, type VerifierKey } from "@signalbox/verify/note";
import { nodePrimitives } from "@signalbox/verify/node";
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

export interface SigningKey {
  /** The verifier key of one organization's checkpoints, as published. */
  verifierKey(organizationId: string): Promise<VerifierKey & { readonly text: string }>;
  sign(text: string): Uint8Array;
}

export async function openSigningKey(directory: string): Promise<SigningKey> {
  const path = join(directory, "checkpoint.pem");
  const privateKey = (await read(path)) ?? (await create(directory, path));
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32));
  return {
    async verifierKey(organizationId) {
      const name = `signalbox/${organizationId}`;
      const key = { name, id: await keyId(nodePrimitives, name, publicKey), publicKey };
      return { ...key, text: formatKey(key) };
    },
    sign: (text) => sign(null, Buffer.from(text), privateKey),
  };
}

async function read(path: string): Promise<KeyObject | null> {
  try {
    return createPrivateKey(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Error(`the checkpoint key ${path} cannot be read: restore it from a backup, or remove it to sign with a new key`, {
      cause: error,
    });
  }
}

async function create(directory: string, path: string): Promise<KeyObject> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync("ed25519");
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  await file.writeFile(privateKey.export({ format: "pem", type: "pkcs8" }));
  await file.sync();
  await file.close();
  try {
    // Two processes at first boot must end with one key: whoever links first wins.
    await link(draft, path);
    return privateKey;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const winner = await read(path);
    if (winner === null) throw error;
    return winner;
  } finally {
    await rm(draft, { force: true });
  }
}
