/* The whole server in a process of its own for `web.ts` and `time-travel.ts`, on an embedded Postgres, with a session of 10,000 events or more in its log. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startComposed } from "../apps/server/src/composed.fixture.ts";
import { addTurn, beginSession } from "../apps/server/src/modules/sessions/long-session.fixture.ts";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";

const [modelUrl, turns = "210", tools = "20"] = process.argv.slice(2);
if (modelUrl === undefined) throw new Error("usage: web-server.ts <address of an OpenAI-compatible model> [turns [tool calls of each]]");
/** Two events a call and a few around them. */
const [TURNS, TOOLS] = [Number(turns), Number(tools)];
const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-bench-"));
const postgres = await startEmbeddedPostgres({ dataDir });
const composed = await startComposed(
  { connection: postgres.connection },
  {
    environment: {
      OPENAI_COMPATIBLE_BASE_URL: modelUrl,
      SIGNALBOX_SESSION_BUDGET_MICRO_USD: "1000000000",
      SIGNALBOX_SAMPLE_SESSION: "false",
    },
  },
);
const port = await composed.server.listen();
const author = { log: composed.server.log, organizationId: "ws_dev", by: "usr_owner" };
const long = await beginSession(author, { title: "Ten thousand events" });
for (let turn = 1; turn <= TURNS; turn++) await addTurn(author, long, { tools: TOOLS, prompt: `Prompt number ${turn}` });
process.stdout.write(
  `${JSON.stringify({ event: "ready", url: `http://127.0.0.1:${port}`, token: composed.owner, long: long.sessionId })}\n`,
);

process.once("SIGTERM", () => {
  void (async () => {
    await composed.close();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  })();
});
