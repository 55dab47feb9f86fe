/*
 * What signs cookies and confirmation links: 32 random bytes in `<data-dir>/keys/accounts.key`, 0600,
 * made on first boot. Losing it ends no account: open links and codes become void, and whoever is
 * signed in stays so (a session is its own secret).
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";

export async function openAccountsKey(directory: string): Promise<string> {
  const file = path.join(directory, "accounts.key");
  const found = await read(file);
  if (found !== null) return found;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = path.join(directory, `.accounts-${randomBytes(6).toString("hex")}`);
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

async function read(file: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  if (!/^[0-9a-f]{64}\n?$/.test(text)) throw new Error(`${file} is not a key: restore it from a backup, or remove it to make a new one`);
  return text.trim();
}
