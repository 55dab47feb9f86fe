/*
 * Which modules of the app go into one file.
 *
 * Left alone, the bundler makes a file for every set of entries that shares a module. A session's page was 105 of them,
 * and each costs a person far away a place in the queue and every browser some milliseconds. The bundler's own merging of
 * small ones (`entriesAwareMergeThreshold`) looks at size only: it put half the app before the first screen. So here the
 * two that gain most are merged, for as long as what is saved in requests is worth more than what entries then load
 * without needing it:
 *
 * - What the app's own entry needs is one part, with nothing else in it, and nothing is merged into what the first
 *   screen needs beyond that.
 * - An entry (a page, a terminal, a highlighter) and what it alone needs stay a file of their own.
 * - Parts never import each other in a circle: modules run in the order of their imports, as they would one by one.
 */
import { basename } from "node:path";
import { build, type Plugin, type PluginOption, type Rolldown } from "vite";

/** What a request is worth, in bytes before minification: about 4 KB compressed. */
const REQUEST_BYTES = 20_000;

export interface Chunk {
  readonly fileName: string;
  /** Names of the chunks that it cannot run without. */
  readonly imports: readonly string[];
  readonly isEntry: boolean;
  readonly isDynamicEntry: boolean;
  readonly facadeModuleId: string | null;
  readonly modules: Readonly<Record<string, { readonly renderedLength: number }>>;
}

interface Part {
  readonly isEntry: boolean;
  readonly modules: Map<string, number>;
  bytes: number;
  /** The entries that load it. */
  readonly entries: Set<Part>;
  readonly imports: Set<Part>;
}

/** The name of the part that a module is in; those of entries have none. */
export function partNames(chunks: readonly Chunk[], firstScreen: string, requestBytes = REQUEST_BYTES): Map<string, string> {
  const parts = new Map(chunks.map((chunk) => [chunk.fileName, partOf(chunk)]));
  for (const { fileName, imports } of chunks)
    for (const each of imports) {
      const imported = parts.get(each);
      if (imported !== undefined) parts.get(fileName)!.imports.add(imported);
    }
  const entry = parts.get(chunks.find(({ isEntry }) => isEntry)!.fileName)!;
  const first = closure(entry);
  for (const part of parts.values()) if (part.isEntry) for (const each of closure(part)) each.entries.add(part);

  const names = new Map<string, string>();
  for (const { modules } of first) for (const id of modules.keys()) names.set(id, "first");
  const taken = new Set(["first"]);
  const screen = parts.get(chunks.find(({ facadeModuleId }) => facadeModuleId === firstScreen)!.fileName)!;
  for (const { isEntry, modules } of merged(
    [...parts.values()].filter((part) => !first.has(part)),
    screen,
    requestBytes,
  )) {
    if (isEntry) continue;
    const [biggest] = [...modules].reduce((one, other) => (other[1] > one[1] ? other : one));
    const name = unique(basename(biggest).replace(/\.\w+$/, ""), taken);
    for (const id of modules.keys()) names.set(id, name);
  }
  return names;
}

function partOf({ isEntry, isDynamicEntry, modules }: Chunk): Part {
  const lengths = new Map(Object.entries(modules).map(([id, { renderedLength }]) => [id, renderedLength]));
  const bytes = [...lengths.values()].reduce((sum, each) => sum + each, 0);
  return { isEntry: isEntry || isDynamicEntry, modules: lengths, bytes, entries: new Set(), imports: new Set() };
}

function merged(parts: readonly Part[], screen: Part, requestBytes: number): Set<Part> {
  const left = new Set(parts);
  for (;;) {
    const needs = new Map(parts.map((part) => [part, closure(part)]));
    /** What the entries of `more` would load for nothing if they loaded this one. */
    const wasted = (part: Part, more: Part): number => {
      const others = [...more.entries].filter((each) => !part.entries.has(each));
      return others.length === 0 ? 0 : [...needs.get(part)!].reduce((sum, { bytes, entries }) => sum + bytes * without(others, entries), 0);
    };
    const isBetween = (from: Part, to: Part): boolean => [...from.imports].some((each) => each !== to && needs.get(each)?.has(to));
    let best: { readonly one: Part; readonly other: Part; readonly gain: number } | undefined;
    const candidates = [...left].filter(({ isEntry }) => !isEntry);
    for (const [index, one] of candidates.entries())
      for (const other of candidates.slice(index + 1)) {
        if (one.entries.has(screen) !== other.entries.has(screen)) continue;
        const saved = requestBytes * (one.entries.size - without(one.entries, other.entries));
        if (saved <= (best?.gain ?? 0)) continue;
        const gain = saved - wasted(one, other) - wasted(other, one);
        if (gain > (best?.gain ?? 0) && !isBetween(one, other) && !isBetween(other, one)) best = { one, other, gain };
      }
    if (best === undefined) return left;
    left.delete(best.other);
    merge(best.one, best.other, left);
  }
}

/** How many of these the others lack. */
function without(these: Iterable<Part>, others: ReadonlySet<Part>): number {
  let count = 0;
  for (const each of these) if (!others.has(each)) count++;
  return count;
}

function merge(one: Part, other: Part, left: ReadonlySet<Part>): void {
  for (const [id, bytes] of other.modules) one.modules.set(id, bytes);
  one.bytes += other.bytes;
  for (const each of other.imports) one.imports.add(each);
  for (const part of left) if (part.imports.delete(other)) part.imports.add(one);
  one.imports.delete(one);
  for (const each of other.entries) one.entries.add(each);
  for (const needed of closure(one)) for (const each of one.entries) needed.entries.add(each);
}

/** The part itself and everything that it imports, all the way down. */
function closure(part: Part): Set<Part> {
  const found = new Set([part]);
  for (const each of found) for (const imported of each.imports) found.add(imported);
  return found;
}

function unique(name: string, taken: Set<string>): string {
  for (let number = 1; ; number++) {
    const wanted = number === 1 ? name : `${name}-${number}`;
    if (!taken.has(wanted)) return taken.add(wanted) && wanted;
  }
}

/**
 * Builds the app once for the sets alone: what of a module is left, and so what it needs, is known after tree shaking.
 *
 * @param firstScreen the module of the page that is the first screen.
 * @param plugins what the JavaScript of the app needs to be built.
 */
export function parts(firstScreen: string, plugins: () => PluginOption[]): Plugin {
  let names = new Map<string, string>();
  return {
    name: "signalbox:parts",
    apply: "build",
    config: () => ({
      build: {
        rolldownOptions: {
          output: {
            codeSplitting: {
              // What a part imports is another part.
              includeDependenciesRecursively: false,
              groups: [{ debugName: "parts", name: (id) => names.get(id) ?? null }],
            },
          },
        },
      },
    }),
    async configResolved({ root, build: { target } }) {
      const withoutStyles: Plugin = { name: "signalbox:no-styles", enforce: "pre", load: (id) => (id.endsWith(".css") ? "" : null) };
      const result = await build({
        root,
        configFile: false,
        logLevel: "error",
        plugins: [withoutStyles, plugins()],
        build: { write: false, minify: false, ...(target === undefined ? {} : { target }) },
      });
      const { output } = result as Rolldown.RolldownOutput;
      names = partNames(
        output.filter((each) => each.type === "chunk"),
        firstScreen,
      );
    },
  };
}
