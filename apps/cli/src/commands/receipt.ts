import { getReceipt } from "@signalbox/contract/evidence";
import type { Command } from "commander";
import { writeFile } from "node:fs/promises";
import { action, type Context } from "../command.ts";

export function registerReceipt(program: Command): void {
  const run = program.commands.find((command) => command.name() === "run");
  if (run === undefined) throw new Error("`run` is registered before its receipt");
  run
    .command("receipt <id>")
    .description("the signed statement of what a run did; check it with `signalbox log verify --receipt`")
    .option("-o, --output <file>", "where to; stdout without it")
    .action(
      action(async ({ client, terminal }: Context, id: string, flags: { output?: string }) => {
        const envelope = await client.call(getReceipt, { params: { id: id } });
        const text = `${JSON.stringify(envelope, null, 2)}\n`;
        if (flags.output === undefined) return terminal.result(envelope, text.trimEnd());
        await writeFile(flags.output, text, { mode: 0o600 });
        terminal.result(
          { file: flags.output, signed_by: envelope.signatures.map(({ keyid }) => keyid) },
          `The receipt is in ${flags.output}`,
        );
      }),
    );
}
