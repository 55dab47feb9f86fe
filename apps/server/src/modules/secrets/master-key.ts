/*
 * The master key: `<data-dir>/keys/master-<version>.key`, 32 random bytes in base64, 0600, made when
 * the first secret is kept. The highest version wraps; older ones only unwrap, so a new file is all
 * that a rotation needs. Without its file nothing that it wrapped can be read again.
 */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { keptText } from "../../keys.ts";
import { KEY_BYTES, keyIdOf } from "./envelope.ts";

export interface MasterKey {
  readonly version: number;
  readonly id: string;
  readonly key: Buffer;
}

export interface MasterKeys {
  /** The one that wraps; made when there is none. */
  current(): Promise<MasterKey>;
  /** Or why it cannot be had, in words for the operator. */
  unwrapping(version: number, id: string): Promise<MasterKey | { readonly problem: string }>;
}

const NAME = /^master-(\d{1,6})\.key$/;

export function masterKeys(directory: string): MasterKeys {
  const fileOf = (version: number): string => path.join(directory, `master-${version}.key`);

  async function versions(): Promise<number[]> {
    const names = await readdir(directory).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    });
    return names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  }

  async function read(version: number): Promise<MasterKey | { problem: string }> {
    const file = fileOf(version);
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return {
        problem:
          code === "ENOENT"
            ? `The master key ${file} is missing. Restore it from a backup.`
            : `The master key ${file} cannot be read (${code}). Let the server's user read it.`,
      };
    }
    const key = Buffer.from(text.trim(), "base64");
    if (key.length !== KEY_BYTES) return { problem: `The master key ${file} is damaged. Restore it from a backup.` };
    return { version, id: keyIdOf(key), key };
  }

  return {
    async current() {
      const newest = Math.max(0, ...(await versions()));
      const found = await read(newest > 0 ? newest : await create(directory));
      if ("problem" in found) throw new Error(found.problem);
      return found;
    },
    async unwrapping(version, id) {
      const found = await read(version);
      if ("problem" in found || found.id === id) return found;
      return { problem: `The master key ${fileOf(version)} is another one than the secrets were sealed with. Restore the right one.` };
    },
  };
}

async function create(directory: string): Promise<number> {
  await keptText(path.join(directory, "master-1.key"), () => `${randomBytes(KEY_BYTES).toString("base64")}\n`);
  return 1;
}
