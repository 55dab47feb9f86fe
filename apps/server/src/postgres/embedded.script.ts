/* A server as far as its Postgres goes: starts, says so, and waits to be killed. Started by embedded.pg.test.ts. */
import { startEmbeddedPostgres } from "./embedded.ts";

const postgres = await startEmbeddedPostgres({ dataDir: JSON.parse(process.argv[2] ?? '""') as string, durable: false });
process.stdout.write(`${JSON.stringify({ ready: true, adopted: postgres.adopted })}\n`);
setInterval(() => undefined, 1000);
