/*
 * What is mounted into a sandbox as `/opt/sbx/sandboxd`: the daemon's files as plain JavaScript.
 *
 * Types are stripped with Node's own stripper, once per version of the source; a bundler was not needed, and
 * stripping at start inside would cost each sandbox 20 ms (measured). The version is the hash of the content,
 * so a running sandbox keeps the files it was started with when the server is updated.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";

const FILES = ["main", "mux", "frame", "wire", "processes", "files"];

export type DaemonImage = { version: string; entry: string; files: { name: string; content: string }[] };

export function daemonImage(): DaemonImage {
  const files = FILES.map((name) => {
    const source = readFileSync(new URL(`./${name}.ts`, import.meta.url), "utf8");
    return { name: `${name}.mjs`, content: stripTypeScriptTypes(source).replaceAll(/(from "\.\/[a-z]+)\.ts"/g, '$1.mjs"') };
  });
  const hash = createHash("sha256");
  for (const file of files) hash.update(file.name).update("\0").update(file.content).update("\0");
  return { version: hash.digest("hex").slice(0, 16), entry: "main.mjs", files };
}
