/* Tokens that `signalbox login` got, by server: `~/.signalbox/credentials.json`, for this user alone. */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const Kept = z.record(z.string(), z.string());

const directory = (): string => join(homedir(), ".signalbox");
const file = (): string => join(directory(), "credentials.json");

function read(): Record<string, string> {
  try {
    return Kept.parse(JSON.parse(readFileSync(file(), "utf8")));
  } catch {
    return {}; // Absent, or not ours any more: the next login writes it anew.
  }
}

function write(kept: Record<string, string>): void {
  mkdirSync(directory(), { recursive: true, mode: 0o700 });
  chmodSync(directory(), 0o700);
  const draft = `${file()}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file());
}

export const tokenOf = (origin: string): string | undefined => read()[origin];
export const keepToken = (origin: string, token: string): void => write({ ...read(), [origin]: token });
export function forgetToken(origin: string): boolean {
  const { [origin]: gone, ...rest } = read();
  if (gone !== undefined) write(rest);
  return gone !== undefined;
}
