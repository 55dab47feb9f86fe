/* The repository of the demo: a tiny library without dependencies, one of whose tests fails. Every run makes the same commit. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const FILES: Record<string, string> = {
  "package.json": `${JSON.stringify({ name: "invoice", version: "1.0.0", private: true, type: "module", scripts: { test: "node --test" } }, null, 2)}\n`,
  "README.md": "# invoice\n\nSums up an invoice. `npm test` runs the tests.\n",
  "src/invoice.js": `/** What the lines cost before any discount. */
export function subtotal(lines) {
  let sum = 0;
  for (const line of lines) sum += line.price * line.quantity;
  return sum;
}

/** What is to be paid: the subtotal less a discount in per cent. */
export function total(lines, discountPercent = 0) {
  const before = subtotal(lines);
  const discount = (before * discountPercent) / 100;
  return before + discount;
}
`,
  "test/invoice.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { subtotal, total } from "../src/invoice.js";

const lines = [
  { price: 40, quantity: 2 },
  { price: 20, quantity: 1 },
];

test("the subtotal is price times quantity over all lines", () => {
  assert.equal(subtotal(lines), 100);
});

test("no discount leaves the total at the subtotal", () => {
  assert.equal(total(lines), 100);
});

test("a discount makes the total smaller", () => {
  assert.equal(total(lines, 10), 90);
});
`,
};

const SAMPLE_DATE = "2026-01-01T00:00:00Z";

export type SampleRepository = { path: string; branch: string; commit: string; remote: string | undefined };

/**
 * Makes the repository in `directory` (created if missing, must be empty). With `remote`, also a bare repository
 * there, with the same commit, known as `origin`.
 */
export async function createSampleRepository(directory: string, options: { remote?: string | undefined } = {}): Promise<SampleRepository> {
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  const git = async (...args: string[]): Promise<string> => (await run("git", args, { cwd: directory, env: GIT_ENV })).stdout.trim();
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", ".");
  await git("commit", "--quiet", "-m", "Sum up invoices");
  const commit = await git("rev-parse", "HEAD");
  if (options.remote !== undefined) {
    await git("init", "--quiet", "--bare", "--initial-branch=main", options.remote);
    await git("remote", "add", "origin", options.remote);
    await git("push", "--quiet", "--set-upstream", "origin", "main");
  }
  return { path: directory, branch: "main", commit, remote: options.remote };
}

// Nothing of the machine's own git configuration may change the commit.
const GIT_ENV = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "Signalbox sample",
  GIT_AUTHOR_EMAIL: "sample@signalbox.invalid",
  GIT_AUTHOR_DATE: SAMPLE_DATE,
  GIT_COMMITTER_NAME: "Signalbox sample",
  GIT_COMMITTER_EMAIL: "sample@signalbox.invalid",
  GIT_COMMITTER_DATE: SAMPLE_DATE,
};
