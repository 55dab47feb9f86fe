/* A worker that delivers to one sink, and dies where it is told to. Started by sinks.pg.test.ts. */
import { createLog } from "@signalbox/eventlog/postgres-log";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { systemClock } from "@signalbox/kernel/clock";
import { crashPoint } from "@signalbox/testkit/crash";
import { Pool, type PoolConfig } from "pg";
import { pino } from "pino";
import { openDatabase } from "../../database.ts";
import { createSecrets } from "../secrets/public.ts";
import { createDelivery } from "./delivery.ts";

const [asLog, asApp, keysDirectory, sinkId] = process.argv.slice(2).map((text) => JSON.parse(text)) as [
  PoolConfig,
  PoolConfig,
  string,
  string,
];
const pool = new Pool(asLog);
const log = await createLog({ connection: asLog });
const db = openDatabase(asApp, { connections: 2, onError: () => undefined });
const deps = { log, db, clock: systemClock, logger: pino({ level: "silent" }) };
const delivery = createDelivery({
  ...deps,
  pool,
  secrets: createSecrets({ ...deps, organizations: () => Promise.resolve(["ws_dev"]), keysDirectory }),
  allowPrivate: true,
  maxFailures: 8,
  firstRetryMs: 1000,
  enqueue: (jobs) => enqueueJobs(pool, jobs),
  atDelivery: (step) => crashPoint(step),
});
const { rows } = await pool.query<{ fence: string }>("select nextval('jobs_fence') as fence");
await delivery.run({
  id: "1",
  kind: "sinks.deliver",
  organizationId: "ws_dev",
  payload: { sink_id: sinkId },
  attempt: 1,
  fence: Number(rows[0]!.fence),
  signal: new AbortController().signal,
});
await log.close();
await db.close();
await pool.end();
