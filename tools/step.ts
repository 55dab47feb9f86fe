/* The named steps of `npm run check` and `npm test`: each a program that must exit 0. */
import { spawn } from "node:child_process";
import { dirname } from "node:path";

export const ROOT = dirname(import.meta.dirname);

export interface Step {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

/** What `npm run check` runs; all of it under 30 s on two cores. */
export const CHECKS: readonly Step[] = [
  { name: "format", argv: ["oxfmt", "--check"] },
  { name: "lint", argv: ["oxlint", "--type-aware"] },
  { name: "types", argv: ["tsc", "-p", "."] },
  { name: "types of the web app", argv: ["tsc", "-p", "apps/web"] },
  { name: "types of the browser tests", argv: ["tsc", "-p", "apps/web/e2e"] },
  { name: "boundaries", argv: ["node", "tools/boundaries.ts"] },
  { name: "dead code", argv: ["knip"] },
  { name: "contract", argv: ["node", "tools/contract.ts", "--check"] },
  { name: "reference", argv: ["node", "tools/reference.ts", "--check"] },
];

/** Prints the step's output only when it fails. Resolves to whether it passed. */
export async function passes(step: Step): Promise<boolean> {
  const began = performance.now();
  const chunks: Buffer[] = [];
  const code = await new Promise<number | null>((resolve) => {
    const child = spawn(step.argv[0], step.argv.slice(1), { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", (error) => {
      chunks.push(Buffer.from(error.message));
      resolve(null);
    });
    child.on("close", resolve);
  });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${step.name} (${seconds} s)`);
  if (code !== 0) console.log(Buffer.concat(chunks).toString());
  return code === 0;
}
