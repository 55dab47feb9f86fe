/*
 * Content as files below one directory. Written beside, fsynced, renamed, its directory fsynced. Directories are 0700,
 * files 0600.
 */
import { createHash, randomBytes } from "node:crypto";
import { access, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import {
  type Blobs,
  type BlobContent,
  checked,
  checkedWhole,
  cut,
  DEFAULT_MAX_BYTES,
  homeOf,
  keyOf,
  nameOf,
  removeOldDrafts,
} from "../port.ts";

export function diskBlobs(dir: string): Blobs {
  const pathOf = (organizationId: string, sha256: string): string | null => {
    const key = keyOf(organizationId, sha256);
    return key === null ? null : path.join(dir, key);
  };

  return {
    async put(organizationId, content, { maxBytes = DEFAULT_MAX_BYTES, beforeNamed } = {}) {
      const home = path.join(dir, homeOf(organizationId));
      await mkdir(home, { recursive: true, mode: 0o700 });
      const draft = path.join(home, `draft-${randomBytes(12).toString("hex")}`);
      try {
        const { hex, sizeBytes, truncated } = await writeDraft(draft, content, maxBytes);
        const shard = path.join(home, hex.slice(0, 2));
        await mkdir(shard, { recursive: true, mode: 0o700 });
        await beforeNamed?.(`sha256:${hex}`);
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
        const whole = maxBytes === undefined ? Infinity : (await stat(file)).size;
        if (maxBytes === undefined || whole <= maxBytes) return checkedWhole(await readFile(file), sha256);
        const handle = await open(file, "r");
        try {
          const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
          return buffer.subarray(0, bytesRead);
        } finally {
          await handle.close();
        }
      } catch (error) {
        return nullIfMissing(error);
      }
    },

    async stream(organizationId, sha256) {
      const file = pathOf(organizationId, sha256);
      if (file === null) return null;
      try {
        const handle = await open(file, "r");
        return checked(handle.createReadStream(), sha256);
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

    async removeAll(organizationId) {
      await rm(path.join(dir, homeOf(organizationId)), { recursive: true, force: true });
    },

    async removeDrafts(olderThanMs) {
      let removed = 0;
      for (const organization of await namesIn(dir)) removed += await removeOldDrafts(path.join(dir, organization), olderThanMs);
      return removed;
    },

    async *list() {
      for (const organization of await namesIn(dir))
        for (const shard of await namesIn(path.join(dir, organization)))
          for (const hex of await namesIn(path.join(dir, organization, shard))) {
            const name = nameOf(`${organization}/${shard}/${hex}`);
            const found = name === null ? null : await stat(path.join(dir, organization, shard, hex)).catch(nullIfMissing);
            if (name !== null && found !== null) yield { ...name, sizeBytes: found.size };
          }
    },

    async problem() {
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await access(dir, 6);
        return null;
      } catch (error) {
        return `The directory of contents cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown"}): look at its owner and its disk.`;
      }
    },
  };
}

async function writeDraft(file: string, content: BlobContent, maxBytes: number) {
  const seen = { hash: createHash("sha256"), sizeBytes: 0, truncated: false };
  const handle = await open(file, "wx", 0o600);
  try {
    for await (const chunk of cut(content, maxBytes, seen)) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { hex: seen.hash.digest("hex"), sizeBytes: seen.sizeBytes, truncated: seen.truncated };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).toSorted();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return []; // a draft lies beside the shards
    throw error;
  }
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
