/* What the first screen costs to load, read from the build's own manifest. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const DIST = join(import.meta.dirname, "../dist");
const BUDGET_BYTES = 200 * 1024;

interface Chunk {
  readonly file: string;
  readonly isEntry?: boolean;
  readonly isDynamicEntry?: boolean;
  readonly imports?: readonly string[];
}

function manifest(): Record<string, Chunk> {
  const file = join(DIST, ".vite/manifest.json");
  if (!existsSync(file)) throw new Error("the web app is not built: run `npm -w apps/web run build`");
  return JSON.parse(readFileSync(file, "utf8")) as Record<string, Chunk>;
}

/** The chunk and everything it imports at once. */
function needed(chunks: Record<string, Chunk>, name: string, found = new Set<string>()): Set<string> {
  const chunk = chunks[name];
  if (chunk === undefined || found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const each of chunk.imports ?? []) needed(chunks, each, found);
  return found;
}

test("the first screen, its page included, needs at most 200 KB of compressed JavaScript", () => {
  const chunks = manifest();
  const entry = Object.keys(chunks).find((name) => chunks[name]!.isEntry === true)!;
  const files = needed(chunks, "src/needs/needs-page.tsx", needed(chunks, entry));
  const sizes = [...files].map((file) => [file, gzipSync(readFileSync(join(DIST, file)), { level: 9 }).length] as const);
  const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  expect(files.size).toBeGreaterThan(1);
  expect(total, sizes.map(([file, bytes]) => `${file} ${bytes}`).join("\n")).toBeLessThanOrEqual(BUDGET_BYTES);
});

test("every page is a part of its own, and none of them comes with the first screen", () => {
  const chunks = manifest();
  const entry = Object.keys(chunks).find((name) => chunks[name]!.isEntry === true)!;
  const first = needed(chunks, entry);
  const pages = Object.keys(chunks).filter((name) => name.endsWith("-page.tsx"));
  expect(pages.length).toBeGreaterThanOrEqual(19);
  for (const page of pages) {
    expect(chunks[page]!.isDynamicEntry, page).toBe(true);
    expect(first.has(chunks[page]!.file), page).toBe(false);
  }
});

test("a terminal, a diff, the colours of code and the schemas of the contract wait until they are looked at", () => {
  const chunks = manifest();
  const entry = Object.keys(chunks).find((name) => chunks[name]!.isEntry === true)!;
  const first = [...needed(chunks, "src/needs/needs-page.tsx", needed(chunks, entry))]
    .map((file) => readFileSync(join(DIST, file), "utf8"))
    .join("");
  for (const sign of ["xterm-helper-textarea", "diff-line-old-num", "hljs-", "ZodString"]) expect(first.includes(sign), sign).toBe(false);
});
