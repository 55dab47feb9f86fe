import { listApprovals, type ApprovalView } from "@signalbox/contract/approvals";
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
        const page = await client.call(listApprovals, { query: { status: "open", limit: 200 } });
        terminal.result(
          page,
          page.items.length === 0
            ? "Nothing waits for you."
            : flags.verbose
              ? page.items.map((one) => `${one.id}\n${describeApproval(one, terminal)}`).join("\n\n")
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

const inbox = (items: readonly ApprovalView[]): string =>
  table(
    ["id", "status", "asked", "title"],
    items.map((one) => [one.id, one.status, ago(one.requested_at, Date.now()), printable(one.title)]),
  );
