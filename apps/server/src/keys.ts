/* Random keys of this installation, files of `<data-dir>/keys` that only the server's user can read, made on first use. */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";

/** `<name>.key`: 32 random bytes in hex. */
export async function openKey(directory: string, name: string): Promise<Buffer> {
  const file = path.join(directory, `${name}.key`);
  const text = (await keptText(file, () => `${randomBytes(32).toString("hex")}\n`)).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Error(`the key ${file} is damaged: restore it from a backup, or remove it to make a new one`);
  return Buffer.from(text, "hex");
}

/**
 * What the file says; when there is none, what `make` says, on disk before it resolves. Of two
 * processes at first boot both get the same, since whoever links first wins.
 */
export async function keptText(file: string, make: () => string): Promise<string> {
  const found = await read(file);
  if (found !== null) return found;
  const directory = path.dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = path.join(directory, `.${path.basename(file)}-${randomBytes(6).toString("hex")}`);
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(make());
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
    const home = await open(directory, "r");
    await home.sync();
    await home.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const made = await read(file);
  if (made === null) throw new Error(`${file} was written but cannot be read`);
  return made;
}

async function read(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
