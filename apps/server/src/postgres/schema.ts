import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { LOG_MIGRATIONS, type MigrationSet } from "@signalbox/eventlog/migrate";

/** In this order, for ever: a later set may refer to an earlier one's tables. */
export const MIGRATION_SETS: readonly MigrationSet[] = [
  LOG_MIGRATIONS,
  { name: "jobs", directory: path.join(import.meta.dirname, "../../../../packages/jobs/migrations") },
  { name: "server", directory: path.join(import.meta.dirname, "../../migrations") },
];

/** `schema.sql` of every module that has one, by module name; the composition adds their projections. */
export function moduleSchemas(): { readonly name: string; readonly sql: string }[] {
  const modules = path.join(import.meta.dirname, "../modules");
  if (!existsSync(modules)) return [];
  return readdirSync(modules)
    .toSorted()
    .map((name) => ({ name, file: path.join(modules, name, "schema.sql") }))
    .filter(({ file }) => existsSync(file))
    .map(({ name, file }) => ({ name, sql: readFileSync(file, "utf8") }));
}
