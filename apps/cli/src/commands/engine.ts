/*
 * An engine: claims task runs and lets an ACP agent work on them in a local folder.
 *
 *   claim ─► start ─► step ─► prompt the agent ─► tool calls as they end ─► complete | fail
 *              └── heartbeat every 10 s; a lost lease ends the agent, and nothing more is reported
 *
 * Every write carries claim token and epoch. When this process dies, the lease (30 s) runs out and
 * another engine gets the run.
 */
import {
  client as acpClient,
  methods,
  ndJsonStream,
  type RequestPermissionResponse,
  type SessionNotification,
} from "@agentclientprotocol/sdk";
import { ApiError, backoff, pause, type Client } from "@signalbox/client/client";
import {
  claimRun,
  completeRun,
  createStep,
  failRun,
  failToolCall,
  heartbeatRun,
  invokeTool,
  releaseRun,
  startRun,
  succeedToolCall,
  type ClaimedRun,
} from "@signalbox/contract/runs";
import type { Command } from "commander";
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { Readable, Writable } from "node:stream";
import type { z } from "zod";
import { action, type Context } from "../command.ts";
import { printable, type Terminal } from "../terminal.ts";
import { EXIT, UserError } from "../user-error.ts";

type Claimed = z.infer<typeof ClaimedRun>;

interface EngineFlags {
  readonly room?: string;
  readonly dir: string;
  readonly agent: string;
  readonly once?: boolean;
  readonly poll: string;
}

const HEARTBEAT_MS = 10_000;

export function registerEngine(program: Command): void {
  program
    .command("engine")
    .description("claim task runs and work on them here with an ACP agent")
    .option("--room <id>", "only runs of this room")
    .option("--dir <folder>", "where the agent works", ".")
    .option("--agent <command>", "command that speaks ACP on its standard streams", "opencode acp")
    .option("--once", "end after one run, or at once when there is none")
    .option("--poll <ms>", "how often to ask for work", "1200")
    .action(
      action(async ({ client, terminal, signal }: Context, flags: EngineFlags) => {
        const pollMs = Number(flags.poll);
        if (!Number.isInteger(pollMs) || pollMs < 100)
          throw new UserError(
            `"${flags.poll}" is not how often to ask.`,
            "It is a number of milliseconds, 100 or more.",
            "For example --poll 1200",
          );
        terminal.progress(`Waiting for runs${flags.room === undefined ? "" : ` of ${flags.room}`} …`);
        let failures = 0;
        while (!signal.aborted) {
          let run: Claimed | null;
          try {
            ({ run } = await client.call(claimRun, { body: flags.room === undefined ? {} : { room_id: flags.room }, signal }));
            failures = 0;
          } catch (error) {
            if (signal.aborted) break;
            // A server that is being restarted comes back; one that refuses will refuse again.
            const mayPass = error instanceof ApiError && (error.status === 0 || error.status >= 500 || error.status === 429);
            if (flags.once === true || !mayPass) throw error;
            if (failures++ === 0) terminal.progress(`${error.message} Trying again …`);
            await pause(Math.max(error.retryAfterMs ?? 0, backoff(failures)), signal);
            continue;
          }
          if (run !== null) await work(client, terminal, run, flags, signal);
          if (flags.once) return EXIT.ok;
          if (run === null) await pause(pollMs, signal);
        }
        return EXIT.ok;
      }),
    );
}

async function work(client: Client, terminal: Terminal, run: Claimed, flags: EngineFlags, signal: AbortSignal): Promise<void> {
  const fence = { claim_token: run.claim_token, epoch: run.epoch };
  const params = { id: run.id };
  const over = new AbortController();
  const working = AbortSignal.any([signal, over.signal]);
  terminal.record({ event: "claimed", run_id: run.id, attempt_no: run.attempt_no });
  terminal.line(`${run.id}  ${printable(run.title ?? run.goal ?? "")}`);
  const beat = setInterval(() => {
    client.call(heartbeatRun, { params, body: fence }).catch((error: unknown) => {
      // Refused: the run is another's, or over. Unreachable: the lease may still hold, so go on.
      if (error instanceof ApiError && error.status === 409) over.abort(error);
    });
  }, HEARTBEAT_MS);
  try {
    await client.call(startRun, { params, body: fence });
    const step = await client.call(createStep, {
      params,
      body: { ...fence, kind: "agent", title: (run.title ?? "Work on the goal").slice(0, 200) },
    });
    const summary = await drive(run.goal ?? run.title ?? "", resolve(flags.dir), flags.agent, working, {
      async tool(call) {
        const made = await client.call(invokeTool, {
          params: { id: step.id },
          body: { ...fence, name: call.name, title: call.title.slice(0, 200) || call.name, arguments: call.arguments as never },
        });
        const ended = { params: { id: made.id } };
        if (call.failed)
          await client.call(failToolCall, { ...ended, body: { ...fence, error: call.output || "failed", duration_ms: call.durationMs } });
        else await client.call(succeedToolCall, { ...ended, body: { ...fence, output: call.output, duration_ms: call.durationMs } });
        terminal.line(`  ${call.failed ? "failed" : "did   "} ${printable(call.title)}`);
      },
    });
    await client.call(completeRun, { params, body: { ...fence, summary: summary.slice(0, 100_000) } });
    terminal.record({ event: "completed", run_id: run.id });
    terminal.line(`  completed`);
  } catch (error) {
    if (over.signal.aborted) {
      terminal.progress(
        `  ${run.id} is no longer ours: ${over.signal.reason instanceof Error ? over.signal.reason.message : "the lease was lost"}`,
      );
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    // Interrupted by a person: somebody else may go on. Otherwise the failure is the result.
    const report = signal.aborted
      ? client.call(releaseRun, { params, body: { ...fence, reason: "the engine was stopped" } })
      : client.call(failRun, { params, body: { ...fence, code: "agent_failed", message: message.slice(0, 10_000) } });
    await report.catch((cause: unknown) =>
      terminal.progress(`  could not be reported: ${cause instanceof Error ? cause.message : String(cause)}`),
    );
    terminal.record({ event: "failed", run_id: run.id, message });
    terminal.line(`  failed: ${printable(message)}`);
  } finally {
    clearInterval(beat);
  }
}

interface EndedTool {
  readonly name: string;
  readonly title: string;
  readonly arguments: unknown;
  readonly output: string;
  readonly failed: boolean;
  readonly durationMs: number;
}

/** One prompt to one fresh agent process. Resolves to what the agent said last. */
async function drive(
  goal: string,
  folder: string,
  command: string,
  signal: AbortSignal,
  report: { tool(call: EndedTool): Promise<void> },
): Promise<string> {
  // An abort that came before would never be heard by the listener below.
  signal.throwIfAborted();
  const [file = "", ...argv] = command.split(/\s+/);
  const agent = spawn(file, argv, { cwd: folder, stdio: ["pipe", "pipe", "ignore"] });
  const gone = new Promise<never>((_, reject) => {
    agent.once("error", (cause) => reject(new Error(`"${command}" did not start: ${cause.message}`, { cause })));
    agent.once("exit", (code) => reject(new Error(`the agent ended in the middle (exit code ${code})`)));
    signal.addEventListener("abort", () => reject(new Error("interrupted", { cause: signal.reason })), { once: true });
  });
  const begun = new Map<string, { name: string; title: string; arguments: unknown; at: number }>();
  const reports: Promise<void>[] = [];
  let said = "";

  function update({ update: of }: SessionNotification): void {
    if (of.sessionUpdate === "agent_message_chunk" && of.content.type === "text") said += of.content.text;
    if (of.sessionUpdate === "tool_call") {
      begun.set(of.toolCallId, { name: of.kind ?? "tool", title: of.title, arguments: of.rawInput ?? {}, at: performance.now() });
      said = "";
    }
    if (of.sessionUpdate === "tool_call_update" && (of.status === "completed" || of.status === "failed")) {
      const call = begun.get(of.toolCallId);
      if (call === undefined) return;
      begun.delete(of.toolCallId);
      const output = (of.content ?? [])
        .map((part) => (part.type === "content" && part.content.type === "text" ? part.content.text : ""))
        .join("");
      const reported = report.tool({
        ...call,
        title: of.title ?? call.title,
        arguments: of.rawInput ?? call.arguments,
        output: output.slice(0, 1_000_000),
        failed: of.status === "failed",
        durationMs: Math.round(performance.now() - call.at),
      });
      // Heard when the turn ends; one that is refused before (a lost lease) must not take the process down.
      reported.catch(() => undefined);
      reports.push(reported);
    }
  }

  try {
    const connection = acpClient({ name: "signalbox-engine" })
      .onNotification(methods.client.session.update, ({ params }) => update(params))
      // Nobody watches an engine, so it may not do what would have to be asked.
      .onRequest(methods.client.session.requestPermission, ({ params }): RequestPermissionResponse => {
        const no = params.options.find((option) => option.kind === "reject_once");
        return { outcome: no === undefined ? { outcome: "cancelled" } : { outcome: "selected", optionId: no.optionId } };
      })
      .connect(
        ndJsonStream(Writable.toWeb(agent.stdin) as WritableStream<Uint8Array>, Readable.toWeb(agent.stdout) as ReadableStream<Uint8Array>),
      );
    const peer = connection.agent;
    await Promise.race([gone, peer.request(methods.agent.initialize, { protocolVersion: 1, clientCapabilities: {} })]);
    const made = await Promise.race([gone, peer.request(methods.agent.session.new, { cwd: folder, mcpServers: [] })]);
    const ended = await Promise.race([
      gone,
      peer.request(methods.agent.session.prompt, { sessionId: made.sessionId, prompt: [{ type: "text", text: goal }] }),
    ]);
    await Promise.all(reports);
    if (ended.stopReason !== "end_turn") throw new Error(`the agent stopped: ${ended.stopReason}`);
    return said.trim() === "" ? "done" : said.trim();
  } finally {
    gone.catch(() => undefined); // Its exit is expected from here on.
    agent.kill();
  }
}
