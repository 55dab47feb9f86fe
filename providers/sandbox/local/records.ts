/*
 * The record of each sandbox in its folder, for a server that was killed: before it had stored the record, or after.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeCgroup } from "./cgroup.ts";
import { isAlive, killExactly } from "./identity.ts";
import { placesOf, type Places } from "./layout.ts";
import { untilGone, type LocalRecord } from "./sandbox.ts";

export function writeRecord(places: Places, record: LocalRecord): void {
  writeFileSync(`${places.record}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${places.record}.new`, places.record);
}

/** What ended while no server ran (the machine was restarted) left a cgroup and a record behind; its files stay. */
export function forgetTheDead(records: LocalRecord[], dataDir: string): void {
  for (const { id, inner, cgroup } of records) {
    if (isAlive(inner)) continue;
    if (cgroup) removeCgroup(cgroup);
    rmSync(placesOf(dataDir, id).record, { force: true });
  }
}

export function recordsIn(folder: string): LocalRecord[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((id): LocalRecord[] => {
    const record = readRecord(join(folder, id, "sandbox.json"));
    return record ? [record] : [];
  });
}

/** Null when there is none. It is renamed into its place, so it is whole or not there. */
function readRecord(path: string): LocalRecord | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as LocalRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** A server that was killed may have left the sandbox of this id running, without anybody having adopted it. */
export async function endLeftover(places: Places): Promise<void> {
  const record = readRecord(places.record);
  if (!record) return;
  const { inner, cgroup } = record;
  if (killExactly(inner)) await untilGone(() => isAlive(inner));
  if (cgroup) await untilGone(() => !removeCgroup(cgroup));
  rmSync(places.record, { force: true });
}
