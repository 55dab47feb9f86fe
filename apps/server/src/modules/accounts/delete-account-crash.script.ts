/* A server that is asked to delete several accounts at once, and dies with each of them behind another step. Started by delete-account.pg.test.ts. */
import type { PoolConfig } from "pg";
import { startComposed } from "../../composed.fixture.ts";
import type { DeletionStep } from "./delete-account.ts";

const [connections, dataDir, environment, doomed] = process.argv.slice(2).map((text) => JSON.parse(text)) as [
  Record<string, PoolConfig>,
  string,
  Record<string, string>,
  readonly { readonly step: DeletionStep; readonly email: string; readonly cookie: string }[],
];
let arrived: (() => void) | undefined;
let held: DeletionStep | undefined;
const c = await startComposed(
  { connection: (role) => connections[role]! },
  {
    environment,
    dataDir,
    async atDeletion(step) {
      if (step !== held) return;
      held = undefined;
      arrived?.();
      await new Promise<never>(() => undefined);
    },
  },
);
for (const { step, email, cookie } of doomed) {
  const behind = new Promise<void>((resolve) => (arrived = resolve));
  held = step;
  void c
    .call("POST", "/v1/account/delete", { body: { confirm: email }, headers: { origin: "http://localhost", cookie } })
    .then(({ status, body }) => {
      process.stderr.write(`answered before it came behind ${step}: ${status} ${JSON.stringify(body)}\n`);
      process.exit(1);
    });
  await behind;
  process.stdout.write(`${JSON.stringify(step)}\n`);
}
process.kill(process.pid, "SIGKILL");
