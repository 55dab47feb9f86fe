/*
 * The arrows of ARCHITECTURE.md, checked on the imports as they are written:
 *
 *   apps → modules, providers → packages; contract ← kernel ← eventlog, jobs;
 *   web, CLI (and later desktop, mobile) see only client, ui, contract, verify;
 *   a module reaches another only through its `public.ts`; only compose.ts sees everything.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { ROOT } from "./step.ts";

/** What each room of the house may import of the others. Node's own modules are ruled by `PURE`. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "packages/contract": [],
  "packages/kernel": [],
  "packages/eventlog": ["packages/contract", "packages/kernel"],
  "packages/jobs": ["packages/kernel", "packages/eventlog"],
  "packages/client": ["packages/contract"],
  "packages/capability": ["packages/contract"],
  "packages/verify": [],
  "packages/ui": [],
  "packages/sandboxd": [],
  "packages/testkit": ["packages/contract", "packages/kernel", "packages/eventlog", "packages/jobs", "apps/server"],
  providers: ["packages/kernel", "packages/sandboxd"],
  "apps/server": [
    "packages/contract",
    "packages/kernel",
    "packages/eventlog",
    "packages/jobs",
    "packages/verify",
    "packages/capability",
    "packages/sandboxd",
    "providers",
  ],
  "apps/cli": ["packages/client", "packages/contract", "packages/verify", "packages/capability"],
  "apps/web": ["packages/client", "packages/contract", "packages/verify", "packages/ui"],
  tools: ["packages/contract", "packages/client", "packages/verify", "apps/server", "apps/cli", "apps/web"],
};
/** Tests may also use the testkit and stand-ins. */
const TEST_EXTRA = [
  "packages/testkit",
  "packages/client",
  "packages/verify",
  "packages/capability",
  "packages/jobs",
  "packages/eventlog",
  "packages/kernel",
  "packages/contract",
  "providers",
  "apps/server",
];
/** Folders whose non-test code does no I/O: the only `node:` module is the hash function. */
const PURE: Readonly<Record<string, readonly string[]>> = { "packages/contract": [], "packages/kernel": ["node:crypto"] };
/** The contract imports zod, nothing else. */
const ONLY_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "packages/contract": ["zod"],
  "packages/kernel": [],
  "packages/verify": [],
};

const room = (path: string): string | undefined => Object.keys(ARROWS).find((name) => path === name || path.startsWith(`${name}/`));
const isTest = (path: string): boolean =>
  /\.(test|conformance|fixture|script)\.tsx?$|conformance\.ts$|\/e2e\/|fixtures\.ts$|global-setup\.ts$/.test(path);

const problems: string[] = [];
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter(Boolean);

for (const file of files) {
  const from = room(file);
  if (from === undefined) continue;
  let source: string;
  try {
    source = readFileSync(join(ROOT, file), "utf8");
  } catch {
    continue; // Listed by git, deleted in the working tree.
  }
  if (/process\.env\b/.test(source) && file.startsWith("apps/") && !/config(\/read)?\.ts$/.test(file) && !isTest(file))
    problems.push(`${file}: reads process.env outside config.ts`);
  for (const match of source.matchAll(/(import type [^;]*? )?(?:\bfrom |\bimport |\bimport\()"([^"]+)"/g))
    check(file, from, match[2]!, match[1] !== undefined);
}

function check(file: string, from: string, specifier: string, typesOnly: boolean): void {
  const test = isTest(file);
  if (specifier.startsWith("node:")) {
    const pure = PURE[from];
    if (pure !== undefined && !test && !pure.includes(specifier)) problems.push(`${file}: ${from} does no I/O, but imports ${specifier}`);
    return;
  }
  const target = specifier.startsWith(".")
    ? relative(ROOT, join(ROOT, dirname(file), specifier))
    : specifier.startsWith("@signalbox/")
      ? specifier
          .replace(/^@signalbox\/(server|cli|web)\//, "apps/$1/")
          .replace(/^@signalbox\/providers\//, "providers/")
          .replace(/^@signalbox\//, "packages/")
      : null;
  if (target === null) {
    const allowed = ONLY_PACKAGES[from];
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    if (allowed !== undefined && !test && !allowed.includes(name)) problems.push(`${file}: ${from} may not depend on ${name}`);
    return;
  }
  const to = room(target);
  if (to !== undefined && to !== from && !ARROWS[from]!.includes(to) && !(test && TEST_EXTRA.includes(to))) {
    problems.push(`${file}: ${from} may not import ${to} (${specifier})`);
  }
  const module = moduleOf(file);
  const other = moduleOf(target);
  if (module !== null && other !== null && module !== other && !test && !/\/public(\.ts)?$/.test(target)) {
    problems.push(`${file}: reaches into modules/${other}; use its public.ts`);
  }
  if (other !== null && module === null && file !== "apps/server/src/compose.ts" && !test && !typesOnly && from === "apps/server") {
    problems.push(`${file}: only compose.ts sees the modules (${specifier})`);
  }
}

function moduleOf(path: string): string | null {
  return /^apps\/server\/src\/modules\/([^/]+)\//.exec(path)?.[1] ?? null;
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) console.error(`${problems.length} imports against the arrows of ARCHITECTURE.md`);
process.exitCode = problems.length === 0 ? 0 : 1;
