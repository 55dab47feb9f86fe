/*
 * One server per data directory; of a split installation, one process per name.
 *
 *   <data-dir>/server.lock  {"pid", "startTime"}   written whole, by link(2), so that nobody
 *              <name>.lock                          ever reads half of it
 *
 *   absent            → ours
 *   holder is alive   → DataDirInUse (the second server is told who holds it)
 *   holder is dead    → moved aside and taken; its Postgres is adopted by `embedded.ts`
 *
 * Moving aside is a rename, which only one of two rivals can win; the winner then looks again at
 * what it moved, because the other may have taken over between reading and renaming.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isAlive, ownIdentity, type ProcessIdentity } from "./process-identity.ts";

export class DataDirInUse extends Error {
  readonly holder: ProcessIdentity;
  constructor(dataDir: string, holder: ProcessIdentity, name = "server") {
    super(
      `Another Signalbox server (pid ${holder.pid}) is using ${dataDir}${name === "server" ? "" : ` as ${name}`}. ` +
        `Stop it first, or give this one its own directory with --data-dir${name === "server" ? "" : ", or its own name with --node"}.`,
    );
    this.name = "DataDirInUse";
    this.holder = holder;
  }
}

const errnoOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** Returns the release function. Throws `DataDirInUse` when another live server holds the directory. */
export function lockDataDir(dataDir: string, name = "server"): () => void {
  const lock = path.join(dataDir, `${name}.lock`);
  const own = ownIdentity();
  const draft = `${lock}.${own.pid}.new`;
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        linkSync(draft, lock);
        return () => {
          if (isSame(readHolder(lock), own)) rmSync(lock, { force: true });
        };
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
      }
      const holder = readHolder(lock);
      if (holder !== null && isAlive(holder)) throw new DataDirInUse(dataDir, holder, name);
      moveAside(lock, `${lock}.${own.pid}.dead`, dataDir, name);
    }
    throw new Error(`could not take ${lock}: other servers keep taking and leaving it`);
  } finally {
    rmSync(draft, { force: true });
  }
}

function moveAside(lock: string, grave: string, dataDir: string, name: string): void {
  try {
    renameSync(lock, grave);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return; // a rival moved it first
    throw error;
  }
  const moved = readHolder(grave);
  if (moved !== null && isAlive(moved)) {
    // A rival took over in between and is alive: give it back its lock.
    linkSync(grave, lock);
    rmSync(grave);
    throw new DataDirInUse(dataDir, moved, name);
  }
  rmSync(grave, { force: true });
}

function readHolder(file: string): ProcessIdentity | null {
  try {
    const value = JSON.parse(readFileSync(file, "utf8")) as Partial<ProcessIdentity>;
    return typeof value.pid === "number" && typeof value.startTime === "string" ? (value as ProcessIdentity) : null;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return null; // gone, or not ours: nobody alive
    throw error;
  }
}

const isSame = (a: ProcessIdentity | null, b: ProcessIdentity): boolean => a?.pid === b.pid && a.startTime === b.startTime;
