/*
 * The private keys that sign checkpoints: Ed25519, files of `<data-dir>/keys` that only the server's
 * user can read.
 *
 *   checkpoint.pem                       made on first boot: the first key of every organization
 *   checkpoint-<organization>-<id>.pem   made by a rotation, before the log says that it is the one
 *
 * Which of them signs is for the log to say (`key-ring.ts`); a file that it never named signs nothing.
 */
import { formatKey, keyId, type VerifierKey } from "@signalbox/verify/note";
import { nodePrimitives } from "@signalbox/verify/node";
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { keptText } from "../../keys.ts";

export interface Signer {
  readonly key: VerifierKey & { readonly text: string };
  sign(text: string | Uint8Array): Uint8Array;
}

export interface SigningKeys {
  /** The first key, as that organization's. */
  first(organizationId: string): Promise<Signer>;
  /** Null when the file is not there. */
  find(organizationId: string, keyId: string): Promise<Signer | null>;
  /** On disk before it resolves; signs nothing until the log names it. */
  create(organizationId: string): Promise<Signer>;
}

export async function openSigningKeys(directory: string): Promise<SigningKeys> {
  const path = join(directory, "checkpoint.pem");
  const firstKey = await kept(path, () => generateKeyPairSync("ed25519").privateKey);
  const first = (organizationId: string): Promise<Signer> => signerWith(organizationId, firstKey);
  const found = new Map<string, Signer>();
  const fileOf = (organizationId: string, id: string): string => {
    if (!/^ws_[0-9A-Za-z]{1,40}$/.test(organizationId) || !/^[0-9a-f]{8}$/.test(id)) throw new Error("not a key of an organization");
    return join(directory, `checkpoint-${organizationId}-${id}.pem`);
  };
  return {
    first,
    async find(organizationId, id) {
      const own = await first(organizationId);
      if (own.key.id === id) return own;
      const name = `${organizationId}/${id}`;
      let signer = found.get(name);
      if (signer !== undefined) return signer;
      const key = await read(fileOf(organizationId, id));
      if (key === null) return null;
      signer = await signerWith(organizationId, key);
      if (signer.key.id !== id)
        throw new Error(`${fileOf(organizationId, id)} holds another key than its name says: restore it from a backup`);
      found.set(name, signer);
      return signer;
    },
    async create(organizationId) {
      const { privateKey } = generateKeyPairSync("ed25519");
      const signer = await signerWith(organizationId, privateKey);
      await kept(fileOf(organizationId, signer.key.id), () => privateKey);
      return signer;
    },
  };
}

async function signerWith(organizationId: string, privateKey: KeyObject): Promise<Signer> {
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32));
  const name = `signalbox/${organizationId}`;
  const key = { name, id: await keyId(nodePrimitives, name, publicKey), publicKey };
  return {
    key: { ...key, text: formatKey(key) },
    sign: (text) => sign(null, typeof text === "string" ? Buffer.from(text) : text, privateKey),
  };
}

/** Null when the file is not there. */
async function read(path: string): Promise<KeyObject | null> {
  try {
    return createPrivateKey(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unreadable(path, error);
  }
}

/** The one in the file; when there is none, that one, on disk. */
async function kept(path: string, privateKey: () => KeyObject): Promise<KeyObject> {
  try {
    return createPrivateKey(await keptText(path, () => privateKey().export({ format: "pem", type: "pkcs8" }) as string));
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, cause: unknown): Error =>
  new Error(`the checkpoint key ${path} cannot be read: restore it from a backup, or remove it and let a new one sign`, { cause });
