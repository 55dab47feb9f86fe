/* `signalbox log archive`: old streams to the store of contents. Says what would go, unless it is told to do it. */
import { archiveStreams, listArchives } from "@signalbox/contract/archives";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { printable } from "../terminal.ts";
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
        const lines = plan.streams
          .slice(0, SHOWN)
          .map((one) => `${one.stream}  ${one.events} events, ${sizeOf(one.bytes)}, last on ${one.last_event_at}`);
        if (plan.streams.length > SHOWN) lines.push(`… and ${plan.streams.length - SHOWN} more`);
        const total = `${plan.streams.length} streams, ${plan.events} events, ${sizeOf(plan.bytes)}`;
        lines.push(
          plan.streams.length === 0
            ? "Nothing is that old and over: a session's stream goes once it has ended, a room's once it is archived."
            : plan.dry_run
              ? `${total} would go. Nothing was changed; with --yes they go.`
              : `${total} go now, in the background; see: signalbox log archive list`,
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
        const lines = items.map(
          (one) =>
            `${one.id}  ${one.stream} ${one.from_seq}–${one.to_seq}  ${one.events} events, ${sizeOf(one.bytes)}  ${one.state === "detached" ? one.detached_at : "stored, still in the database too"}`,
        );
        terminal.result({ items }, items.length === 0 ? "Nothing was archived." : printable(lines.join("\n")));
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
