/* Run by `without-cgroups.test.ts` as a user without rights: makes a sandbox, looks at its walls, prints what it saw. */
import { DEFAULT_LIMITS } from "../port.ts";
import { isAlive } from "./identity.ts";
import { localSandboxes } from "./provider.ts";
import type { LocalRecord } from "./sandbox.ts";

const dataDir = process.argv[2]!;
const provider = localSandboxes({ dataDir });
const check = await provider.check();
const sandbox = await provider.create({ id: "sbx_user", organizationId: "ws_test", limits: DEFAULT_LIMITS, env: {}, tools: [] });
const shell = async (script: string): Promise<string> =>
  (await sandbox.exec({ argv: ["/bin/sh", "-c", script], timeoutMs: 5000 })).stdout.toString("utf8").trim();
const seen = {
  check,
  uid: await shell("id -u"),
  capabilities: await shell("sed -n 's/^CapBnd:\\t//p' /proc/self/status"),
  dataDir: await shell(`ls ${dataDir} 2>&1 | sed 's/.*: //'`),
  network: await shell("node -e \"require('net').connect(80,'169.254.169.254').on('error',e=>console.log(e.code))\""),
  unshare: await shell("unshare -U true 2>/dev/null && echo allowed || echo refused"),
  file: await shell("echo written > /workspace/f && cat /workspace/f"),
};
await sandbox.stop();
const { inner } = sandbox.record as LocalRecord;
await provider.remove("sbx_user");
process.stdout.write(`${JSON.stringify({ ...seen, aliveAfterStop: isAlive(inner) })}\n`);
