/* What the app costs to load, read from the build and its own manifest. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const DIST = join(import.meta.dirname, "../dist");
const BUDGET_BYTES = 200 * 1024;
/** Each is a place in the queue of a browser that loads six at a time. */
const BUDGET_FILES = 20;

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

test("no page is loaded with more than 20 files of JavaScript, nor a session with what it shows", () => {
  const chunks = manifest();
  const entry = Object.keys(chunks).find((name) => chunks[name]!.isEntry === true)!;
  const counts = Object.keys(chunks)
    .filter((name) => name.endsWith("-page.tsx"))
    .map((name) => [name, needed(chunks, name, needed(chunks, entry)).size] as const);
  expect(counts.filter(([, count]) => count > BUDGET_FILES)).toEqual([]);
  // Its messages and the colours of the code in them; the next to come, the first pane, is one or two more.
  const session = ["src/session/session-page.tsx", "markdown-rendered.tsx", "code-coloured.tsx"].map((end) =>
    Object.keys(chunks).find((name) => name.endsWith(end))!,
  );
  const files = session.reduce((found, name) => needed(chunks, name, found), needed(chunks, entry));
  expect(files.size).toBeLessThanOrEqual(BUDGET_FILES);
});

test("files of JavaScript import each other in no circle", () => {
  const chunks = manifest();
  const done = new Set<string>();
  const circles: string[] = [];
  const follow = (name: string, way: readonly string[]): void => {
    if (way.includes(name)) circles.push([...way.slice(way.indexOf(name)), name].join(" → "));
    if (way.includes(name) || done.has(name)) return;
    for (const each of chunks[name]?.imports ?? []) follow(each, [...way, name]);
    done.add(name);
  };
  for (const name of Object.keys(chunks)) follow(name, []);
  expect(circles).toEqual([]);
});

test("every text of more than 1 KB lies there compressed, and is the same text", () => {
  const texts = readdirSync(DIST, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(css|html|js|json|svg|webmanifest)$/.test(file) && !file.startsWith("."))
    .map((file) => join(DIST, file))
    .filter((file) => statSync(file).size >= 1_024);
  expect(texts.map((file) => file.slice(DIST.length + 1))).toEqual(
    expect.arrayContaining(["index.html", "sw.js", expect.stringMatching(/^assets\/.*\.css$/), expect.stringMatching(/^assets\/.*\.js$/)]),
  );
  for (const file of texts) {
    const bytes = readFileSync(file);
    const [br, gz] = [readFileSync(`${file}.br`), readFileSync(`${file}.gz`)];
    expect(brotliDecompressSync(br).equals(bytes) && gunzipSync(gz).equals(bytes), file).toBe(true);
    expect(Math.max(br.length, gz.length), file).toBeLessThan(bytes.length);
  }
});

test("what is installed with the app is every file but those that are large and can wait", () => {
  const shell = new Set(JSON.parse(/const SHELL = (\[.*?\]);/s.exec(readFileSync(join(DIST, "sw.js"), "utf8"))![1]!) as string[]);
  const chunks = manifest();
  const entry = Object.keys(chunks).find((name) => chunks[name]!.isEntry === true)!;
  for (const file of needed(chunks, "src/needs/needs-page.tsx", needed(chunks, entry))) expect(shell.has(`/${file}`), file).toBe(true);
  const left = Object.keys(chunks).filter((name) => chunks[name]!.file.endsWith(".js") && !shell.has(`/${chunks[name]!.file}`));
  expect(new Set(left.map((name) => name.split("/").at(-1)))).toEqual(
    new Set(["code-lines.ts", "markdown-rendered.tsx", "terminal-pane.tsx"]),
  );
  expect([...shell].filter((path) => /\.(br|gz)$/.test(path))).toEqual([]);
});
