import {
  getSession,
  cancelTurn,
  createSession,
  listSessions,
  promptSession,
  stopSession,
  getConversation,
  type SessionView,
} from "@signalbox/contract/sessions";
import type { Command } from "commander";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { ask } from "../approve.ts";
import { action, type Context } from "../command.ts";
import { follow, toolLine, type Followed } from "../follow.ts";
import { ago, dollars, printable, table } from "../terminal.ts";
import { EXIT, UserError, type ExitCode } from "../user-error.ts";
import { registerSessionDesk } from "./session-desk.ts";
import { registerWorkbench } from "./workbench.ts";

interface RunFlags {
  readonly repo?: string;
  readonly ref?: string;
  readonly scratch?: boolean;
  readonly model?: string;
  readonly harness: "opencode" | "acp";
  readonly budget?: string;
  readonly title?: string;
  readonly detach?: boolean;
  readonly yes?: boolean;
}

export function registerSession(program: Command): void {
  program
    .command("run <prompt>")
    .description("start a session with a task and follow it to the end of the turn")
    .option("-r, --repo <path or url>", "repository to work on (default: the current directory)")
    .option("--ref <branch>", "branch, tag or commit to begin from")
    .option("--scratch", "begin without a repository")
    .option("-m, --model <id>", "model (default: the server's)")
    .option("--harness <name>", "opencode or acp", "opencode")
    .option("--budget <dollars>", "most that the session may cost")
    .option("--title <text>", "title of the session")
    .option("-d, --detach", "start it and return")
    .option("-y, --yes", "approve what this session asks for")
    .action(
      action(async (context: Context, prompt: string, flags: RunFlags) => {
        const session = await context.client.call(createSession, {
          body: {
            source: flags.scratch
              ? { type: "scratch" }
              : { type: "repository", url: repositoryUrl(flags.repo ?? "."), ...(flags.ref === undefined ? {} : { ref: flags.ref }) },
            prompt,
            harness: flags.harness,
            ...(flags.model === undefined ? {} : { model: flags.model }),
            ...(flags.title === undefined ? {} : { title: flags.title }),
            ...(flags.budget === undefined ? {} : { budget_micro_usd: microUsd(flags.budget) }),
          },
          signal: context.signal,
        });
        if (flags.detach) {
          context.terminal.result(session, session.id);
          return EXIT.ok;
        }
        context.terminal.progress(`${session.id}  ${session.model}  ${context.client.baseUrl}/sessions/${session.id}`);
        return followTurn(context, session, { yes: flags.yes === true });
      }),
    );

  const session = program.command("session").description("sessions with agents");
  session
    .command("list")
    .description("sessions, newest first")
    .option("--status <status>", "only these")
    .option("-q, --query <text>", "only those whose title has this")
    .option("--limit <n>", "how many", "20")
    .action(
      action(async ({ client, terminal }: Context, flags: { status?: SessionView["status"]; query?: string; limit: string }) => {
        const page = await client.call(listSessions, {
          query: {
            limit: Number(flags.limit),
            ...(flags.status === undefined ? {} : { status: flags.status }),
            ...(flags.query === undefined ? {} : { q: flags.query }),
          },
        });
        const rows = page.items.map((one) => [
          one.id,
          one.status,
          dollars(one.cost_micro_usd),
          ago(one.updated_at, Date.now()),
          printable(one.title),
        ]);
        terminal.result(
          page,
          rows.length === 0
            ? 'No sessions yet. Start one: signalbox run "your task" --repo <path>'
            : table(["id", "status", "cost", "updated", "title"], rows),
        );
      }),
    );
  session
    .command("show <id>")
    .description("one session with its conversation")
    .action(
      action(async ({ client, terminal }: Context, id: string) => {
        const one = await client.call(getSession, { params: { id } });
        const conversation = await client.call(getConversation, { params: { id }, query: { limit: 200 } });
        terminal.result({ session: one, conversation: conversation.items }, showSession(one, conversation.items));
      }),
    );
  session
    .command("attach <id>")
    .description("follow a session live; what you type is said to the agent (/cancel, /stop, Ctrl-C leaves)")
    .option("-y, --yes", "approve what this session asks for")
    .action(
      action(async (context: Context, id: string, flags: { yes?: boolean }) => {
        const one = await context.client.call(getSession, { params: { id }, signal: context.signal });
        return attach(context, one, flags.yes === true);
      }),
    );
  session
    .command("stop <id>")
    .description("end a session and its sandbox")
    .action(
      action(async ({ client, terminal }: Context, id: string) =>
        terminal.result(await client.call(stopSession, { params: { id }, body: {} }), `${id} stopped`),
      ),
    );
  registerSessionDesk(session, microUsd);
  registerWorkbench(session);
}

/** Follows until the session's turn under way (or the next one) ends. */
async function followTurn(context: Context, session: SessionView, options: { yes: boolean }): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const open = new Set<string>();
  await follow({
    ...context,
    session,
    on: async (event) => {
      await answer(context, event, options.yes, open);
      const end = turnEnd(event);
      if (end !== null) code = end;
      // A turn that ended while a push still waits is continued by the verdict.
      return (end !== null && open.size === 0) || event.type === "session.failed";
    },
  });
  const last = await context.client.call(getSession, { params: { id: session.id } });
  context.terminal.progress(
    `${last.status}  ${dollars(last.cost_micro_usd)} of ${dollars(last.budget_micro_usd)}  ${last.files_changed.length} files changed`,
  );
  return context.signal.aborted ? EXIT.failed : code;
}

function turnEnd(event: Followed): ExitCode | null {
  if (event.type === "run.completed") return EXIT.ok;
  return event.type === "run.failed" || event.type === "run.canceled" || event.type === "run.timed_out" || event.type === "session.failed"
    ? EXIT.failed
    : null;
}

async function answer({ client, terminal }: Context, event: Followed, yes: boolean, open: Set<string>): Promise<void> {
  if (event.type === "approval.requested") {
    open.add(event.data.approval_id);
    await ask(client, terminal, event.data.approval_id, yes);
  }
  if (event.type === "approval.approved" || event.type === "approval.denied" || event.type === "approval.expired")
    open.delete(event.data.approval_id);
}

async function attach(context: Context, session: SessionView, yes: boolean): Promise<ExitCode> {
  const { client, terminal } = context;
  const input = process.stdin.isTTY ? createInterface({ input: process.stdin, output: process.stderr }) : null;
  input?.on(
    "line",
    (line) => void say(line.trim()).catch((error: unknown) => terminal.progress(error instanceof Error ? error.message : String(error))),
  );
  async function say(line: string): Promise<void> {
    if (line === "") return;
    if (line === "/cancel") await client.call(cancelTurn, { params: { id: session.id }, body: {} });
    else if (line === "/stop") await client.call(stopSession, { params: { id: session.id }, body: {} });
    else await client.call(promptSession, { params: { id: session.id }, body: { content_md: line } });
  }
  try {
    const open = new Set<string>();
    await follow({
      ...context,
      session,
      on: async (event) => {
        // The question would fight with the input line; approvals are answered from another terminal or with --yes.
        if (yes) await answer(context, event, true, open);
        return event.type === "session.stopped" || event.type === "session.completed";
      },
    });
  } finally {
    input?.close();
  }
  return EXIT.ok;
}

function showSession(session: SessionView, items: readonly unknown[]): string {
  const head = [
    printable(session.title),
    `  ${session.id}  ${session.status}${session.status_reason === null ? "" : ` (${session.status_reason})`}`,
    `  model ${session.model}, cost ${dollars(session.cost_micro_usd)} of ${dollars(session.budget_micro_usd)}, ${session.tool_calls} tool calls, ${session.files_changed.length} files changed`,
    "",
  ];
  const lines = items.flatMap((raw) => {
    const item = raw as {
      type: string;
      role?: string;
      content_md?: string;
      name?: string;
      title?: string | null;
      status?: string;
      text?: string;
      message?: string | null;
      arguments?: unknown;
    };
    if (item.type === "message")
      return printable(item.content_md ?? "")
        .split("\n")
        .map((line, i) => `${i === 0 ? (item.role === "agent" ? "agent" : "you  ") : "     "}  ${line}`);
    if (item.type === "tool_call")
      return [`tool   ${toolLine({ name: item.name ?? "", title: item.title, arguments: item.arguments })} (${item.status})`];
    if (item.type === "notice") return [`·      ${printable(item.text ?? "")}`];
    return [];
  });
  return [...head, ...lines].join("\n");
}

/** A path of this machine, or a URL as it is. */
export const repositoryUrl = (text: string): string => (/^[a-z]+:\/\//i.test(text) ? text : resolve(text));

export function microUsd(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw new UserError(`"${text}" is not an amount of dollars.`, "A budget is a number above 0.", "For example --budget 2.50");
  return Math.round(value * 1_000_000);
}
