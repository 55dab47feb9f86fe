#!/usr/bin/env node
import { ApiError } from "@signalbox/client/client";
import { Command, CommanderError } from "commander";
import { registerAdmin } from "./commands/admin.ts";
import { registerApprovals } from "./commands/approvals.ts";
import { registerBackup } from "./commands/backup.ts";
import { registerDemo } from "./commands/demo.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerEngine } from "./commands/engine.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerLog } from "./commands/log.ts";
import { registerLogin } from "./commands/login.ts";
import { registerModels } from "./commands/models.ts";
import { registerSinks } from "./commands/sink.ts";
import { registerCapability } from "./commands/capability.ts";
import { registerOrganization } from "./commands/organization.ts";
import { registerPolicy } from "./commands/policy.ts";
import { registerReceipt } from "./commands/receipt.ts";
import { registerScaletest } from "./commands/scaletest.ts";
import { registerSession } from "./commands/session.ts";
import { registerUp } from "./commands/up.ts";
import { printable } from "./terminal.ts";
import { EXIT, UserError, type ExitCode } from "./user-error.ts";

const program = new Command("signalbox")
  .description("Control room for AI agents.")
  .version("0.1.0")
  .option("--json", "machine-readable output: the API's own shapes, one JSON value a line")
  .option("--url <origin>", "server (default: SIGNALBOX_URL, else the one running here)")
  .option("--token <token>", "API token (default: SIGNALBOX_TOKEN, else the running server's)")
  .option("--data-dir <dir>", "data directory of the server on this machine")
  .enablePositionalOptions(false)
  .showHelpAfterError("(--help lists what there is)")
  .exitOverride()
  .configureOutput({ writeErr: (text) => void process.stderr.write(text) });

for (const register of [
  registerUp,
  registerBackup,
  registerSession,
  registerReceipt,
  registerApprovals,
  registerLog,
  registerModels,
  registerSinks,
  registerPolicy,
  registerCapability,
  registerKeys,
  registerOrganization,
  registerAdmin,
  registerLogin,
  registerEngine,
  registerDoctor,
  registerScaletest,
  registerDemo,
])
  register(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** What happened, why, what to do; as JSON on stdout when that was asked for. */
function report(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const said =
    error instanceof UserError
      ? { code: "usage", message: error.message, why: error.why, fix: error.fix, exit: error.exitCode }
      : error instanceof ApiError
        ? {
            code: error.code,
            message: error.message,
            why: detailsOf(error),
            fix: error.fix,
            exit: error.status === 0 || error.status === 401 ? EXIT.unreachable : EXIT.refused,
          }
        : {
            code: "internal_error",
            message: error instanceof Error ? error.message : String(error),
            why: undefined,
            fix: undefined,
            exit: EXIT.failed,
          };
  if (process.argv.includes("--json")) {
    const { exit: _, ...body } = said;
    process.stdout.write(`${JSON.stringify({ error: body })}\n`);
  } else {
    process.stderr.write(
      [`error: ${said.message}`, said.why ? `  why: ${said.why}` : "", said.fix ? `  fix: ${said.fix}` : ""]
        .filter(Boolean)
        .map(printable)
        .join("\n") + "\n",
    );
  }
  return said.exit;
}

function detailsOf(error: ApiError): string | undefined {
  return error.details === undefined || error.details === null ? undefined : JSON.stringify(error.details);
}
