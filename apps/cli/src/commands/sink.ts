import {
  changeSink,
  checkSink,
  createSink,
  deleteSink,
  listSinkDeliveries,
  listSinks,
  pauseSink,
  replaySink,
  resumeSink,
  testSink,
  type SinkDelivery,
  type SinkView,
} from "@signalbox/contract/sinks";
import { isCancel, password } from "@clack/prompts";
import type { Command } from "commander";
import { text } from "node:stream/consumers";
import { action, type Context } from "../command.ts";
import { counted, printable, table } from "../terminal.ts";
import { EXIT, UserError } from "../user-error.ts";

interface AddFlags {
  readonly name?: string;
  readonly type?: string[];
  readonly room?: string[];
  readonly fromBeginning?: boolean;
  readonly secretStdin?: boolean;
}

export function registerSinks(program: Command): void {
  const sinks = program.command("sink").description("events published outward, to webhooks and Convex");
  sinks
    .command("list")
    .description("where to, and how far each is")
    .action(
      action(async ({ client, terminal }: Context) => {
        const { items } = await client.call(listSinks, {});
        terminal.result({ items }, items.length === 0 ? "There are none. Add one: signalbox sink add webhook <address>" : listed(items));
      }),
    );
  sinks
    .command("add <kind> <url>")
    .description("publish events from now on: webhook, or convex with its deployment's address")
    .option("--name <name>", "what to call it; its host when left out")
    .option("--type <type...>", "only these events: run.completed, or run.*")
    .option("--room <id...>", "only events of these rooms")
    .option("--from-beginning", "with everything that is in the log already")
    .option("--secret-stdin", "read the secret from standard input; Convex's is asked for, a webhook's is made")
    .action(
      action(async ({ client, terminal }: Context, kind: string, url: string, flags: AddFlags) => {
        if (kind !== "webhook" && kind !== "convex")
          throw new UserError(`There are no sinks of kind ${printable(kind)}.`, "", "Use webhook or convex.");
        if (!URL.canParse(url))
          throw new UserError(`${printable(url)} is not an address.`, "", "Write it whole, like https://example.com/hook.");
        const secret = await secretFor(kind, flags.secretStdin === true);
        const made = await client.call(createSink, {
          body: {
            kind,
            url,
            name: flags.name ?? new URL(url).host,
            types: flags.type ?? [],
            room_ids: flags.room ?? [],
            from: flags.fromBeginning === true ? "beginning" : "now",
            ...(secret === null ? {} : { secret }),
          },
        });
        const shown = made.secret === null ? "" : `\nIts signing secret, shown this once: ${made.secret}`;
        terminal.result(made, `${made.id} publishes to ${printable(made.url)}.${shown}\nTry it: signalbox sink test ${made.id}`);
      }),
    );
  sinks
    .command("change <id>")
    .description("change its name, address, secret, types or rooms")
    .option("--name <name>", "what to call it")
    .option("--url <address>", "another address")
    .option("--type <type...>", "only these events")
    .option("--room <id...>", "only events of these rooms")
    .option("--secret-stdin", "read another secret from standard input")
    .action(
      action(async ({ client, terminal }: Context, id: string, flags: AddFlags & { url?: string }) => {
        const body = {
          ...(flags.name === undefined ? {} : { name: flags.name }),
          ...(flags.url === undefined ? {} : { url: flags.url }),
          ...(flags.type === undefined ? {} : { types: flags.type }),
          ...(flags.room === undefined ? {} : { room_ids: flags.room }),
          ...(flags.secretStdin === true ? { secret: (await text(process.stdin)).trim() } : {}),
        };
        terminal.result(await client.call(changeSink, { params: { id }, body }), `${id} is changed.`);
      }),
    );
  const byId = (name: string, description: string): Command => sinks.command(`${name} <id>`).description(description);
  byId("test", "send a test message; exit code 1 when it was not taken").action(
    action(async ({ client, terminal }: Context, id: string) => {
      const answer = await client.call(testSink, { params: { id }, body: {} });
      terminal.result(answer, printable(answer.message));
      return answer.ok ? EXIT.ok : EXIT.failed;
    }),
  );
  byId("pause", "stop delivering; nothing is lost meanwhile").action(
    action(async ({ client, terminal }: Context, id: string) => {
      terminal.result(await client.call(pauseSink, { params: { id }, body: {} }), `${id} is paused.`);
    }),
  );
  byId("resume", "go on delivering").action(
    action(async ({ client, terminal }: Context, id: string) => {
      terminal.result(await client.call(resumeSink, { params: { id }, body: {} }), `${id} goes on.`);
    }),
  );
  byId("replay", "deliver again from a position on")
    .requiredOption("--from <position>", "of the log; events and deliveries say theirs", Number)
    .action(
      action(async ({ client, terminal }: Context, id: string, { from }: { from: number }) => {
        if (!Number.isSafeInteger(from) || from < 1) throw new UserError("That is not a position.", "", "Give a whole number from 1 on.");
        const now = await client.call(replaySink, { params: { id }, body: { from_position: from } });
        terminal.result(now, `${id} delivers again from ${from} on.`);
      }),
    );
  byId("check", "compare what it has with the log; exit code 1 when it differs")
    .option("--repair", "replay from where it differs")
    .action(
      action(async ({ client, terminal }: Context, id: string, { repair = false }: { repair?: boolean }) => {
        const found = await client.call(checkSink, { params: { id }, body: { repair } });
        const wrong = found.windows.filter(({ agrees }) => !agrees);
        const lines = wrong.map((one) => `${one.from_position} to ${one.to_position}: ${one.count} in the log, ${one.their_count} there`);
        const end = found.agrees
          ? `All is there: ${counted(
              found.windows.reduce((sum, one) => sum + one.count, 0),
              "event",
            )}.`
          : found.replayed_from === null
            ? `Mend it: signalbox sink check ${id} --repair`
            : `Replaying from ${found.replayed_from} on.`;
        terminal.result(found, [...lines, end].join("\n"));
        return found.agrees ? EXIT.ok : EXIT.failed;
      }),
    );
  byId("deliveries", "what was delivered, newest first")
    .option("--state <state>", "only delivered, failed or dead")
    .action(
      action(async ({ client, terminal }: Context, id: string, { state }: { state?: string }) => {
        if (state !== undefined && state !== "delivered" && state !== "failed" && state !== "dead")
          throw new UserError(`${printable(state)} is no state of a delivery.`, "", "Use delivered, failed or dead.");
        const found = await client.call(listSinkDeliveries, {
          params: { id },
          query: { limit: 50, ...(state === undefined ? {} : { state }) },
        });
        terminal.result(found, found.items.length === 0 ? "Nothing yet." : deliveries(found.items));
      }),
    );
  byId("remove", "end it and forget its secret").action(
    action(async ({ client, terminal }: Context, id: string) => {
      terminal.result(await client.call(deleteSink, { params: { id } }), `${id} is removed.`);
    }),
  );
}

/** Null: a webhook's is made by the server. */
async function secretFor(kind: "webhook" | "convex", isStdin: boolean): Promise<string | null> {
  if (isStdin) return (await text(process.stdin)).trim();
  if (kind === "webhook") return null;
  if (!process.stdin.isTTY)
    throw new UserError("Convex wants a deploy key.", "There is nobody to ask for it.", "Pipe it in with --secret-stdin.");
  const given = await password({ message: "Deploy key" });
  if (isCancel(given)) throw new UserError("Nothing was added.", "", "Run it again when you have the key.");
  return given;
}

function listed(items: readonly SinkView[]): string {
  const rows = items.map((one) => [
    one.id,
    printable(one.name),
    one.kind,
    one.status === "paused" ? "paused" : one.failures > 0 ? `failing (${one.failures})` : "active",
    one.behind >= 1000 ? "1000+" : String(one.behind),
    one.last_delivered_at ?? "nothing yet",
  ]);
  // What went wrong is a sentence, and has a line of its own.
  const wrong = items.flatMap((one) => {
    const reason = one.status === "paused" ? one.paused_reason : one.last_error;
    return reason === null ? [] : [`${printable(one.name)}: ${printable(reason)}`];
  });
  return [table(["id", "name", "kind", "status", "behind", "last delivered"], rows, [4]), ...wrong].join("\n");
}

const deliveries = (items: readonly SinkDelivery[]): string =>
  table(
    ["position", "event", "state", "attempts", "when", "what"],
    items.map((one) => [
      String(one.position),
      one.type,
      one.state,
      String(one.attempts),
      one.at,
      printable(one.error ?? String(one.status ?? "")),
    ]),
    [0, 3],
  );
