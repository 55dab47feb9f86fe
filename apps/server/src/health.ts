/* Green only when every part is. */
import { getHealth } from "@signalbox/contract/system";
import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import type { OpenBlobs } from "./blobs.ts";
import { handle, type BoundRoute } from "./http/handle.ts";
import type { Module } from "./module.ts";

export function healthRoute(
  version: string,
  modules: readonly (readonly [string, Module])[],
  log: PostgresLog,
  blobs: OpenBlobs,
): BoundRoute {
  return handle(getHealth, async () => {
    const parts = await healthParts(modules, log, blobs);
    return { ok: parts.every((part) => part.ok), version, parts };
  });
}

export async function healthParts(modules: readonly (readonly [string, Module])[], log: PostgresLog, blobs: OpenBlobs) {
  const problem = await blobs.recentProblem();
  const parts = [
    { name: "log", ok: await log.isHealthy(), detail: null as string | null },
    { name: "blobs", ok: problem === null, detail: problem },
  ];
  for (const [name, module] of modules) {
    if (module.health === undefined) continue;
    const { ok, detail } = await module.health().catch(() => ({ ok: false, detail: "the check itself failed; see the server's log" }));
    parts.push({ name, ok, detail });
  }
  return parts;
}
