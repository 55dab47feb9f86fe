/*
 * Writes what the contract says for those who do not read TypeScript: `openapi.json` and
 * `events.schema.json` in packages/contract.
 *
 *   node tools/contract.ts            write both
 *   node tools/contract.ts --check    fail when they are not what the contract says, or when it
 *                                     breaks what the last release promised (packages/contract/released)
 *   node tools/contract.ts --release  make today's the promise
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { breakingEvents, breakingOperations } from "./contract-diff.ts";
import { eventSchemas, openApi } from "./contract-documents.ts";
import { ROOT } from "./step.ts";

const HOME = join(ROOT, "packages/contract");
const version = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version;
const documents = { "openapi.json": openApi(version), "events.schema.json": eventSchemas() };
const [mode] = process.argv.slice(2);

const text = (document: object): string => `${JSON.stringify(document, null, 1)}\n`;
const read = (file: string): string | null => (existsSync(file) ? readFileSync(file, "utf8") : null);

if (mode === "--check") {
  const problems: string[] = [];
  for (const [name, document] of Object.entries(documents)) {
    if (read(join(HOME, name)) !== text(document))
      problems.push(`packages/contract/${name} is not what the contract says; run: node tools/contract.ts`);
  }
  const released = { api: read(join(HOME, "released/openapi.json")), events: read(join(HOME, "released/events.schema.json")) };
  if (released.api !== null) problems.push(...breakingOperations(JSON.parse(released.api), documents["openapi.json"]));
  if (released.events !== null) problems.push(...breakingEvents(JSON.parse(released.events), documents["events.schema.json"]));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} else {
  const target = mode === "--release" ? join(HOME, "released") : HOME;
  mkdirSync(target, { recursive: true });
  for (const [name, document] of Object.entries(documents)) writeFileSync(join(target, name), text(document));
}
