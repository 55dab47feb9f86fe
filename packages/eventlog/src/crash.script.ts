/* Appends as fast as it can and says what was acknowledged, until somebody kills it. Started by faults.pg.test.ts. */
import type { ClientConfig } from "pg";
import { add, counter, counterSchema, COUNTER_PROJECTIONS, room, target } from "./fixtures.ts";
import { createLog } from "./postgres-log.ts";
import { applyProjectionSchemas } from "./projection-schema.ts";
import type { DatabaseRole } from "./roles.ts";

const connections = JSON.parse(process.argv[2] ?? "{}") as Record<DatabaseRole, ClientConfig>;
await applyProjectionSchemas((role) => connections[role], [counterSchema]);
const log = await createLog({ connection: connections.sb_log, projections: COUNTER_PROJECTIONS });
await Promise.all(
  Array.from({ length: 24 }, async (_, w) => {
    for (;;) {
      const { recorded } = await log.run(counter, target(`w${w}`, room(`w${w % 5}`)), add(0));
      process.stdout.write(`${recorded[0]?.eventId}\n`);
    }
  }),
);
