/* A server's part that imports the shipped session, and dies where it is told to. Started by import-crash.pg.test.ts. */
import { createLog } from "@signalbox/eventlog/postgres-log";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { systemClock } from "@signalbox/kernel/clock";
import { crashPoint } from "@signalbox/testkit/crash";
import { Pool, type PoolConfig } from "pg";
import { pino } from "pino";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { openDatabase } from "../../database.ts";
import { importedRooms, roomsProjection } from "../rooms/rooms.projection.ts";
import { FIRST_SESSION } from "../samples/first-session.ts";
import { createAudit } from "./public.ts";
import { openSigningKeys } from "./signing-key.ts";

const [asLog, asApp, directory] = process.argv.slice(2).map((text) => JSON.parse(text)) as [PoolConfig, PoolConfig, string];
const projections = [roomsProjection, importedRooms];
const log = await createLog({ connection: asLog, enqueue: enqueueJobs, projections });
const db = openDatabase(asApp, { connections: 2, onError: () => undefined });
const logPool = new Pool(asLog);
const { imports } = createAudit({
  driftCheck: null,
  log,
  db,
  clock: systemClock,
  logger: pino({ level: "silent" }),
  logPool,
  keys: await openSigningKeys(directory),
  organizations: () => Promise.resolve(["ws_dev"]),
  visibleRooms: () => Promise.resolve(null),
  isInForce: () => Promise.resolve(false),
  rebuild: () => Promise.resolve([]),
  blobs: diskBlobs(`${directory}/blobs`),
  importsDirectory: `${directory}/imports`,
  projections: () => projections,
  atImport: (step) => crashPoint(step),
});
const origin = { principal: { id: "usr_owner", type: "user" } } as const;
const kept = await imports.keep({ organizationId: "ws_dev", file: FIRST_SESSION, origin, now: systemClock.now() });
process.stdout.write(`${JSON.stringify(kept.ok ? kept.view : kept)}\n`);
await log.close();
await db.close();
await logPool.end();
