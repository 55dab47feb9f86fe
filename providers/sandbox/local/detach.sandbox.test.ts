import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_LIMITS, type Sandbox, type SandboxProvider } from "../port.ts";
import { localSandboxes } from "./provider.ts";

let dataDir: string;
let provider: SandboxProvider;
let sandbox: Sandbox;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "signalbox-detach-"));
  await chmod(dataDir, 0o711);
  provider = localSandboxes({ dataDir });
  sandbox = await provider.create({ id: "sbx_detach", organizationId: "ws_dev", limits: DEFAULT_LIMITS, env: {}, tools: [] });
});
afterAll(async () => {
  await sandbox?.stop();
  await provider?.remove("sbx_detach");
  await rm(dataDir, { recursive: true, force: true });
});

const line = (process: { stdout: NodeJS.ReadableStream }): Promise<string> =>
  new Promise((resolve) => process.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString())));

test("a process that is let go of, or attached anew, keeps its standard input; only its end ends it", async () => {
  const first = await sandbox.spawn({ argv: ["cat"], id: "cat" });
  first.stdin.write("one\n");
  expect(await line(first)).toBe("one\n");
  first.detach();
  const second = await sandbox.attach("cat", { stdoutFrom: 4 });
  second.stdin.write("two\n");
  expect(await line(second)).toBe("two\n");
  const third = await sandbox.attach("cat", { stdoutFrom: 8 });
  third.stdin.write("three\n");
  expect(await line(third)).toBe("three\n");
  third.stdin.end();
  expect(await third.exited).toMatchObject({ code: 0 });
});
