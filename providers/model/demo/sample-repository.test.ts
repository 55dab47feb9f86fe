import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { readTestReport } from "./repair.ts";
import { createSampleRepository } from "./sample-repository.ts";

const run = promisify(execFile);

async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-sample-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test("the sample repository is the same commit every time, and its remote has it", async () => {
  const root = await scratch();
  const first = await createSampleRepository(join(root, "a"), { remote: join(root, "a.git") });
  const second = await createSampleRepository(join(root, "b"));
  expect(second.commit).toBe(first.commit);
  const { stdout } = await run("git", ["--git-dir", join(root, "a.git"), "rev-parse", "main"]);
  expect(stdout.trim()).toBe(first.commit);
});

test("exactly one of its tests fails, and the report names it", async () => {
  const { path } = await createSampleRepository(join(await scratch(), "repo"));
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` };
  const failed = await run(process.execPath, ["--test"], { cwd: path, env }).catch((error: { stdout: string }) => error);
  expect(readTestReport(failed.stdout)).toMatchObject({
    status: "failed",
    failed: 1,
    title: "a discount makes the total smaller",
    testFile: expect.stringMatching(/test\/invoice\.test\.js$/) as string,
    detail: "110 !== 90",
  });
});
