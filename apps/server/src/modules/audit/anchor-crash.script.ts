/* A worker that anchors what was signed, and dies where it is told to. Started by anchors.pg.test.ts. */
import { createLog } from "@signalbox/eventlog/postgres-log";
import { systemClock } from "@signalbox/kernel/clock";
import { gitAnchor } from "@signalbox/providers/anchor/git/git";
import { crashPoint } from "@signalbox/testkit/crash";
import { Pool, type PoolConfig } from "pg";
import { pino } from "pino";
import { openDatabase } from "../../database.ts";
import { createAnchors } from "./anchors.ts";
import { openSigningKeys } from "./signing-key.ts";

const [asLog, asApp, directory] = process.argv.slice(2).map((text) => JSON.parse(text)) as [PoolConfig, PoolConfig, string];
const log = await createLog({ connection: asLog });
const db = openDatabase(asApp, { connections: 2, onError: () => undefined });
const logPool = new Pool(asLog);
const anchors = createAnchors({
  log,
  db,
  clock: systemClock,
  logger: pino({ level: "silent" }),
  logPool,
  keys: await openSigningKeys(directory),
  organizations: () => Promise.resolve(["ws_dev"]),
  anchors: new Map([["git", gitAnchor({ remote: `${directory}/remote.git`, branch: "anchors", directory: `${directory}/script-cache` })]]),
  atAnchor: (step) => crashPoint(step),
});
const payload = { anchor: "git" };
const job = {
  id: "1",
  kind: "audit.anchor",
  organizationId: "ws_dev",
  payload,
  attempt: 1,
  fence: 1,
  signal: new AbortController().signal,
};
await anchors.jobs["audit.anchor"](job);
await log.close();
await db.close();
await logPool.end();
