/*
 * The sandbox and the agent of one session: made, taken over, made again, ended. What a hub holds while it lives.
 *
 *   records of before ─► adopt ─► alive: re-attach the agent ──────────────────────► ready
 *                          └─► gone ─► create ─► egress ─► checkout ─► start agent ─┘
 *
 * Nothing here decides or records; the hub does, with what this returns.
 */
import type { SessionSource } from "@signalbox/contract/events/sessions";
import { AgentStartError, type AgentHost, type AgentModel, type AgentSession, type StartOptions } from "@signalbox/providers/agent/port";
import type { Sandbox, SandboxEnd, SandboxLimits, SandboxProvider } from "@signalbox/providers/sandbox/port";
import type { Logger } from "pino";
import type { z } from "zod";
import type { ForgeModule } from "../forge/public.ts";
import type { ModelsModule } from "../models/public.ts";
import { instructionsFor } from "./instructions.ts";
import type { Lease, Leases } from "./lease.ts";
import { MODEL_BASE_URL, MODEL_PLACEHOLDER_KEY, type EgressPort, type HarnessEntry } from "./ports.ts";
import type { SessionFacts } from "./session.ts";

export interface WorkplaceDeps {
  readonly sandboxes: SandboxProvider;
  readonly limits: SandboxLimits;
  readonly harnesses: Readonly<Record<string, HarnessEntry>>;
  readonly egress: EgressPort;
  readonly forge: Pick<ForgeModule, "open" | "checkout" | "setPerson" | "diff">;
  readonly models: Pick<ModelsModule, "resolve">;
  readonly leases: Leases;
  readonly logger: Logger;
}

/** A start that cannot succeed by trying again: told to the person as it stands. */
export class StartFailed extends Error {
  override name = "StartFailed";
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export const AGENT_PERSON = { name: "Signalbox agent", email: "agent@signalbox.invalid" } as const;

export interface WorkplaceEvents {
  onProgress(text: string): void;
  onSandboxEnd(end: SandboxEnd): void;
}

export class Workplace {
  readonly #deps: WorkplaceDeps;
  readonly #lease: Lease;
  readonly #facts: SessionFacts;
  readonly #events: WorkplaceEvents;
  readonly sandboxId: string;
  sandbox: Sandbox | null = null;
  agent: AgentSession | null = null;
  /** Why the last sandbox ended, until there is another. */
  lastEnd: SandboxEnd | null = null;
  #agentSessionId: string | null;

  constructor(deps: WorkplaceDeps, lease: Lease, facts: SessionFacts, events: WorkplaceEvents) {
    this.#deps = deps;
    this.#lease = lease;
    this.#facts = facts;
    this.#events = events;
    this.#agentSessionId = lease.agentRecord?.agentSessionId ?? facts.agentSessionId;
    this.sandboxId = sandboxIdOf(lease.sessionId);
  }

  get ready(): boolean {
    return this.sandbox?.alive() === true && this.agent !== null;
  }

  /** True when the sandbox of before is still there. */
  async adoptSandbox(): Promise<boolean> {
    const { sandboxes } = this.#deps;
    if (this.#lease.sandboxRecord === null) return false;
    const sandbox = await sandboxes.adopt(this.#lease.sandboxRecord);
    if (sandbox === null) return false;
    await this.#own(sandbox);
    // No agent was ever started in it: the server may have died in the middle of the checkout. Again is harmless.
    if (this.#lease.agentRecord === null) {
      await this.#openSource();
      await this.#checkOut(sandbox);
    }
    return true;
  }

  async createSandbox(): Promise<void> {
    const { sandboxes, limits } = this.#deps;
    const { organizationId } = this.#lease;
    const entry = this.#harness();
    this.#events.onProgress("Preparing the repository and the sandbox.");
    // Both take a while and neither needs the other. Settled both, so that a sandbox is never left behind unseen.
    const [opened, created] = await Promise.allSettled([
      this.#openSource(),
      sandboxes.create({ id: this.sandboxId, organizationId, limits, env: environment(), tools: [...entry.tools] }),
    ]);
    if (created.status === "fulfilled") await this.#own(created.value);
    if (opened.status === "rejected") throw opened.reason;
    if (created.status === "rejected")
      throw new StartFailed("sandbox_unavailable", "The sandbox could not be started.", { cause: created.reason });
    await this.#checkOut(created.value);
  }

  async #openSource(): Promise<void> {
    const { organizationId, sessionId } = this.#lease;
    const source = this.#facts.about.source;
    if (source.type !== "repository") return;
    let opened: Awaited<ReturnType<WorkplaceDeps["forge"]["open"]>>;
    try {
      opened = await this.#deps.forge.open({
        organizationId,
        sessionId,
        source: repository(source),
        baseCommit: this.#facts.baseCommit ?? undefined,
      });
    } catch (cause) {
      throw new StartFailed("source_unavailable", "The repository could not be prepared.", { cause });
    }
    if (!opened.ok) throw new StartFailed(opened.code, opened.message);
  }

  async #checkOut(sandbox: Sandbox): Promise<void> {
    this.#events.onProgress("Checking out the repository.");
    try {
      await this.#deps.forge.checkout(sandbox, { sessionId: this.#lease.sessionId, agent: AGENT_PERSON });
    } catch (cause) {
      throw new StartFailed("checkout_failed", "The repository could not be checked out in the sandbox.", { cause });
    }
  }

  /** Takes the agent over where it runs, or starts it with the conversation it had. */
  async startAgent(using: {
    readonly model: string;
    readonly models: readonly string[];
    readonly signal?: AbortSignal | undefined;
  }): Promise<AgentSession> {
    const { sandbox } = this;
    if (sandbox === null) throw new Error("an agent needs a sandbox");
    const { models, logger, leases } = this.#deps;
    const { harness } = this.#harness();
    const { about } = this.#facts;
    const modelOf = async (modelId: string): Promise<AgentModel> => {
      const found = await models.resolve(this.#lease.organizationId, modelId);
      return {
        baseUrl: MODEL_BASE_URL,
        apiKey: MODEL_PLACEHOLDER_KEY,
        modelId,
        contextLimit: found?.contextTokens,
        outputLimit: found?.maxOutputTokens,
      };
    };
    const options: StartOptions = {
      model: await modelOf(using.model),
      otherModels: await Promise.all(using.models.filter((id) => id !== using.model).map(modelOf)),
      instructions: instructionsFor(about.kind, about.source),
      signal: using.signal,
    };
    const host = hostOf(sandbox);
    this.#events.onProgress("Starting the agent.");
    const record = (await leases.records(this.#lease.sessionId)).agent ?? undefined;
    const agentSessionId = record?.agentSessionId ?? this.#agentSessionId;
    try {
      this.agent = await harness.start(host, { ...options, resume: agentSessionId === null ? undefined : { agentSessionId, record } });
    } catch (error) {
      if (agentSessionId === null || !(error instanceof AgentStartError) || using.signal?.aborted === true) throw agentFailed(error);
      // Its memory is gone with its files; what was said is in the log all the same.
      logger.warn({ err: error, session_id: this.#lease.sessionId }, "the agent could not pick its conversation up; it begins a new one");
      try {
        this.agent = await harness.start(host, options);
      } catch (again) {
        throw agentFailed(again);
      }
    }
    this.#agentSessionId = this.agent.agentSessionId;
    await this.rememberAgent();
    return this.agent;
  }

  /** After every start and every prompt: an ACP agent's record says where in its output the turn begins. */
  async rememberAgent(): Promise<void> {
    if (this.agent !== null) await this.#deps.leases.remember(this.#lease, { agent: this.agent.record });
  }

  /** Ends both. Files stay. */
  async end(): Promise<void> {
    const { egress, leases, logger } = this.#deps;
    const [agent, sandbox] = [this.agent, this.sandbox];
    this.agent = null;
    try {
      if (agent !== null && sandbox?.alive() === true) await agent.close();
    } catch (error) {
      logger.debug({ err: error }, "the agent did not end by itself; its sandbox ends it");
    }
    await sandbox?.stop();
    await egress.unlisten(this.sandboxId);
    await leases.remember(this.#lease, { sandbox: null });
    this.sandbox = null;
  }

  /** Leaves both running, for whoever owns the session now. */
  async letGo(): Promise<void> {
    this.agent?.detach();
    this.agent = null;
    this.sandbox = null;
    // Its sockets too: the next owner's take their place, and ours must not answer in it.
    await this.#deps.egress.unlisten(this.sandboxId);
    await this.#deps.sandboxes.release(this.sandboxId);
  }

  async #own(sandbox: Sandbox): Promise<void> {
    const { egress, leases } = this.#deps;
    const { organizationId, sessionId } = this.#lease;
    this.sandbox = sandbox;
    this.lastEnd = null;
    sandbox.onEnd((end) => {
      this.lastEnd = end;
      this.#events.onSandboxEnd(end);
    });
    // First, so that a server that dies here finds it again.
    await leases.remember(this.#lease, { sandbox: sandbox.record });
    await egress.listen({ organizationId, sessionId, sandboxId: this.sandboxId }, sandbox.egressDirectory);
  }

  #harness(): HarnessEntry {
    const entry = this.#deps.harnesses[this.#facts.about.harness];
    if (entry === undefined)
      throw new StartFailed("agent_missing", `The agent ${this.#facts.about.harness} is not installed on this server.`);
    return entry;
  }
}

/** One sandbox a session, found again by its name with its files in it. */
export const sandboxIdOf = (sessionId: string): string => `sbx_${sessionId.slice("ses_".length)}`;

export const hostOf = (sandbox: Sandbox): AgentHost => ({
  home: "/home/sbx",
  workspace: "/workspace",
  spawn: (options) => sandbox.spawn(options),
  attach: (id, options) => sandbox.attach(id, options),
  processes: () => sandbox.processes(),
  connect: (port) => sandbox.connect(port),
  alive: () => sandbox.alive(),
  writeFile: (path, content, mode) => sandbox.writeFile(path, content, mode),
});

const repository = (source: Extract<z.infer<typeof SessionSource>, { type: "repository" }>): { url: string; ref?: string | undefined } => ({
  url: source.url,
  ref: source.ref,
});

/** Nothing in it is a credential: the agent can read all of it. */
const environment = (): { [name: string]: string } => ({
  SIGNALBOX: "1",
  GIT_TERMINAL_PROMPT: "0",
  // npm asks its registry for news at each call: a blocked host that nobody meant to reach.
  NO_UPDATE_NOTIFIER: "1",
  npm_config_update_notifier: "false",
  npm_config_audit: "false",
  npm_config_fund: "false",
});

function agentFailed(error: unknown): StartFailed {
  const code = error instanceof AgentStartError ? error.code : "agent_failed";
  const said: Record<string, string> = {
    start_timeout: "The agent did not start in time.",
    agent_exited: "The agent ended while it started.",
    agent_missing: "The agent's program is not in the sandbox.",
    protocol: "The agent answered in a way that is not understood; is its version supported?",
  };
  return new StartFailed(code, said[code] ?? "The agent could not be started.", { cause: error });
}

/** For the person whose turn it ended. */
export function sandboxEndMessage(end: SandboxEnd): string {
  switch (end.reason) {
    case "stopped":
      return "The sandbox was stopped.";
    case "disk_quota":
      return `The sandbox was ended because it used ${Math.ceil(end.usedBytes / 1024 ** 2)} MiB of disk; ${Math.floor(end.limitBytes / 1024 ** 2)} MiB are allowed.`;
    case "out_of_memory":
      return "The sandbox ran out of memory and ended. Its files are kept; the next message starts it again.";
    case "exited":
      return "The sandbox ended unexpectedly. Its files are kept; the next message starts it again.";
  }
}
