/*
 * Large and erasable content: files named by the sha256 of their bytes, one tree per organization
 * (no sharing across organizations, so nobody learns from a hash what others have).
 *
 *   <dir>/<organization>/<first two hex digits>/<hex>
 *
 * A blob is complete and on disk before its name exists (written beside, fsynced, renamed, its
 * directory fsynced), and it exists before the event that refers to it is appended. A crash in
 * between leaves an orphan, never a dangling reference. Directories are 0700, files 0600.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";

export interface Blobs {
  /** Keeps at most `maxBytes`; what comes after is dropped and said so. Default 256 MiB. */
  put(
    organizationId: string,
    content: string | Uint8Array | AsyncIterable<Uint8Array>,
    options?: { readonly maxBytes?: number },
  ): Promise<StoredBlob>;
  /** Null when there is none; at most the first `maxBytes`. */
  get(organizationId: string, sha256: string, options?: { readonly maxBytes?: number }): Promise<Buffer | null>;
  sizeOf(organizationId: string, sha256: string): Promise<number | null>;
  /** Everything of an organization that was deleted. */
  removeAll(organizationId: string): Promise<void>;
  /** Gone for good once it resolves; nothing when there is none. */
  erase(organizationId: string, sha256: string): Promise<void>;
}
export interface StoredBlob {
  /** `sha256:<hex>` of what was kept. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly truncated: boolean;
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;

export function createBlobs(dir: string): Blobs {
  const root = (organizationId: string): string => {
    if (!/^ws_[0-9A-Za-z]{1,40}$/.test(organizationId)) throw new Error("not an organization id");
    return path.join(dir, organizationId);
  };
  const pathOf = (organizationId: string, sha256: string): string | null => {
    const hex = /^sha256:([0-9a-f]{64})$/.exec(sha256)?.[1];
    return hex === undefined ? null : path.join(root(organizationId), hex.slice(0, 2), hex);
  };

  return {
    async put(organizationId, content, { maxBytes = DEFAULT_MAX_BYTES } = {}) {
      const home = root(organizationId);
      await mkdir(home, { recursive: true, mode: 0o700 });
      const draft = path.join(home, `draft-${randomBytes(12).toString("hex")}`);
      try {
        const { hex, sizeBytes, truncated } = await writeDraft(draft, content, maxBytes);
        const shard = path.join(home, hex.slice(0, 2));
        await mkdir(shard, { recursive: true, mode: 0o700 });
        await rename(draft, path.join(shard, hex));
        await syncDirectory(shard);
        await syncDirectory(home);
        return { sha256: `sha256:${hex}`, sizeBytes, truncated };
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },

    async get(organizationId, sha256, { maxBytes } = {}) {
      const file = pathOf(organizationId, sha256);
      if (file === null) return null;
      try {
        if (maxBytes === undefined) return await readFile(file);
        const handle = await open(file, "r");
        try {
          const size = Math.min(maxBytes, (await handle.stat()).size);
          const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
          return buffer.subarray(0, bytesRead);
        } finally {
          await handle.close();
        }
      } catch (error) {
        return nullIfMissing(error);
      }
    },

    async erase(organizationId, sha256) {
      const file = pathOf(organizationId, sha256);
      if (file === null) return;
      try {
        await rm(file);
        await syncDirectory(path.dirname(file));
      } catch (error) {
        nullIfMissing(error);
      }
    },

    async sizeOf(organizationId, sha256) {
      const file = pathOf(organizationId, sha256);
      if (file === null) return null;
      try {
        return (await stat(file)).size;
      } catch (error) {
        return nullIfMissing(error);
      }
    },

    removeAll: (organizationId) => rm(root(organizationId), { recursive: true, force: true }),
  };
}

async function writeDraft(file: string, content: string | Uint8Array | AsyncIterable<Uint8Array>, maxBytes: number) {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let truncated = false;
  const handle = await open(file, "wx", 0o600);
  try {
    for await (const chunk of chunksOf(content)) {
      const kept = chunk.subarray(0, maxBytes - sizeBytes);
      hash.update(kept);
      if (kept.length > 0) await handle.writeFile(kept);
      sizeBytes += kept.length;
      if (kept.length < chunk.length) {
        truncated = true;
        break;
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { hex: hash.digest("hex"), sizeBytes, truncated };
}

async function* chunksOf(content: string | Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (typeof content === "string") yield Buffer.from(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}

/** A rename is durable once its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function nullIfMissing(error: unknown): null {
  if ((error as { code?: string }).code === "ENOENT") return null;
  throw error;
}
