/* What a person does beside a running session: its queue, its links, its model and budget, its end. */
import { cancelPrompt, deleteSession, editPrompt, listPrompts, movePrompt } from "@signalbox/contract/session-queue";
import { archiveSession, renameSession, unarchiveSession } from "@signalbox/contract/sessions";
import { createShare, listShares, revokeShare } from "@signalbox/contract/shares";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { ago, dollars, printable, table } from "../terminal.ts";
import { UserError } from "../user-error.ts";

interface QueueFlags {
  readonly edit?: string;
  readonly cancel?: string;
  readonly move?: string;
  readonly before?: string;
  readonly text?: string;
}

export function registerSessionDesk(session: Command, microUsd: (dollars: string) => number): void {
  session
    .command("queue <id>")
    .description("prompts that wait; change, move or withdraw one")
    .option("--edit <run>", "change its text (with --text)")
    .option("--text <text>", "the new text")
    .option("--cancel <run>", "take it out of the queue")
    .option("--move <run>", "let it run last, or before another one (with --before)")
    .option("--before <run>", "the one it is to run before")
    .action(
      action(async ({ client, terminal }: Context, id: string, flags: QueueFlags) => {
        const queue = await changed(client, id, flags);
        const rows = queue.items.map((one) => [
          String(one.position + 1),
          one.run_id,
          ago(one.created_at, Date.now()),
          printable(one.content_md),
        ]);
        terminal.result(queue, rows.length === 0 ? "Nothing waits." : table(["", "run", "asked", "prompt"], rows));
      }),
    );
  session
    .command("share <id>")
    .description("make a link under which the session can be read; list or end links")
    .option("--for <hours>", "how long it holds (default: a week)")
    .option("--list", "links there are")
    .option("--revoke <link>", "end the link of that id")
    .action(
      action(async ({ client, terminal }: Context, id: string, flags: { for?: string; list?: boolean; revoke?: string }) => {
        if (flags.revoke !== undefined) {
          const ended = await client.call(revokeShare, { params: { id: flags.revoke } });
          return terminal.result(ended, `${ended.id} ${ended.status}`);
        }
        if (flags.list === true) {
          const links = await client.call(listShares, { params: { id } });
          const rows = links.items.map((one) => [one.id, one.status, one.expires_at, one.created_by]);
          return terminal.result(links, rows.length === 0 ? "No links." : table(["id", "status", "expires", "by"], rows));
        }
        const seconds = flags.for === undefined ? undefined : Math.round(Number(flags.for) * 3600);
        if (seconds !== undefined && !Number.isFinite(seconds))
          throw new UserError(`${flags.for} is not a number of hours.`, "A link holds for a number of hours.", "For example --for 24.");
        const made = await client.call(createShare, { params: { id }, body: seconds === undefined ? {} : { expires_in_s: seconds } });
        terminal.progress(`${made.id}  until ${made.expires_at}; shown this once`);
        return terminal.result(made, made.url);
      }),
    );
  session
    .command("model <id> <model>")
    .description("use another model from the next turn on")
    .action(
      action(async ({ client, terminal }: Context, id: string, model: string) => {
        const now = await client.call(renameSession, { params: { id }, body: { model } });
        terminal.result(now, `${now.id} ${now.model}`);
      }),
    );
  session
    .command("budget <id> <dollars>")
    .description("raise or lower what the session may spend")
    .action(
      action(async ({ client, terminal }: Context, id: string, amount: string) => {
        const now = await client.call(renameSession, { params: { id }, body: { budget_micro_usd: microUsd(amount) } });
        terminal.result(now, `${now.id} ${dollars(now.cost_micro_usd)} of ${dollars(now.budget_micro_usd)}`);
      }),
    );
  session
    .command("archive <id>")
    .description("take a session that has ended off the list, or bring it back")
    .option("--undo", "bring it back")
    .action(
      action(async ({ client, terminal }: Context, id: string, { undo = false }: { undo?: boolean }) => {
        const now = await client.call(undo ? unarchiveSession : archiveSession, { params: { id }, body: {} });
        terminal.result(now, `${now.id} ${now.archived ? "archived" : "back in the list"}`);
      }),
    );
  session
    .command("delete <id>")
    .description("delete a session that has ended, with its files; the log keeps its events")
    .action(
      action(async ({ client, terminal }: Context, id: string) =>
        terminal.result(await client.call(deleteSession, { params: { id } }), `${id} deleted`),
      ),
    );
}

function changed(client: Context["client"], id: string, { edit, cancel, move, before, text }: QueueFlags) {
  if ([edit, cancel, move].filter((one) => one !== undefined).length > 1)
    throw new UserError("That is more than one change.", "They could not be done as one.", "Name one of --edit, --cancel and --move.");
  if (edit !== undefined) {
    if (text === undefined) throw new UserError("The new text is missing.", "An edit replaces all of a prompt.", 'Add --text "…".');
    return client.call(editPrompt, { params: { id, run_id: edit }, body: { content_md: text } });
  }
  if (cancel !== undefined) return client.call(cancelPrompt, { params: { id, run_id: cancel } });
  if (move !== undefined) return client.call(movePrompt, { params: { id, run_id: move }, body: { before_run_id: before ?? null } });
  return client.call(listPrompts, { params: { id } });
}
