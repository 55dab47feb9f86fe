import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("the demo does the main job for real, and everything it claims holds", async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "--json", "demo", "--yes"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise((resolve) => child.on("close", resolve));
  const lines = out.trim().split("\n");
  const report = JSON.parse(lines.at(-1) ?? "null") as { held: boolean; checks: { claim: string; held: boolean; detail: string }[] };
  expect(
    report?.checks?.filter((one) => !one.held),
    err,
  ).toEqual([]);
  expect(code).toBe(0);
  expect(report.checks).toHaveLength(9);
}, 180_000);
