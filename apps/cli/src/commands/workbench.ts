/* Into a session's sandbox: its terminal, its files, what listens in it. */
import { ApiError } from "@signalbox/client/client";
import type { TerminalId } from "@signalbox/contract/primitives";
import { createPreview, createTerminal, listFiles, readFile } from "@signalbox/contract/workbench";
import type { Command } from "commander";
import { attachTerminal } from "../attach-terminal.ts";
import { action, type Context } from "../command.ts";
import { ago, printable, table } from "../terminal.ts";
import { EXIT, UserError, type ExitCode } from "../user-error.ts";

/** Adds to `session`. */
export function registerWorkbench(session: Command): void {
  session
    .command("terminal <id>")
    .description("a shell in the session's sandbox, on this terminal (~. at the start of a line leaves it running)")
    .option("-t, --terminal <id>", "join one that is open, instead of opening another")
    .action(
      action(async (context: Context, id: string, flags: { terminal?: string }): Promise<ExitCode> => {
        const { client, terminal, signal } = context;
        const cols = Math.min(Math.max(process.stdout.columns ?? 80, 2), 500);
        const rows = Math.min(Math.max(process.stdout.rows ?? 24, 1), 300);
        const terminalId = (flags.terminal ??
          (await client.call(createTerminal, { params: { id }, body: { cols, rows }, signal })).id) as TerminalId;
        const end = await attachTerminal(client, terminalId, terminal.progress, signal);
        switch (end.how) {
          case "left":
            terminal.progress(`\r\nLeft ${terminalId}; it runs on. Back: signalbox session terminal ${id} -t ${terminalId}`);
            return EXIT.ok;
          case "refused":
            terminal.progress(end.message);
            return EXIT.refused;
          case "exited":
            if (end.reason !== "exited") terminal.progress(`The terminal was closed: ${end.reason.replaceAll("_", " ")}.`);
            return end.code === 0 || end.reason === "closed" ? EXIT.ok : EXIT.failed;
        }
      }),
    );
  session
    .command("files <id> [path]")
    .description("what is in a directory of the workspace, or a file's content")
    .action(
      action(async ({ client, terminal, signal }: Context, id: string, path = "") => {
        try {
          const listing = await client.call(listFiles, { params: { id }, query: { path }, signal });
          const rows = listing.entries.map((entry) => [
            entry.type === "file" ? String(entry.size_bytes) : entry.type,
            ago(entry.modified_at, Date.now()),
            // A name may hold line breaks: it is one line here, whatever it is.
            printable(entry.name).replaceAll("\n", "\\n") + (entry.type === "directory" ? "/" : ""),
          ]);
          terminal.result(listing, rows.length === 0 ? "(empty)" : table(["size", "changed", "name"], rows));
          if (listing.truncated) terminal.progress("There is more than these 2,000.");
        } catch (error) {
          if (!(error instanceof ApiError) || error.code !== "not_a_directory") throw error;
          const file = await client.call(readFile, { params: { id }, query: { path }, signal });
          if (terminal.json) terminal.record(file);
          // Into a pipe as it is; onto a screen without what would drive it.
          else if (!process.stdout.isTTY) process.stdout.write(Buffer.from(file.content, file.encoding));
          else if (file.binary)
            terminal.progress(`${file.size_bytes} bytes of ${file.media_type}, not text. Redirect the output to keep them.`);
          else process.stdout.write(printable(file.content));
          if (file.truncated) terminal.progress(`Cut: the file has ${file.size_bytes} bytes.`);
        }
      }),
    );
  session
    .command("preview <id> <port>")
    .description("an address at which a browser reaches a port inside the sandbox")
    .action(
      action(async ({ client, terminal, signal }: Context, id: string, text: string) => {
        const port = Number(text);
        if (!Number.isInteger(port) || port < 1 || port > 65_535)
          throw new UserError(
            `"${text}" is not a port.`,
            "A port is a whole number from 1 to 65535.",
            "For example: signalbox session preview ses_… 3000",
          );
        const preview = await client.call(createPreview, { params: { id }, body: { port }, signal });
        terminal.result(preview, preview.url);
        terminal.progress(`Good until ${preview.expires_at}, for whoever has the address.`);
      }),
    );
}
