/*
 * What is mounted into a sandbox as `/opt/sbx/sandboxd`: the daemon's files as plain JavaScript.
 *
 * Types are stripped with Node's own stripper, once per version of the source; a bundler was not needed, and
 * stripping at start inside would cost every sandbox that time. The version is the hash of the source, so a running
 * sandbox keeps the files it was started with when the server is updated.
 *
 * Run as a program it writes the files into the folder it is given. That is how the server uses it: the stripper is
 * announced as experimental with a warning, which does not belong in an operator's log.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FILES = ["main", "mux", "streams", "frame", "wire", "processes", "files"];

const sourceOf = (name: string): string => readFileSync(new URL(`./${name}.ts`, import.meta.url), "utf8");

export function daemonVersion(): string {
  const hash = createHash("sha256");
  for (const name of FILES) hash.update(`${name}\0`).update(sourceOf(name)).update("\0");
  return hash.digest("hex").slice(0, 16);
}

/** `main.mjs` is the entry. */
export function writeDaemon(directory: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const argv = ["--disable-warning=ExperimentalWarning", fileURLToPath(import.meta.url), directory];
    execFile(process.execPath, argv, { env: {} }, (error, _stdout, stderr) => {
      if (error) reject(new Error(`sandboxd could not be prepared: ${stderr.trim()}`, { cause: error }));
      else resolve();
    });
  });
}

function strip(name: string): string {
  return stripTypeScriptTypes(sourceOf(name)).replaceAll(/(from "\.\/[a-z]+)\.ts"/g, '$1.mjs"');
}

if (import.meta.main) {
  const directory = process.argv[2];
  if (directory === undefined) throw new Error("usage: image.ts <folder>");
  for (const name of FILES) writeFileSync(join(directory, `${name}.mjs`), strip(name), { mode: 0o644 });
}
