/* The model proxy in a process of its own for `model-proxy.ts`: embedded Postgres with fsync on, real log, ledger and gate. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { migrate } from "../packages/eventlog/src/migrate.ts";
import { createLog } from "../packages/eventlog/src/postgres-log.ts";
import { applyProjectionSchemas } from "../packages/eventlog/src/projection-schema.ts";
import { proxyOn } from "../apps/server/src/modules/models/proxy.fixture.ts";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";
import { MIGRATION_SETS, moduleSchemas } from "../apps/server/src/postgres/schema.ts";
import { createUpstream } from "../providers/model/upstreams.ts";

const upstreamOrigin = process.argv[2];
if (upstreamOrigin === undefined) throw new Error("usage: model-proxy-server.ts <upstream origin>");
const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-bench-"));
const postgres = await startEmbeddedPostgres({ dataDir });
await migrate(postgres.connection, MIGRATION_SETS);
await applyProjectionSchemas(
  postgres.connection,
  moduleSchemas().map((schema) => ({ ...schema, projections: [] })),
);
const upstream = createUpstream({ kind: "openai", name: "openai", apiKey: "sk-bench", baseUrl: `${upstreamOrigin}/v1` });
const bench = await proxyOn(
  (projections) => createLog({ connection: postgres.connection("sb_log"), projections }),
  postgres.connection("sb_app"),
  [upstream],
  {},
);
const sessions = [];
for (let i = 0; i < 16; i++) sessions.push((await bench.session({ cap: Number.MAX_SAFE_INTEGER })).key);
process.stdout.write(`${JSON.stringify({ url: `${bench.origin}/llm/v1/chat/completions`, keys: sessions })}\n`);

process.once("SIGTERM", () => {
  void (async () => {
    await bench.close();
    await bench.log.close();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  })();
});
