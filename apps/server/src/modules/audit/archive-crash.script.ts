/* A worker that archives a room, and dies where it is told to. Started by archive.pg.test.ts. */
import { createHydrate } from "@signalbox/eventlog/archived";
import { createLog } from "@signalbox/eventlog/postgres-log";
import { systemClock } from "@signalbox/kernel/clock";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { crashPoint } from "@signalbox/testkit/crash";
import { Pool, type PoolConfig } from "pg";
import { pino } from "pino";
import { openDatabase } from "../../database.ts";
import { createArchives } from "./archive.ts";

const [asLog, asApp, directory] = process.argv.slice(2).map((text) => JSON.parse(text)) as [PoolConfig, PoolConfig, string];
const logPool = new Pool(asLog);
const blobs = diskBlobs(`${directory}/blobs`);
const log = await createLog({ connection: asLog, hydrate: createHydrate(logPool, blobs.stream) });
const db = openDatabase(asApp, { connections: 2, onError: () => undefined });
const archives = createArchives({
  log,
  db,
  clock: systemClock,
  logger: pino({ level: "silent" }),
  logPool,
  blobs,
  organizations: () => Promise.resolve(["ws_dev"]),
  roomsOver: (_, ids) => Promise.resolve(ids.filter((id) => id === "room_a")),
  atArchive: (step) => crashPoint(step),
});
const payload = { older_than_days: 0 };
const job = {
  id: "1",
  kind: "audit.archive",
  organizationId: "ws_dev",
  payload,
  attempt: 1,
  fence: 1,
  signal: new AbortController().signal,
};
await archives.jobs["audit.archive"](job);
await log.close();
await db.close();
await logPool.end();
