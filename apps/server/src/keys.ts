/* Random keys of this installation: `<data-dir>/keys/<name>.key`, 0600, 32 bytes in hex, made on first use. */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";

export async function openKey(directory: string, name: string): Promise<Buffer> {
  const file = path.join(directory, `${name}.key`);
  const found = await read(file);
  if (found !== null) return found;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = path.join(directory, `.${name}-${randomBytes(6).toString("hex")}`);
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(`${randomBytes(32).toString("hex")}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Two processes at first boot must end with one key: whoever links first wins.
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

async function read(file: string): Promise<Buffer | null> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Error(`the key ${file} is damaged: restore it from a backup, or remove it to make a new one`);
  return Buffer.from(text, "hex");
}
