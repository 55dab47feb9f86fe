#!/usr/bin/env node
// Runs the CLI under the Node that the checkout pins, whatever `node` is on the PATH.
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
const pinned = join(here, "../../../node_modules/.bin/node");
const node = existsSync(pinned) ? pinned : process.execPath;
const result = spawnSync(node, [join(here, "../src/main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(result.status ?? 1);
