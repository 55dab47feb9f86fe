import {
  checkModelConnection,
  deleteModelConnection,
  listModelConnections,
  saveModelConnection,
  setDefaultModel,
  type ModelConnectionView,
} from "@signalbox/contract/model-connections";
import { ModelConnectionKind } from "@signalbox/contract/events/models";
import { isCancel, password } from "@clack/prompts";
import type { Command } from "commander";
import { text } from "node:stream/consumers";
import { action, type Context } from "../command.ts";
import { printable, table } from "../terminal.ts";
import { EXIT, UserError } from "../user-error.ts";

interface ConnectFlags {
  readonly url?: string;
  readonly name?: string;
  readonly keyStdin?: boolean;
  readonly key?: boolean;
  readonly force?: boolean;
}

export function registerModels(program: Command): void {
  const models = program.command("models").description("connections to models");
  models
    .command("list")
    .description("what is connected, and whether it answers")
    .action(
      action(async ({ client, terminal }: Context) => {
        const found = await client.call(listModelConnections, {});
        terminal.result(found, `${connections(found.items)}\n\ndefault model: ${printable(found.default_model ?? "none")}`);
        for (const problem of found.problems) terminal.progress(printable(problem));
      }),
    );
  const connecting = (command: Command): Command =>
    command
      .option("--base-url <address>", "address of the API, for openai-compatible and ollama")
      .option("--key-stdin", "read the key from standard input; else it is asked for")
      .option("--no-key", "the server wants no key");
  connecting(models.command("check <kind>"))
    .description(`try a connection without saving it: ${ModelConnectionKind.options.join(", ")}`)
    .action(
      action(async (context: Context, kind: string, flags: ConnectFlags & { baseUrl?: string }) => {
        const answer = await context.client.call(checkModelConnection, { body: await connectionOf(context, kind, flags) });
        context.terminal.result(answer, printable([answer.message, answer.fix].filter(Boolean).join("\n")));
        return answer.ok ? EXIT.ok : EXIT.failed;
      }),
    );
  connecting(models.command("add <kind>"))
    .description("connect a model: checked with a real call, its key sealed on the server")
    .option("--name <name>", "what to call it; the kind when left out")
    .option("--force", "save it even if the check fails")
    .action(
      action(async (context: Context, kind: string, flags: ConnectFlags & { baseUrl?: string }) => {
        const body = await connectionOf(context, kind, flags);
        const saved = await context.client.call(saveModelConnection, {
          params: { name: flags.name ?? body.kind },
          body: { ...body, ...(flags.force === true ? { force: true } : {}) },
        });
        context.terminal.result(saved, `connected ${saved.name}: ${saved.models} models`);
      }),
    );
  models
    .command("remove <name>")
    .description("remove a saved connection and forget its key")
    .action(
      action(async ({ client, terminal }: Context, name: string) => {
        terminal.result(await client.call(deleteModelConnection, { params: { name } }), `removed ${printable(name)}`);
      }),
    );
  models
    .command("default [model]")
    .description("the model of sessions that name none; without a name, back to the first real one")
    .action(
      action(async ({ client, terminal }: Context, model: string | undefined) => {
        const answer = await client.call(setDefaultModel, { body: { model: model ?? null } });
        terminal.result(answer, `default model: ${printable(answer.model?.id ?? "none")}`);
      }),
    );
}

async function connectionOf({ terminal }: Context, kind: string, flags: ConnectFlags & { baseUrl?: string }) {
  const known = ModelConnectionKind.safeParse(kind);
  if (!known.success)
    throw new UserError(`There is no kind of connection "${kind}".`, "", `Use one of ${ModelConnectionKind.options.join(", ")}.`);
  const wantsKey = flags.key !== false && (known.data === "openai" || known.data === "anthropic" || known.data === "openai-compatible");
  const key = wantsKey ? await readKey(terminal, flags) : "";
  return {
    kind: known.data,
    ...(key === "" ? {} : { api_key: key }),
    ...(flags.baseUrl === undefined ? {} : { base_url: flags.baseUrl }),
  };
}

/** Never an argument: those are in the shell's history and in everybody's process list. */
async function readKey(terminal: Context["terminal"], flags: ConnectFlags): Promise<string> {
  if (flags.keyStdin === true) return (await text(process.stdin)).trim();
  if (!terminal.interactive)
    throw new UserError("There is no key.", "Nobody is at the terminal to be asked for it.", "Give it with --key-stdin, or say --no-key.");
  const typed = await password({ message: "API key", output: process.stderr });
  if (isCancel(typed)) throw new UserError("Nothing was done.", "The question for the key was left.", "Start again.");
  return typed.trim();
}

const connections = (items: readonly ModelConnectionView[]): string =>
  table(
    ["name", "kind", "from", "key", "status", "models"],
    items.map((one) => [
      one.name,
      one.kind,
      one.from,
      one.key_hint === null ? (one.has_key ? "yes" : "") : `…${printable(one.key_hint)}`,
      one.status,
      `${one.models}${one.is_default ? " (default)" : ""}`,
    ]),
  );
