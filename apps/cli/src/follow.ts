/*
 * Follows one session to the end of a turn: completed things from the room's feed, in order, and on
 * a terminal the text as it is being written.
 *
 * The feed is resumable, so a server that restarts in the middle costs a pause and nothing else.
 */
import type { Client } from "@signalbox/client/client";
import { createSync } from "@signalbox/client/sync";
import type { AnyEvent } from "@signalbox/contract/events";
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { streamRoom } from "@signalbox/contract/log";
import type { SessionView } from "@signalbox/contract/sessions";
import type { SessionDelta } from "@signalbox/contract/sync";
import { dollars, printable, type Terminal } from "./terminal.ts";

export type Followed = AnyEvent & { readonly envelope: EventEnvelope };

export interface FollowOptions {
  readonly client: Client;
  readonly terminal: Terminal;
  readonly session: Pick<SessionView, "id" | "room_id" | "agent_id">;
  readonly signal: AbortSignal;
  /** Seq to begin after; default 0, the whole story. */
  readonly afterSeq?: number;
  /** Returning true ends it. */
  readonly on: (event: Followed) => boolean | Promise<boolean>;
}

export async function follow(options: FollowOptions): Promise<void> {
  const { client, terminal, session } = options;
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const live = terminal.interactive && !terminal.json ? liveText(options, ended.signal) : null;
  try {
    const frames = client.events(streamRoom, {
      params: { roomId: session.room_id },
      signal,
      lastEventId: String(options.afterSeq ?? 0),
      onStatus: (status) => status === "retrying" && terminal.progress("(the connection was lost; trying again)"),
    });
    for await (const { data: envelope } of frames) {
      const event = { type: envelope.type, data: envelope.data, envelope } as Followed;
      terminal.record(envelope);
      live?.clear();
      for (const line of describe(event, session.agent_id, terminal)) terminal.line(line);
      if (await options.on(event)) return;
    }
  } finally {
    ended.abort();
    live?.close();
  }
}

/** One event as a person reads it; nothing for what only machines care about. */
function describe(event: Followed, agentId: string, terminal: Terminal): string[] {
  switch (event.type) {
    case "session.starting":
      return [terminal.style("dim", `· starting a sandbox (${event.data.provider})`)];
    case "session.started":
      return [terminal.style("dim", `· the agent is ready after ${(event.data.boot_ms / 1000).toFixed(1)} s`)];
    case "message.created": {
      const who = event.envelope.principal.id === agentId ? terminal.style("cyan", "agent") : terminal.style("green", "you  ");
      return indent(who, event.data.content_md ?? "(long text, see the web app)");
    }
    case "tool.invoked":
      return [`${terminal.style("yellow", "tool ")}  ${toolLine(event.data)}`];
    case "tool.succeeded":
      return event.data.output === undefined ? [] : tail(event.data.output, terminal);
    case "tool.failed":
      return [terminal.style("red", `       failed: ${printable(event.data.error).split("\n")[0]}`)];
    case "approval.requested":
      return [terminal.style("bold", `asks   ${printable(event.data.title)}  (${event.data.approval_id})`)];
    case "approval.approved":
      return [terminal.style("green", "       approved")];
    case "approval.denied":
      return [terminal.style("red", "       denied")];
    case "invocation.completed":
      return [terminal.style("green", "       done")];
    case "invocation.failed":
      return [terminal.style("red", `       not done: ${printable(event.data.message)}`)];
    case "egress.blocked":
      return [terminal.style("red", `       blocked: ${printable(event.data.host)} (${event.data.reason})`)];
    case "run.failed":
      return [terminal.style("red", `run    failed: ${printable(event.data.message)}`)];
    case "run.canceled":
      return [terminal.style("dim", "· the turn was canceled")];
    case "session.changes_recorded":
      return event.data.files.map((file) =>
        terminal.style("dim", `· ${file.status} ${printable(file.path)} (+${file.additions} −${file.deletions})`),
      );
    case "session.failed":
      return [terminal.style("red", `session failed: ${printable(event.data.message)}`)];
    case "session.stopped":
      return [terminal.style("dim", `· the session was stopped: ${printable(event.data.reason)}`)];
    default:
      return [];
  }
}

/** What it does in one line: the command or file of the usual tools, else its title. */
export function toolLine(call: { name: string; title?: string | null | undefined; arguments: unknown }): string {
  const of = (typeof call.arguments === "object" && call.arguments !== null ? call.arguments : {}) as Record<string, unknown>;
  const subject = [of["command"], of["filePath"], of["file_path"], of["path"], of["pattern"], of["url"]].find(
    (value) => typeof value === "string",
  );
  const text = subject === undefined ? (call.title ?? "") : subject;
  return printable(`${call.name}${text === "" || text === call.name ? "" : `  ${text}`}`)
    .replaceAll("\n", " ⏎ ")
    .slice(0, 160);
}

const indent = (who: string, text: string): string[] =>
  printable(text)
    .trimEnd()
    .split("\n")
    .map((line, i) => `${i === 0 ? who : "     "}  ${line}`);

/** The last lines of what a tool printed are where its verdict stands. */
function tail(output: string, terminal: Terminal): string[] {
  const lines = printable(output)
    .trimEnd()
    .split("\n")
    .filter((line) => line.trim() !== "");
  const shown = lines.slice(-4).map((line) => terminal.style("dim", `       ${line.slice(0, 160)}`));
  return lines.length > 4 ? [terminal.style("dim", `       … ${lines.length - 4} more lines`), ...shown] : shown;
}

/** The sentence being written, on the last line of the terminal, redrawn until the whole message stands there. */
function liveText({ client, session }: FollowOptions, signal: AbortSignal): { clear(): void; close(): void } {
  let text = "";
  const sync = createSync({ client });
  const draw = (): void => {
    const width = (process.stderr.columns ?? 80) - 1;
    process.stderr.write(`\r\u001B[K${printable(text).replaceAll("\n", " ").slice(-width)}`);
  };
  const unsubscribe = sync.subscribe(`session:${session.id}`, {
    onUpdate: (update) => {
      const delta = update.payload as SessionDelta;
      if (delta.kind === "cost") text = `spent ${dollars(delta.spent_micro_usd)}`;
      else if (delta.kind === "text") text += delta.delta;
      else if (delta.kind === "part_done") text = "";
      else return;
      draw();
    },
    onStale: () => undefined, // The feed has everything that is complete; only the unfinished sentence is missed.
  });
  const clear = (): void => {
    text = "";
    process.stderr.write("\r\u001B[K");
  };
  const close = (): void => {
    unsubscribe();
    sync.close();
    clear();
  };
  signal.addEventListener("abort", close, { once: true });
  return { clear, close };
}
