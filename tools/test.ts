/*
 * `npm test`: the checks, then every Vitest file (unit, Postgres, conformance, end to end in a
 * browser). Arguments go to Vitest and skip the checks: `npm test -- packages/eventlog`.
 * The last line is `N passed, N failed, N skipped`; a check counts as one test.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHECKS, passes, ROOT } from "./step.ts";

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      /** Also those of a first try, when the second one passed. */
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

const only = process.argv.slice(2);
let [passed, failed, skipped] = [0, 0, 0];

for (const step of only.length > 0 ? [] : CHECKS) {
  if (await passes(step)) passed++;
  else failed++;
}

const scratch = mkdtempSync(join(tmpdir(), "signalbox-test-"));
const output = join(scratch, "report.json");
const code = await new Promise<number | string | null>((resolve) => {
  const child = spawn("vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile=${output}`, ...only], {
    cwd: ROOT,
    stdio: "inherit",
  });
  child.on("error", (error) => resolve(error.message));
  child.on("close", (status, signal) => resolve(status ?? signal));
});
try {
  const report = JSON.parse(readFileSync(output, "utf8")) as VitestReport;
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  for (const file of report.testResults) {
    // A file that cannot even be loaded has no tests to count, and is a failure all the same.
    if (file.status === "failed" && file.assertionResults.length === 0) failed++;
    for (const test of file.assertionResults) {
      if (test.status === "pending" || test.status === "skipped") console.log(`skipped: ${test.fullName}`);
      if (test.status === "passed" && (test.failureMessages ?? []).length > 0) {
        console.log(`passed at the second try: ${test.fullName}\n  first: ${test.failureMessages![0]!.split("\n")[0]}`);
      }
    }
  }
} catch (error) {
  console.log(`Vitest left no report (it ended with ${code}): ${error instanceof Error ? error.message : String(error)}`);
  failed++;
}
rmSync(scratch, { recursive: true, force: true });
// A worker that was killed, an unhandled rejection, or nothing run at all: no test failed, and yet it did not pass.
if ((code !== 0 || passed === 0) && failed === 0) failed++;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
