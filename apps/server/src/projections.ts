/* Every module's projections as one: what their tables are, and making them again from the log. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Hydrate } from "@signalbox/eventlog/archived";
import { rebuildAll, type ProjectionSchema, type RebuildProgress, type RebuildReport } from "@signalbox/eventlog/rebuild";
import type { ConnectionFor } from "@signalbox/eventlog/roles";
import { Client } from "pg";
import type { Module } from "./module.ts";

/** A module's tables are named by its folder, for ever. */
export function projectionSchemas(modules: readonly (readonly [string, Module])[]): ProjectionSchema[] {
  return modules.flatMap(([, module]) =>
    module.schemas.map((file, i) => ({
      name: path.basename(path.dirname(file)),
      sql: readFileSync(file, "utf8"),
      projections: i === 0 ? module.projections : [],
    })),
  );
}

export async function rebuildProjections(
  connection: ConnectionFor,
  modules: readonly (readonly [string, Module])[],
  { dryRun, only, onProgress, rest, hydrate }: RebuildRequest & { readonly hydrate: Hydrate },
): Promise<readonly RebuildReport[] | "no_such_projection"> {
  const schemas = projectionSchemas(modules).filter(({ name }) => only === null || only(name));
  if (schemas.length === 0) return "no_such_projection";
  const [client, beside] = [new Client(connection("admin")), new Client(connection("admin"))];
  try {
    for (const one of [client, beside]) {
      one.on("error", () => undefined); // whoever asks it next is told
      await one.connect();
      await one.query("set role sb_owner");
    }
    // At low priority one core is enough.
    return await rebuildAll(client, schemas, { swap: !dryRun, rest, beside: rest === undefined ? beside : undefined, hydrate, onProgress });
  } finally {
    await Promise.all([client.end(), beside.end()]);
  }
}

interface RebuildRequest {
  readonly dryRun: boolean;
  /** By their names; null for all. */
  readonly only: ((projection: string) => boolean) | null;
  readonly onProgress?: ((progress: RebuildProgress) => void) | undefined;
  readonly rest?: number | undefined;
}
