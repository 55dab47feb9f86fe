/*
 * What is mounted into a sandbox as `/opt/sbx/sandboxd`: the daemon as one plain JavaScript file.
 *
 * Types are stripped with Node's own stripper and the files are linked into one CommonJS script, once per version of
 * the source; doing either at start would cost every sandbox that time. A script starts 3 ms earlier than the same
 * files as ES modules (measured). The version is the hash of the source, so a running sandbox keeps the file that it
 * was started with when the server is updated.
 *
 * Run as a program it writes the file into the folder it is given. That is how the server uses it: the stripper is
 * announced as experimental with a warning, which does not belong in an operator's log.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** In the order in which they are linked: each after those that it imports. */
const FILES = ["wire", "frame", "streams", "mux", "pty", "processes", "files", "browse", "ports", "main"];

const sourceOf = (name: string): string => readFileSync(new URL(`./${name}.ts`, import.meta.url), "utf8");

export function daemonVersion(): string {
  const hash = createHash("sha256");
  // This file too: the same source linked otherwise is another daemon.
  for (const name of [...FILES, "image"]) hash.update(`${name}\0`).update(sourceOf(name)).update("\0");
  return hash.digest("hex").slice(0, 16);
}

/** `main.cjs` is the entry. */
export function writeDaemon(directory: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const argv = ["--disable-warning=ExperimentalWarning", fileURLToPath(import.meta.url), directory];
    execFile(process.execPath, argv, { env: {} }, (error, _stdout, stderr) => {
      if (error) reject(new Error(`sandboxd could not be prepared: ${stderr.trim()}`, { cause: error }));
      else resolve();
    });
  });
}

/** The native half of node-pty for this host, which sandboxd opens terminals with; null where npm has none for it. */
export function ptyAddon(): string | null {
  try {
    const nodePty = createRequire(import.meta.url).resolve("@lydell/node-pty");
    return createRequire(nodePty).resolve(`@lydell/node-pty-${process.platform}-${process.arch}/pty.node`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}

/** A file as a function of its own scope that returns what it exports; knows the two forms that these files use. */
function linked(name: string): string {
  const exported: string[] = [];
  const body = stripTypeScriptTypes(sourceOf(name))
    .replaceAll(/^import \{([^}]*)\} from "([^"]+)";/gm, (_, list: string, from: string) => {
      const names = list.split(",").map((one) => one.trim().replace(/ as /, ": "));
      const target = from.startsWith("./") ? `linked["${from.slice(2, -".ts".length)}"]` : `require("${from}")`;
      return `const { ${names.filter(Boolean).join(", ")} } = ${target};`;
    })
    .replaceAll(/^export ((?:const|class|(?:async )?function) (\w+))/gm, (_, declaration: string, exportedName: string) => {
      exported.push(exportedName);
      return declaration;
    });
  const unknown = /^(?:import|export)\b.*/m.exec(body);
  if (unknown) throw new Error(`${name}.ts: the linker does not know ${unknown[0]}`);
  return `linked["${name}"] = (() => {\n${body}\nreturn { ${exported.join(", ")} };\n})();\n`;
}

if (import.meta.main) {
  const directory = process.argv[2];
  if (directory === undefined) throw new Error("usage: image.ts <folder>");
  const script = `"use strict";\nconst linked = {};\n${FILES.map(linked).join("")}`;
  writeFileSync(join(directory, "main.cjs"), script, { mode: 0o644 });
}
