/*
 * A server that makes a sandbox and is then killed: run as a process of its own by `restart.test.ts`.
 * argv: data directory. Prints one line of JSON when the sandbox works, then waits to be killed.
 */
import { DEFAULT_LIMITS } from "../port.ts";
import { localSandboxes } from "./provider.ts";

const dataDir = process.argv[2]!;
const sandbox = await localSandboxes({ dataDir }).create({
  id: "sbx_restart",
  organizationId: "ws_test",
  limits: DEFAULT_LIMITS,
  env: {},
  tools: [],
});
const counter = await sandbox.spawn({ id: "counter", argv: ["/bin/sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done"] });
const first = await new Promise<string>((resolve) => counter.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString("utf8"))));
const descriptors = (
  await sandbox.exec({ argv: ["/bin/sh", "-c", "readlink /proc/self/fd/* /proc/2/fd/*"], timeoutMs: 5000 })
).stdout.toString("utf8");
process.stdout.write(`${JSON.stringify({ descriptors, record: sandbox.record, bytes: Buffer.byteLength(first), first })}\n`);
setInterval(() => undefined, 1000);
