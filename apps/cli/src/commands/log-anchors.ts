/* `signalbox log anchors`: where checkpoints are left outside the log, and whether that agrees with it. */
import { AnchorName, type AnchorView, checkAnchors, listAnchored, listAnchors } from "@signalbox/contract/anchors";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { printable, table } from "../terminal.ts";
import { EXIT, UserError } from "../user-error.ts";

export function registerAnchors(log: Command): void {
  const anchors = log.command("anchors").description("where signed checkpoints are left outside the log");
  anchors
    .command("list", { isDefault: true })
    .description("every anchor and how far it is")
    .action(
      action(async ({ client, terminal }: Context) => {
        const found = await client.call(listAnchors, {});
        terminal.result(
          found,
          found.items.length === 0
            ? "Checkpoints are left nowhere outside. An operator can change that: SIGNALBOX_ANCHOR_*, docs/operate.md."
            : printable(described(found.items)),
        );
      }),
    );
  anchors
    .command("show <anchor>")
    .description("which checkpoints lie at one of them, newest first, and by what they are found there")
    .action(
      action(async ({ client, terminal }: Context, name: string) => {
        const { items } = await client.call(listAnchored, { params: { anchor: nameOf(name) }, query: { limit: 200 } });
        const rows = items.map((one) => [one.anchored_at, String(one.position), one.problem ?? one.ref]);
        terminal.result(
          { items },
          items.length === 0 ? "Nothing was left there yet." : printable(table(["left there", "position", "found by"], rows, [1])),
        );
      }),
    );
  anchors
    .command("check [anchor]")
    .description("fetch what was anchored and compare it with the log; exit code 1 when they disagree")
    .option("--limit <n>", "of each, the newest so many checkpoints", Number, 20)
    .action(
      action(async ({ client, terminal }: Context, name: string | undefined, flags: { limit: number }) => {
        const body = { limit: flags.limit, ...(name === undefined ? {} : { anchor: nameOf(name) }) };
        const check = await client.call(checkAnchors, { body });
        const lines = check.anchors.flatMap((one) => [
          one.readable
            ? `${one.anchor}: ${one.checked} compared, ${one.findings.length === 0 ? "all agree with the log" : `${one.findings.length} do not`}`
            : `${one.anchor}: cannot be asked; compare with what its receiver kept (signalbox log verify --against)`,
          ...one.findings.map(({ kind, message }) => `  ${kind}: ${message}`),
        ]);
        terminal.result(check, lines.length === 0 ? "There is no anchor." : printable(lines.join("\n")));
        return check.agrees ? EXIT.ok : EXIT.failed;
      }),
    );
}

function nameOf(text: string): AnchorName {
  const name = AnchorName.safeParse(text);
  if (name.success) return name.data;
  throw new UserError(
    `There is no anchor ${printable(text)}.`,
    `Anchors are ${AnchorName.options.join(", ")}.`,
    "See those that are configured: signalbox log anchors",
  );
}

function described(items: readonly AnchorView[]): string {
  const rows = items.map((of) => [
    of.anchor,
    of.state,
    of.position === null ? "-" : String(of.position),
    String(of.behind),
    of.anchored_at ?? "never yet",
    of.where,
  ]);
  const failing = items.flatMap((of) =>
    of.failures === 0
      ? []
      : [`${of.anchor} failed ${of.failures === 1 ? "once" : `${of.failures} times`}: ${of.last_error} Next try: ${of.next_attempt_at}`],
  );
  return [table(["anchor", "state", "up to", "behind", "last left", "where"], rows, [2, 3]), ...failing].join("\n");
}
