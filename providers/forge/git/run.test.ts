import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { git } from "./run.ts";

let silent: Server;
let url: string;
beforeAll(async () => {
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/r.git`;
});
afterAll(() => {
  silent.close();
});

test("a remote that never answers is a failed git, told in time, and no fault of ours", async () => {
  const began = performance.now();
  const listed = await git(["ls-remote", "--", url], { timeoutMs: 400 });
  expect(listed).toMatchObject({ exitCode: 124, stderr: "git took longer than 0.4 s" });
  expect(performance.now() - began).toBeLessThan(8_000);
});

test("a git that its caller no longer wants is rejected, with the command named", async () => {
  await expect(git(["-C", "/", "ls-remote", "--", url], { signal: AbortSignal.timeout(200) })).rejects.toThrow("git ls-remote did not run");
});
