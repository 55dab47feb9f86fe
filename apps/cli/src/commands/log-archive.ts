/* `signalbox log archive`: old streams to the store of contents. Says what would go, unless it is told to do it. */
import { archiveStreams, listArchives } from "@signalbox/contract/archives";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { counted, printable, table } from "../terminal.ts";
import { UserError } from "../user-error.ts";

const SHOWN = 20;

export function registerArchive(log: Command): void {
  const archive = log
    .command("archive")
    .description("move old events to the store of contents, where they are read as ever; says what would go, unless --yes")
    .option("--older-than <days>", "streams whose last event is so old", "90")
    .option("--yes", "do it")
    .action(
      action(async ({ client, terminal }: Context, flags: { olderThan: string; yes?: boolean }) => {
        const plan = await client.call(archiveStreams, { body: { older_than_days: daysOf(flags.olderThan), dry_run: flags.yes !== true } });
        const rows = plan.streams.slice(0, SHOWN).map((one) => [one.stream, String(one.events), sizeOf(one.bytes), one.last_event_at]);
        const lines = rows.length === 0 ? [] : [table(["stream", "events", "size", "last event"], rows, [1, 2])];
        if (plan.streams.length > SHOWN) lines.push(`… and ${plan.streams.length - SHOWN} more`);
        const total = `${counted(plan.streams.length, "stream")}, ${counted(plan.events, "event")}, ${sizeOf(plan.bytes)}`;
        const goes = plan.streams.length === 1;
        lines.push(
          plan.streams.length === 0
            ? "Nothing is that old and over: a session's stream goes once it has ended, a room's once it is archived."
            : plan.dry_run
              ? `${total} would go. Nothing was changed; with --yes ${goes ? "it goes" : "they go"}.`
              : `${total} ${goes ? "goes" : "go"} now, in the background; see: signalbox log archive list`,
        );
        terminal.result(plan, printable(lines.join("\n")));
      }),
    );
  archive
    .command("list")
    .description("what was archived, newest first")
    .action(
      action(async ({ client, terminal }: Context) => {
        const { items } = await client.call(listArchives, { query: { limit: 200 } });
        const rows = items.map((one) => [
          one.stream,
          `${one.from_seq}-${one.to_seq}`,
          sizeOf(one.bytes),
          (one.state === "detached" ? one.detached_at : null) ?? "stored, still in the database too",
        ]);
        terminal.result(
          { items },
          items.length === 0 ? "Nothing was archived." : printable(table(["stream", "events", "size", "archived"], rows, [1, 2])),
        );
      }),
    );
}

function daysOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new UserError(
    `${printable(text)} is not a number of days.`,
    "--older-than takes a whole number.",
    "signalbox log archive --older-than 90",
  );
}

const sizeOf = (bytes: number): string =>
  bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
