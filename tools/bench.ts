/*
 * `npm run bench`: runs the measurements of bench/ one after the other and writes their table into
 * bench/README.md. `npm run bench -- append feed` runs only those, and leaves the others' rows. Options go to the benches:
 * after `npm run bench -- web --only memory --minutes 60` what else `web` measures is as it was.
 *
 * Each bench prints, as its last line, {bench, measures: {name: value}, targets: [{target, reached, wanted, ok}]}.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { ROOT } from "./step.ts";

interface Result {
  readonly bench: string;
  /** How quick a core was just before: MB of JSON parsed in a second. Machines of one name differ threefold from day to day. */
  readonly core_mb_per_s?: number;
  readonly measures: Readonly<Record<string, number | string>>;
  readonly targets: readonly {
    readonly target: string;
    readonly reached: number | string | null;
    readonly wanted: string;
    readonly ok: boolean;
  }[];
}

/** In the order of a command's way through the house. */
const BENCHES = [
  "append",
  "http",
  "auth",
  "feed",
  "bus",
  "sync",
  "durable-streams",
  "evidence",
  "time-travel",
  "policy",
  "model-proxy",
  "sandbox",
  "start",
  "web",
] as const;

const BENCH = join(ROOT, "bench");
const RESULTS = join(BENCH, "results");
const asked = process.argv.slice(2);
const firstOption = asked.findIndex((each) => each.startsWith("-"));
const only = firstOption === -1 ? asked : asked.slice(0, firstOption);
const options = firstOption === -1 ? [] : asked.slice(firstOption);

await install();
await mkdir(RESULTS, { recursive: true });
for (const name of BENCHES) {
  if (only.length > 0 && !only.includes(name)) continue;
  console.error(`\n== ${name}`);
  const core_mb_per_s = speedOfACore();
  const result = { ...(await run(name)), core_mb_per_s };
  const before = options.includes("--only") ? await known(name) : null;
  await writeFile(join(RESULTS, `${name}.json`), `${JSON.stringify(before === null ? result : joined(before, result), null, 2)}\n`);
  for (const one of result.targets)
    console.error(`${one.ok ? "ok  " : "MISS"} ${one.target}: ${String(one.reached)} (wanted ${one.wanted})`);
}
await writeFile(join(BENCH, "README.md"), await page());

/** The rivals are dependencies of bench/ alone, so that nobody else installs them. */
async function install(): Promise<void> {
  if (existsSync(join(BENCH, "node_modules"))) return;
  console.error("Installing the rivals …");
  // Not `npm ci`: it refuses the lock because one rival's optional Windows package is in no registry.
  await exec("npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], BENCH);
}

async function run(name: string): Promise<Result> {
  const output = await exec("node", [join(BENCH, `${name}.ts`), ...options], BENCH);
  const last = output.trim().split("\n").at(-1) ?? "";
  return JSON.parse(last) as Result;
}

function speedOfACore(): number {
  const text = JSON.stringify(Array.from({ length: 10_000 }, (_, i) => ({ id: `evt_${i}`, text: "The build is green again.", at: i })));
  const rounds = Array.from({ length: 50 }, () => {
    const began = performance.now();
    JSON.parse(text);
    return text.length / 1_000 / (performance.now() - began);
  });
  return Math.round(rounds.toSorted((a, b) => a - b)[25]!);
}

function exec(file: string, argv: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, argv, { cwd, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${file} ${argv.join(" ")} ended with ${code}\n${output.slice(-2000)}`)),
    );
  });
}

async function known(name: string): Promise<Result | null> {
  const text = await readFile(join(RESULTS, `${name}.json`), "utf8").catch(() => null); // Not measured yet.
  return text === null ? null : (JSON.parse(text) as Result);
}

/** The new figures in the places of the old ones; what was not measured again stays. */
function joined(before: Result, now: Result): Result {
  const targets = before.targets.map((old) => now.targets.find(({ target }) => target === old.target) ?? old);
  return {
    bench: now.bench,
    ...(now.core_mb_per_s === undefined ? {} : { core_mb_per_s: now.core_mb_per_s }),
    measures: { ...before.measures, ...now.measures },
    targets: [...targets, ...now.targets.filter((one) => !targets.includes(one))],
  };
}

async function page(): Promise<string> {
  const results: Result[] = [];
  for (const name of BENCHES) {
    const result = await known(name);
    if (result !== null) results.push(result);
  }
  const targets = results.flatMap((result) =>
    result.targets.map(
      (one) =>
        `| ${result.bench} | ${one.target} | ${String(one.reached ?? "–")} | ${one.wanted} | ${one.ok ? "yes" : "**no**"} | ${result.core_mb_per_s ?? "–"} |`,
    ),
  );
  const measures = results.map(
    (result) =>
      `### ${result.bench}\n\n| measure | median |\n| --- | --- |\n${Object.entries(result.measures)
        .map(([name, value]) => `| ${name} | ${String(value)} |`)
        .join("\n")}\n`,
  );
  return `# Figures

Written by \`npm run bench\`: side by side with named rivals and physical limits in one run, medians. Last run with ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}), Node ${process.version}. Ratios are worth more than absolute figures: the machine is shared and noisy. \`core\` is how many MB of JSON a core parsed in a second just before: by it figures of different days compare.

| bench | target | reached | wanted | holds | core |
| --- | --- | --- | --- | --- | --- |
${targets.join("\n")}

What each one does, and against what, stands at the head of its file.

${measures.join("\n")}`;
}
