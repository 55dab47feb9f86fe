/*
 * Writes docs/reference from what the product itself declares: routes, events, reason codes and
 * settings. `--check` only compares, and fails when a page is behind.
 */
import { EVENT_SCHEMAS } from "@signalbox/contract/events";
import { REASON_CODES } from "@signalbox/contract/gate";
import type { Access, Route } from "@signalbox/contract/route";
import { SHELL_REFUSALS } from "@signalbox/contract/route";
import { ROUTES } from "@signalbox/contract/routes";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { settingsTable } from "../apps/server/src/config/printed.ts";
import { ROOT } from "./step.ts";

const NOTE = "<!-- Written by tools/reference.ts; edit the declarations it reads, not this page. -->\n\n";

function api(): string {
  const groups = Map.groupBy(ROUTES, (route) => route.id.split(".")[0]!);
  const shell = Object.entries(SHELL_REFUSALS)
    .map(([code, status]) => `\`${code}\` ${status}`)
    .join(", ");
  let out = `# HTTP API\n\n${NOTE}The whole contract, with every schema, is served at \`/openapi.json\` (OpenAPI 3.1). Errors are \`{"error":{"code","message","fix"?,"details"?,"request_id"}}\`. Any route may answer ${shell}. Lists take \`limit\` (1–200, default 50) and \`cursor\`, and give \`next_cursor\`. Creates accept \`Idempotency-Key\`.\n`;
  for (const [group, routes] of groups) {
    out += `\n## ${group}\n\n| call | what it does | who | refusals |\n| --- | --- | --- | --- |\n`;
    for (const route of routes)
      out += `| \`${route.method} ${route.path}\`${stream(route)} | ${route.summary} | ${who(route.access)} | ${refusals(route)} |\n`;
  }
  return out;
}

function stream(route: Route): string {
  const answers = { sse: " (server-sent events)", ndjson: " (newline-delimited JSON)", bytes: " (bytes)" };
  const takes = route.upload === undefined ? "" : ` (takes ${route.upload})`;
  return takes + (route.stream === undefined ? "" : answers[route.stream]);
}
function who(access: Access): string {
  if (access === "public") return "everyone";
  if (access === "operator") return "who operates the installation";
  if (access === "person") return "whoever is signed in";
  return `${access.role}${access.scopes.length === 0 ? "" : `, scope ${access.scopes.join(", ")}`}`;
}
function refusals(route: Route): string {
  return (
    Object.entries(route.refusals)
      .map(([code, status]) => `\`${code}\` ${status}`)
      .join(", ") || "–"
  );
}

function events(): string {
  let out = `# Events\n\n${NOTE}Every change of state is one of these, in the envelope described by \`Event\` of the API. A released shape never changes: new facts get a new type or version. The full JSON Schema is \`packages/contract/events.schema.json\`.\n`;
  const groups = Map.groupBy([...EVENT_SCHEMAS], ([type]) => type.split(".")[0]!);
  for (const [group, members] of groups) {
    out += `\n## ${group}\n\n| type | data |\n| --- | --- |\n`;
    for (const [type, schema] of members) out += `| \`${type}\` | ${fields(schema)} |\n`;
  }
  return out;
}

function fields(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: "output", unrepresentable: "any" }) as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  const required = new Set(json.required ?? []);
  return Object.keys(json.properties ?? {})
    .map((name) => `\`${name}\`${required.has(name) ? "" : "?"}`)
    .join(", ");
}

function reasonCodes(): string {
  const rows = Object.entries(REASON_CODES).map(([code, sentence]) => `| \`${code}\` | ${sentence} |`);
  return `# Reason codes\n\n${NOTE}Why the gate decided as it did. The list only grows.\n\n| code | meaning |\n| --- | --- |\n${rows.join("\n")}\n`;
}

function configuration(): string {
  return `# Configuration\n\n${NOTE}A flag wins over its environment variable, which wins over the default.\n\n${settingsTable()}`;
}

const pages: Record<string, string> = {
  "api.md": api(),
  "events.md": events(),
  "reason-codes.md": reasonCodes(),
  "configuration.md": configuration(),
};

const check = process.argv.includes("--check");
let behind = 0;
await mkdir(join(ROOT, "docs/reference"), { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const path = join(ROOT, "docs/reference", name);
  const now = await readFile(path, "utf8").catch(() => ""); // Absent is behind, too.
  if (now === text) continue;
  behind++;
  if (check) console.error(`docs/reference/${name} is behind what the product declares: node tools/reference.ts`);
  else await writeFile(path, text);
}
process.exitCode = check && behind > 0 ? 1 : 0;
