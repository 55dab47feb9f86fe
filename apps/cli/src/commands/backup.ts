import type { Command } from "commander";
import { spawn } from "node:child_process";
import { backupProgram } from "../server-process.ts";

const BACKUP = `
It needs the data directory of the server (--data-dir or SIGNALBOX_DATA_DIR) and, with a database of your own, DATABASE_URL as
the server has it; with contents in a bucket also SIGNALBOX_BLOBS and SIGNALBOX_S3_*. Keep the digest that it prints
somewhere else: restore --expect takes no other file.

Example: signalbox backup -o signalbox-$(date +%F).tar.zst`;
const RESTORE = `
Nothing is written before the whole file was checked. Afterwards start the server on the same --data-dir.

Example: signalbox --data-dir ./restored restore signalbox-2026-01-31.tar.zst --expect sha256:…`;

/** Both work on this machine's data directory and database themselves: what they move is the whole installation. */
export function registerBackup(program: Command): void {
  program
    .command("backup")
    .description("write database, content and keys of the server on this machine to one file, while it runs")
    .requiredOption(
      "-o, --output <file>",
      "where to; it holds private keys and is readable by you alone. A file of that name is replaced once the new one is whole",
    )
    .addHelpText("after", BACKUP)
    .action((flags: { output: string }, command: Command) => run(command, ["backup", "--output", flags.output]));
  program
    .command("restore <file>")
    .description("check a backup and bring it back, into an empty data directory (and an empty DATABASE_URL)")
    .option("--expect <digest>", "the digest that `backup` printed: refuse any other")
    .addHelpText("after", RESTORE)
    .action((file: string, flags: { expect?: string }, command: Command) =>
      run(command, ["restore", "--input", file, ...(flags.expect === undefined ? [] : ["--expect", flags.expect])]),
    );
}

function run(command: Command, argv: readonly string[]): Promise<void> {
  const { json, dataDir } = command.optsWithGlobals<{ json?: boolean; dataDir?: string }>();
  const shared = [...(json === true ? ["--json"] : []), ...(dataDir === undefined ? [] : ["--data-dir", dataDir])];
  const child = spawn(process.execPath, [backupProgram(), ...argv, ...shared], { stdio: "inherit" });
  return new Promise<void>((resolve) => {
    child.on("exit", (code) => {
      process.exitCode = code ?? 1;
      resolve();
    });
  });
}
