import { type AttentionItem, listAttention } from "@signalbox/contract/attention";
import type { Command } from "commander";
import { decide, describeApproval } from "../approve.ts";
import { action, type Context } from "../command.ts";
import { ago, printable, table } from "../terminal.ts";

export function registerApprovals(program: Command): void {
  program
    .command("inbox")
    .description("what waits for a person")
    .option("-v, --verbose", "with the exact calls")
    .action(
      action(async ({ client, terminal }: Context, flags: { verbose?: boolean }) => {
        const page = await client.call(listAttention, { query: { limit: 200 } });
        terminal.result(
          page,
          page.items.length === 0
            ? "Nothing waits for you."
            : flags.verbose
              ? page.items
                  .map((one) => `${idOf(one)}\n${one.approval === null ? described(one) : describeApproval(one.approval, terminal)}`)
                  .join("\n\n")
              : inbox(page.items),
        );
      }),
    );
  program
    .command("approve <id>")
    .description("approve exactly the call that was asked for, once")
    .option("--reason <text>", "why, for the record")
    .action(verdict("approve", "approved"));
  program
    .command("deny <id>")
    .description("deny it")
    .option("--reason <text>", "why, for the record and for the agent")
    .action(verdict("deny", "denied"));
}

const verdict = (decision: "approve" | "deny", done: string) =>
  action(async ({ client, terminal }: Context, id: string, flags: { reason?: string }) => {
    const approval = await decide(client, id, decision, flags.reason);
    terminal.result(approval, `${done}: ${printable(approval.title)}`);
  });

/** What `approve` and `deny` take, where it is one. */
const idOf = (one: AttentionItem): string => one.approval?.id ?? one.run_id ?? one.id;

const described = (one: AttentionItem): string =>
  printable(
    [one.title, one.detail, one.session === null ? null : `session ${one.session.id} · ${one.session.title}`].filter(Boolean).join("\n"),
  );

const inbox = (items: readonly AttentionItem[]): string =>
  table(
    ["id", "kind", "since", "title"],
    items.map((one) => [idOf(one), one.kind.replaceAll("_", " "), ago(one.at, Date.now()), printable(one.title)]),
  );
