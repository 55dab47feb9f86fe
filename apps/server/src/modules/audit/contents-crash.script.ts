/* A worker that collects orphaned contents, and dies where it is told to. Started by contents.pg.test.ts. */
import { systemClock } from "@signalbox/kernel/clock";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { crashPoint } from "@signalbox/testkit/crash";
import { Pool, type PoolConfig } from "pg";
import { pino } from "pino";
import { createContents } from "./contents.ts";

const [asLog, directory] = process.argv.slice(2).map((text) => JSON.parse(text)) as [PoolConfig, string];
const logPool = new Pool(asLog);
const contents = createContents({
  clock: systemClock,
  logger: pino({ level: "silent" }),
  logPool,
  blobs: diskBlobs(directory),
  contentGraceH: 1,
  atContents: (step) => crashPoint(step),
});
await contents.run(new AbortController().signal);
await logPool.end();
