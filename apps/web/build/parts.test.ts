import { expect, test } from "vitest";
import { partNames, type Chunk } from "./parts.ts";

/** As the bundler leaves it: `name: imports`, with one module of its own; entries are capitalized, the app's own is `App`. */
function chunks(graph: Record<string, readonly string[]>, bytes: Readonly<Record<string, number>> = {}): Chunk[] {
  return Object.entries(graph).map(([name, imports]) => ({
    fileName: name,
    imports,
    isEntry: name === "App",
    isDynamicEntry: name !== "App" && /^[A-Z]/.test(name),
    facadeModuleId: /^[A-Z]/.test(name) ? `/${name}.ts` : null,
    modules: { [`/${name}.ts`]: { renderedLength: bytes[name] ?? 1_000 } },
  }));
}
const names = (graph: Record<string, readonly string[]>, bytes?: Readonly<Record<string, number>>) => {
  const found = partNames(chunks(graph, bytes), "/Home.ts");
  return (name: string) => found.get(`/${name}.ts`);
};

test("what the app's own entry needs is one part, and an entry is none", () => {
  const name = names({ App: ["core", "router"], router: ["core"], core: [], Home: ["core", "list"], Rooms: ["list"], list: [] });
  expect(["App", "core", "router"].map(name)).toEqual(["first", "first", "first"]);
  expect(["Home", "Rooms"].map(name)).toEqual([undefined, undefined]);
  expect(name("list")).toBe("list");
});

test("small pieces that the same pages use are one part, also where one of the pages would do without", () => {
  const name = names({ App: [], Home: [], A: ["x", "y", "z"], B: ["x", "y"], C: ["x", "y"], x: [], y: [], z: [], D: ["z"] }, { y: 2_000 });
  expect([name("x"), name("z")]).toEqual([name("y"), name("y")]);
  expect(name("y")).toBe("y");
});

test("what is large is not loaded by a page that does not need it", () => {
  const name = names({ App: [], Home: [], A: ["x", "big"], B: ["x", "big"], C: ["x"], x: [], big: [] }, { big: 100_000 });
  expect(name("x")).not.toBe(name("big"));
});

test("nothing is merged into what the first screen needs, however small", () => {
  const name = names({ App: [], Home: ["x"], A: ["x", "y"], B: ["x", "y"], x: [], y: [] }, { x: 10, y: 10 });
  expect(name("x")).not.toBe(name("y"));
});

test("two parts with an entry between them stay two: they would import each other in a circle", () => {
  const name = names({ App: [], Home: [], A: ["x"], B: ["x"], x: ["Between"], Between: ["y"], y: [] });
  expect([name("x"), name("y")]).toEqual(["x", "y"]);
});

test("what a merged part imports counts for the pages that then load it", () => {
  // y is small, but cannot run without an entry of 100 KB, which B and C do not need.
  const name = names({ App: [], Home: [], A: ["x", "y"], B: ["x"], C: ["x"], D: ["y"], x: [], y: ["Big"], Big: [] }, { Big: 100_000 });
  expect(name("x")).not.toBe(name("y"));
});

test("parts of the same name are told apart", () => {
  const made = chunks({ App: [], Home: ["one"], A: ["one", "other"], B: ["one", "other"], one: [], other: [] });
  const renamed = made.map((chunk) =>
    chunk.fileName === "one" || chunk.fileName === "other"
      ? { ...chunk, modules: { [`/${chunk.fileName}/index.ts`]: { renderedLength: 9 } } }
      : chunk,
  );
  expect([...partNames(renamed, "/Home.ts").values()].filter((name) => name !== "first").sort()).toEqual(["index", "index-2"]);
});
