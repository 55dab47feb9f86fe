/*
 * Any agent that speaks the Agent Client Protocol on its standard streams.
 *
 *   spawn ──► initialize ──► session/new | session/resume | session/load ──► session
 *   record of a live process ──► attach from its offset, hear the present turn again ──► session
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  methods,
  PROTOCOL_VERSION,
  RequestError,
  type InitializeResponse,
  type McpServer,
  type NewSessionResponse,
} from "@agentclientprotocol/sdk";
import { AgentStartError, type AgentHost, type AgentRecord, type AgentSession, type Harness, type StartOptions } from "../port.ts";
import { exitBeforeStart, patiently } from "../process.ts";
import { openCodeEnv, openCodePaths, PROVIDER, writeOpenCodeFiles } from "../opencode/settings.ts";
import { chooseModel, modelChoice } from "./model.ts";
import { AcpLine, AcpSession, type AcpRecord } from "./session.ts";

const START_MS = 180_000;
/** Standard output is silent this long before a taken-over agent counts as heard. */
const QUIET_MS = 150;

export type AcpAgent = {
  argv: string[];
  /** Writes the agent's configuration into the host and says what its process needs in its environment. */
  prepare(host: AgentHost, options: StartOptions): Promise<Record<string, string>>;
  /** False when `prepare` has told the agent the instructions; otherwise they go before the first prompt. */
  instructInPrompt: boolean;
  /** What the agent calls a model of ours where it offers models; absent: it runs on one of its own. */
  modelValue?(modelId: string): string;
};

export function openCodeAcp(command = "opencode"): AcpAgent {
  return {
    argv: [command, "acp"],
    instructInPrompt: false,
    modelValue: (modelId) => `${PROVIDER}/${modelId}`,
    async prepare(host, options) {
      const paths = openCodePaths(host);
      await writeOpenCodeFiles(host, options, paths);
      return openCodeEnv(options, paths, undefined);
    },
  };
}

export function acpHarness(agent: AcpAgent): Harness {
  return {
    name: "acp",
    choosesModel: agent.modelValue !== undefined,
    async start(host, options) {
      const timeout = AbortSignal.timeout(options.startTimeoutMs ?? START_MS);
      const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
      try {
        return (
          (await takeOver(host, agent, options)) ?? (await patiently(signal, (limited) => boot(host, agent, options, signal, limited)))
        );
      } catch (error) {
        if (error instanceof AgentStartError) throw error;
        if (options.signal?.aborted) throw new AgentStartError("aborted", "the start was called off", { cause: error });
        if (timeout.aborted) throw new AgentStartError("start_timeout", "the agent was not ready in time", { cause: error });
        const code = error instanceof Error && "code" in error && error.code === "ENOENT" ? "agent_missing" : "protocol";
        throw new AgentStartError(code, error instanceof Error ? error.message : "the agent could not be started", { cause: error });
      }
    },
  };
}

async function takeOver(host: AgentHost, agent: AcpAgent, options: StartOptions): Promise<AgentSession | null> {
  const record = options.resume?.record;
  if (!record || !isAcpRecord(record)) return null;
  const state = (await host.processes()).find((one) => one.process === record.processId);
  if (!state || state.exit) return null;
  const process = await host.attach(record.processId, { stdoutFrom: record.offset });
  if (process.stdoutFrom > record.offset) {
    // Part of the turn is not retained any more. Its files are: a new process picks the conversation up from them.
    process.kill("SIGKILL");
    await process.exited;
    return null;
  }
  const line = new AcpLine(process, record.offset);
  line.outbox.muted = true;
  if (record.promptId !== null) line.conversation.begin(record.promptId);
  // One that an older version left behind does not say on which model it runs.
  const { modelId = options.model.modelId, modelOption = null } = record as Partial<AcpRecord>;
  const session = new AcpSession(
    line,
    process,
    { ...record, modelId, modelOption },
    {
      startModel: options.model.modelId,
      instructions: agent.instructInPrompt ? options.instructions : undefined,
      reattached: true,
      modelValue: agent.modelValue,
    },
  );
  for (let before = -1; before !== line.lines.offset();) {
    before = line.lines.offset();
    await sleep(QUIET_MS);
  }
  line.outbox.muted = false;
  return session;
}

async function boot(
  host: AgentHost,
  agent: AcpAgent,
  options: StartOptions,
  overall: AbortSignal,
  limited: () => AbortSignal,
): Promise<AgentSession> {
  const env = await agent.prepare(host, options);
  const processId = `acp-${randomUUID()}`;
  const process = await host.spawn({ id: processId, argv: agent.argv, cwd: host.workspace, env: { ...options.env, ...env } });
  let complained = "";
  const onErr = (chunk: Buffer): void => {
    complained = (complained + chunk.toString("utf8")).slice(-2000);
  };
  process.stderr.on("data", onErr);
  try {
    const line = new AcpLine(process, 0);
    const ended = exitBeforeStart(process, "the agent ended before it was ready", () => complained);
    const said = <T>(answer: Promise<T>, within: AbortSignal): Promise<T> => {
      const explained = answer.catch(async (error: unknown) => {
        // A wire that breaks is usually an agent that ends, whose last words say more.
        if (!(error instanceof AgentStartError)) await Promise.race([ended, sleep(1_000)]);
        throw error;
      });
      return Promise.race([explained, ended, rejectOnAbort(within)]);
    };
    const hello = await said(initialize(line), overall);
    const { sessionId: agentSessionId, modelOption } = await said(meet(line, hello, host, agent, options), limited());
    const record: AcpRecord = {
      harness: "acp",
      agentSessionId,
      processId,
      offset: line.lines.offset(),
      promptId: null,
      promptRequest: null,
      instructed: options.resume !== undefined,
      modelId: options.model.modelId,
      modelOption,
    };
    return new AcpSession(line, process, record, {
      startModel: options.model.modelId,
      instructions: agent.instructInPrompt ? options.instructions : undefined,
      reattached: false,
      modelValue: agent.modelValue,
    });
  } catch (error) {
    process.kill("SIGKILL");
    throw error;
  } finally {
    process.stderr.off("data", onErr);
  }
}

type Met = { sessionId: string; modelOption: string | null };

function initialize(line: AcpLine): Promise<InitializeResponse> {
  return line.connection.agent.request(methods.agent.initialize, {
    protocolVersion: PROTOCOL_VERSION,
    // It runs beside its files: it reads, writes and executes there itself.
    clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    clientInfo: { name: "signalbox", version: "1" },
  });
}

/** The conversation, made or picked up. */
async function meet(line: AcpLine, hello: InitializeResponse, host: AgentHost, agent: AcpAgent, options: StartOptions): Promise<Met> {
  const peer = line.connection.agent;
  const place = { cwd: host.workspace, mcpServers: mcpServers(options, hello) };
  const sessionId = options.resume?.agentSessionId;
  if (sessionId !== undefined) {
    const { configOptions } = await pickUp(line, hello, { ...place, sessionId });
    return { sessionId, modelOption: await onModel(line, agent, options, sessionId, configOptions) };
  }
  const made: NewSessionResponse = await peer.request(methods.agent.session.new, place);
  return { sessionId: made.sessionId, modelOption: await onModel(line, agent, options, made.sessionId, made.configOptions) };
}

async function pickUp(
  line: AcpLine,
  hello: InitializeResponse,
  of: { cwd: string; mcpServers: McpServer[]; sessionId: string },
): Promise<Pick<NewSessionResponse, "configOptions">> {
  const peer = line.connection.agent;
  try {
    if (hello.agentCapabilities?.sessionCapabilities?.resume) return await peer.request(methods.agent.session.resume, of);
    if (hello.agentCapabilities?.loadSession) return await peer.request(methods.agent.session.load, of);
  } catch (error) {
    if (error instanceof RequestError)
      throw new AgentStartError("session_unknown", `the agent does not know this conversation: ${error.message}`, { cause: error });
    throw error;
  }
  throw new AgentStartError("session_unknown", "this agent cannot pick up a conversation after its process has ended");
}

/** Answers with the name of its choice of models. A conversation that is picked up may stand on the model it was left on. */
async function onModel(
  line: AcpLine,
  agent: AcpAgent,
  { model }: StartOptions,
  sessionId: string,
  options: NewSessionResponse["configOptions"],
): Promise<string | null> {
  const choice = modelChoice(options);
  const value = agent.modelValue?.(model.modelId);
  if (choice === null || value === undefined) return null;
  if (choice.current !== value && choice.values.includes(value)) await chooseModel(line.connection, sessionId, choice.id, value);
  return choice.id;
}

function mcpServers(options: StartOptions, hello: InitializeResponse): McpServer[] {
  if (!options.mcpServers || !hello.agentCapabilities?.mcpCapabilities?.http) return [];
  return options.mcpServers.map((server) => ({
    type: "http",
    name: server.name,
    url: server.url,
    headers: Object.entries(server.headers ?? {}).map(([name, value]) => ({ name, value })),
  }));
}

function isAcpRecord(record: AgentRecord): record is AcpRecord {
  return record.harness === "acp" && typeof record["processId"] === "string" && typeof record["offset"] === "number";
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
