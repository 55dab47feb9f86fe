/*
 * Large and erasable content: named by the sha256 of its bytes, one tree per organization (no sharing across
 * organizations, so nobody learns from a hash what others have).
 *
 *   <organization>/<first two hex digits>/<hex>       organization: ws_…
 *
 * Content is complete and durable before its name exists, and its name exists before an event refers to it: a crash in
 * between leaves an orphan, never a dangling reference. What is read whole is checked against its name.
 */
import { createHash, type Hash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";

export type BlobContent = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface PutOptions {
  /** What comes after is dropped and said so. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Called once the hash is known, before anything is there under its name; what it throws ends the put. */
  readonly beforeNamed?: (sha256: string) => Promise<void>;
}

export interface Blobs {
  put(organizationId: string, content: BlobContent, options?: PutOptions): Promise<StoredBlob>;
  /** Null when there is none; at most the first `maxBytes`. Throws `BlobDamaged`; a part that is not the whole cannot be checked. */
  get(organizationId: string, sha256: string, options?: { readonly maxBytes?: number }): Promise<Buffer | null>;
  /** The whole, in chunks; null when there is none. Throws `BlobDamaged` after the last chunk, so use nothing before its end. */
  stream(organizationId: string, sha256: string): Promise<AsyncIterable<Uint8Array> | null>;
  sizeOf(organizationId: string, sha256: string): Promise<number | null>;
  /** Everything of an organization that was deleted. */
  removeAll(organizationId: string): Promise<void>;
  /** Gone for good once it resolves; nothing when there is none. */
  erase(organizationId: string, sha256: string): Promise<void>;
  /** Removes what a put that died left beside the contents, untouched for `olderThanMs`; how much it was. */
  removeDrafts(olderThanMs: number): Promise<number>;
  /** Everything there is, of all organizations, by name. */
  list(): AsyncIterable<{ readonly organizationId: string; readonly sha256: string; readonly sizeBytes: number }>;
  /** Null while the store answers; else what is wrong and what to do, without a secret. */
  problem(): Promise<string | null>;
}
export interface StoredBlob {
  /** `sha256:<hex>` of what was kept. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly truncated: boolean;
}

/** What is stored under a name is not what the name says. */
export class BlobDamaged extends Error {
  override name = "BlobDamaged";
  readonly sha256: string;
  constructor(sha256: string) {
    super(`the stored content ${sha256} is not what its name says: restore it from a backup`);
    this.sha256 = sha256;
  }
}
/** The store refused, or could not be reached. Worth trying again; the message carries no secret. */
export class BlobsUnavailable extends Error {
  override name = "BlobsUnavailable";
}

export const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;

/** `<organization>/<xx>/<hex>`; null when the hash names nothing. Throws at what is no organization. */
export function keyOf(organizationId: string, sha256: string): string | null {
  const home = homeOf(organizationId);
  const hex = /^sha256:([0-9a-f]{64})$/.exec(sha256)?.[1];
  return hex === undefined ? null : `${home}/${hex.slice(0, 2)}/${hex}`;
}
export function homeOf(organizationId: string): string {
  if (!/^ws_[0-9A-Za-z]{1,40}$/.test(organizationId)) throw new Error("not an organization id");
  return organizationId;
}
/** The other way; null: something else lies there (a draft, a stranger's file). */
export function nameOf(key: string): { readonly organizationId: string; readonly sha256: string } | null {
  const [, organizationId, shard, hex] = /^(ws_[0-9A-Za-z]{1,40})\/([0-9a-f]{2})\/([0-9a-f]{64})$/.exec(key) ?? [];
  return organizationId === undefined || hex === undefined || !hex.startsWith(shard!) ? null : { organizationId, sha256: `sha256:${hex}` };
}

/** Passes chunks on up to `maxBytes`, hashing what it passed; stops the producer there. */
export async function* cut(
  content: BlobContent,
  maxBytes: number,
  seen: { readonly hash: Hash; sizeBytes: number; truncated: boolean },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunksOf(content)) {
    const kept = chunk.subarray(0, maxBytes - seen.sizeBytes);
    seen.hash.update(kept);
    seen.sizeBytes += kept.length;
    if (kept.length > 0) yield kept;
    if (kept.length < chunk.length) {
      seen.truncated = true;
      return;
    }
  }
}
async function* chunksOf(content: BlobContent): AsyncIterable<Uint8Array> {
  if (typeof content === "string") yield Buffer.from(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}

/** `draft-…` of a directory that nobody has written to for so long. */
export async function removeOldDrafts(directory: string, olderThanMs: number): Promise<number> {
  let removed = 0;
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith("draft-")) continue;
    const draft = path.join(directory, name);
    const found = await stat(draft).catch(() => null); // its put may end meanwhile
    if (found === null || Date.now() - found.mtimeMs < olderThanMs) continue;
    await rm(draft, { force: true });
    removed++;
  }
  return removed;
}

/** Throws after the last chunk when they are not what `sha256` names. */
export async function* checked(content: AsyncIterable<Uint8Array>, sha256: string): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest("hex")}` !== sha256) throw new BlobDamaged(sha256);
}
export function checkedWhole(bytes: Buffer, sha256: string): Buffer {
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== sha256) throw new BlobDamaged(sha256);
  return bytes;
}
