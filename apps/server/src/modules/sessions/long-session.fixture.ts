/* A session as long as one wishes, made through the log by the same deciders as a real one; no agent, no sandbox. */
import type { EventLog, NewJob, Origin, Unit } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { approval } from "../approvals/public.ts";
import { budget } from "../ledger/public.ts";
import { roomCommands } from "../rooms/public.ts";
import { PLATFORM, run } from "../runs/public.ts";
import { session } from "./session.ts";

export interface LongSession {
  readonly sessionId: string;
  readonly roomId: string;
  readonly threadId: string;
  readonly agentId: string;
  readonly runs: string[];
  /** Approvals, in the order in which they were requested; every second one was approved. */
  readonly approvals: string[];
}

export interface Author {
  readonly log: EventLog;
  readonly organizationId: string;
  readonly by: string;
}

const TOOLS = ["Read src/index.ts", "Run the tests", "Edit src/cart.ts", "Search for usages"];
const OUTPUT = "ok 1 - adds\nok 2 - removes\n".repeat(20);

/** One that has begun: its room, thread, budget and session. */
export async function beginSession(
  { log, organizationId, by }: Author,
  of: { title?: string; budget?: number } = {},
): Promise<LongSession> {
  const [sessionId, roomId, threadId, agentId] = [newId("ses"), newId("room"), newId("th"), newId("agt")];
  const origin: Origin = { principal: { id: by, type: "user" }, roomId, threadId, sessionId };
  const stream = { type: "room", id: roomId } as const;
  const title = of.title ?? "A long session";
  await log.unit({ organizationId, origin }, async (unit) => {
    await roomCommands.createRoom(unit, { id: roomId, title, by, sessionId }, origin);
    await roomCommands.createThread(unit, { id: threadId, roomId, title }, origin);
    await unit.decide(session, stream, `session:${sessionId}`, {
      type: "create",
      data: {
        session_id: sessionId,
        room_id: roomId,
        thread_id: threadId,
        title,
        kind: "coding",
        source: { type: "scratch" },
        harness: "opencode",
        model: "demo",
        agent_id: agentId,
        created_by: by,
        budget_micro_usd: of.budget ?? 5_000_000,
        // Nobody is to run it.
        sandbox: "deferred",
      } as never,
    });
    await unit.decide(
      budget,
      { type: "ledger", id: organizationId },
      `budget:${sessionId}`,
      { type: "set", sessionId, cap: of.budget ?? 5_000_000 },
      { sessionId },
    );
  });
  return { sessionId, roomId, threadId, agentId, runs: [], approvals: [] };
}

/** One prompt with its turn: `tools` calls, thoughts now and then, an approval, what it cost, an answer. */
export async function addTurn(
  { log, organizationId, by }: Author,
  of: LongSession,
  turn: { tools: number; prompt?: string; end?: "completed" | "failed" | "none" },
): Promise<string> {
  const { sessionId, roomId, threadId, agentId } = of;
  const stream = { type: "room", id: roomId } as const;
  const runId = newId("run");
  const subject = `run:${runId}`;
  const person: Origin = { principal: { id: by, type: "user" }, roomId, threadId, sessionId, runId };
  const agent: Origin = { ...person, principal: { id: agentId, type: "agent" } };
  const now = new Date().toISOString();
  const write = { runId: runId as never, writer: PLATFORM, now } as const;
  await log.unit({ organizationId, origin: person }, async (unit) => {
    const messageId = newId("msg");
    await roomCommands.postMessage(unit, { id: messageId, roomId, threadId, contentMd: turn.prompt ?? "Make the tests pass." }, person);
    await unit.decide(run, stream, subject, {
      type: "create",
      runId: runId as never,
      kind: "turn",
      requestedBy: by as never,
      title: turn.prompt ?? "Make the tests pass.",
      input: { message_id: messageId },
      sessionId: sessionId as never,
    });
    await unit.decide(run, stream, subject, { ...write, type: "start" });
  });
  of.runs.push(runId);
  for (let done = 0; done < turn.tools; done += 40) {
    await log.unit({ organizationId, origin: agent }, async (unit) => {
      const stepId = newId("step");
      await unit.decide(run, stream, subject, { ...write, type: "create_step", stepId: stepId as never, kind: "model" });
      for (let i = done; i < Math.min(done + 40, turn.tools); i++) {
        const toolCallId = newId("tc") as never;
        await unit.decide(
          run,
          stream,
          subject,
          {
            ...write,
            type: "invoke_tool",
            toolCallId,
            stepId: stepId as never,
            name: "bash",
            title: TOOLS[i % TOOLS.length],
            arguments: { command: `npm test -- ${i}` },
          },
          { stepId },
        );
        await unit.decide(
          run,
          stream,
          subject,
          i % 10 === 9
            ? { ...write, type: "fail_tool", toolCallId, durationMs: 5, error: "exit code 1", output: OUTPUT }
            : { ...write, type: "succeed_tool", toolCallId, durationMs: 5, output: OUTPUT },
        );
      }
    });
  }
  await log.unit({ organizationId, origin: agent }, async (unit) => {
    const approvalId = newId("appr");
    await ask(unit, of, approvalId, runId, now);
    if (of.approvals.push(approvalId) % 2 === 0)
      await unit.decide(approval, stream, `approval:${approvalId}`, {
        type: "approve",
        approvalId: approvalId as never,
        by: by as never,
        now,
      });
    await unit.decide(session, stream, `session:${sessionId}`, {
      type: "record_changes",
      runId,
      files: [{ path: `src/file-${of.runs.length}.ts`, status: "modified", additions: of.runs.length, deletions: 1, binary: false }],
    });
    await roomCommands.postMessage(unit, { roomId, threadId, contentMd: `That was turn ${of.runs.length}.` }, agent);
    if (turn.end === "failed")
      await unit.decide(run, stream, subject, { ...write, type: "fail", code: "agent_lost", message: "It was lost." });
    else if (turn.end !== "none") await unit.decide(run, stream, subject, { ...write, type: "complete", summary: "Done." });
    const reservationId = newId("rsv");
    const ledger = { type: "ledger", id: organizationId } as const;
    const bill = {
      upstream: "demo",
      cost: 1000,
      usage: { input_tokens: 10, output_tokens: 5, source: "counted" },
      durationMs: 10,
    } as const;
    await unit.decide(budget, ledger, `budget:${sessionId}`, {
      type: "reserve",
      reservationId,
      runId,
      model: "demo",
      amount: 1000,
      holder: "test",
    });
    await unit.decide(budget, ledger, `budget:${sessionId}`, { type: "settle", reservationId, ...bill, outcome: "completed" });
  });
  return runId;
}

async function ask(unit: Unit, of: LongSession, approvalId: string, runId: string, now: string): Promise<void> {
  await unit.decide(approval, { type: "room", id: of.roomId }, `approval:${approvalId}`, {
    type: "request",
    approvalId: approvalId as never,
    action: "git.push",
    title: "Push 1 commit to main",
    params: { ref: "refs/heads/main" },
    request: { purpose: "Publish the work." },
    callHash: `sha256:${"0".repeat(64)}` as never,
    sessionId: of.sessionId as never,
    runId: runId as never,
    requestedBy: of.agentId as never,
    now,
  });
}

/** A prompt that nobody takes: it waits. */
export async function addQueued(
  { log, organizationId, by }: Author,
  of: LongSession,
  text: string,
  jobs: readonly NewJob[] = [],
): Promise<string> {
  const { sessionId, roomId, threadId } = of;
  const [runId, messageId] = [newId("run"), newId("msg")];
  const origin: Origin = { principal: { id: by, type: "user" }, roomId, threadId, sessionId, runId };
  await log.unit({ organizationId, origin }, async (unit) => {
    await roomCommands.postMessage(unit, { id: messageId, roomId, threadId, contentMd: text }, origin);
    await unit.decide(run, { type: "room", id: roomId }, `run:${runId}`, {
      type: "create",
      runId: runId as never,
      kind: "turn",
      requestedBy: by as never,
      title: text,
      input: { message_id: messageId },
      sessionId: sessionId as never,
    });
    for (const job of jobs) unit.enqueue(job);
  });
  of.runs.push(runId);
  return runId;
}
