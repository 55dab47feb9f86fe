/*
 * The program behind `signalbox backup` and `signalbox restore`: it works on the machine itself, on the data
 * directory and the database, whether the server runs or not. What only an operator can do needs no route.
 *
 *   node main.ts backup  --output FILE [--data-dir DIR] [--json]
 *   node main.ts restore --input FILE [--expect DIGEST] [--data-dir DIR] [--json]
 *
 * Exit codes: 0 done, 1 the backup is not as it was written, or the target cannot take it, 2 used wrongly.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { openBlobs } from "../blobs.ts";
import { readConfig } from "../config/read.ts";
import { BackupError } from "./archive.ts";
import { backup, restore, type BackupReport } from "./backup.ts";

const VERSION = (JSON.parse(readFileSync(path.join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string }).version;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: "string" },
      input: { type: "string" },
      expect: { type: "string" },
      "data-dir": { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const config = readConfig(values["data-dir"] === undefined ? [] : ["--data-dir", values["data-dir"]]);
  if (config === "help") return;
  const options = {
    dataDir: config.dataDir,
    databaseUrl: config.databaseUrl,
    blobs: openBlobs(config),
    blobsElsewhere: config.blobs !== "disk",
    version: VERSION,
    now: new Date().toISOString(),
    progress: (text: string) => void process.stderr.write(`${text}\n`),
  };
  let report: BackupReport;
  if (positionals[0] === "backup" && values.output !== undefined) report = await backup(values.output, options);
  else if (positionals[0] === "restore" && values.input !== undefined)
    report = await restore(values.input, { ...options, expect: values.expect });
  else throw new BackupError("Nothing to do.", "signalbox backup -o FILE, or signalbox restore FILE.");
  const done = positionals[0] === "backup" ? `Backed up to ${report.file}` : `Restored into ${config.dataDir}; the log verifies`;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(report)}\n`
      : `${done}: up to position ${report.position}, ${report.rows} rows, ${report.files} files.\nDigest: ${report.digest}\n`,
  );
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const fix = (error as { fix?: unknown }).fix;
  process.stderr.write(
    `signalbox: ${error instanceof Error ? error.message : String(error)}\n${typeof fix === "string" ? `  ${fix}\n` : ""}`,
  );
  process.exit((error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") === true ? 2 : 1);
}
