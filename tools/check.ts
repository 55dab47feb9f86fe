import { CHECKS, passes } from "./step.ts";

let failed = 0;
for (const step of CHECKS) if (!(await passes(step))) failed++;
process.exitCode = failed === 0 ? 0 : 1;
