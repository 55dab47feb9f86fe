/*
 * The model proxy with everything real around it but the network: Postgres, log, ledger, gate, HTTP
 * on both sides. Upstreams are HTTP servers that say what a test makes them say.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { SessionEvent } from "@signalbox/contract/events/sessions";
import type { Origin, Projection } from "@signalbox/eventlog/log";
import type { PostgresLog } from "@signalbox/eventlog/postgres-log";
import { systemClock } from "@signalbox/kernel/clock";
import type { Decider } from "@signalbox/kernel/decider";
import { newId } from "@signalbox/kernel/id";
import type { ModelUpstream, UpstreamTimeouts } from "@signalbox/providers/model/port";
import type { TestDatabase } from "@signalbox/testkit/database";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import pino from "pino";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import { createLateLog } from "../../late-log.ts";
import { createGate, type GateModule } from "../gate/public.ts";
import { createLedger, type LedgerModule } from "../ledger/public.ts";
import type { Attempts } from "./call.ts";
import { createSecrets } from "../secrets/public.ts";
import { createModels, type ModelsModule } from "./public.ts";

export const ORGANIZATION = "ws_dev";
const PERSON: Origin = { principal: { id: "usr_owner", type: "user" } };

export interface Bench {
  readonly log: PostgresLog;
  readonly db: RequestDatabase;
  readonly ledger: LedgerModule;
  readonly models: ModelsModule;
  readonly gate: GateModule;
  /** As `POST /v1/kill-switch` does. */
  killSwitch(engaged: boolean): Promise<void>;
  /** As a database that does not answer the gate. */
  holdSwitch(held: boolean): void;
  /** `http://127.0.0.1:n`; the proxy is at `/llm/v1`. */
  readonly origin: string;
  session(options?: { cap?: number; models?: readonly string[] }): Promise<{ id: string; key: string }>;
  endSession(id: string): Promise<void>;
  close(): Promise<void>;
}

interface BenchOptions {
  readonly attempts?: Partial<Attempts>;
  readonly ttlMs?: number;
  readonly defaultModel?: string;
}

export function startBench(database: TestDatabase, upstreams: readonly ModelUpstream[], options: BenchOptions = {}): Promise<Bench> {
  return proxyOn((projections) => database.log({ projections, enqueue: enqueueJobs }), database.connection("sb_app"), upstreams, options);
}

/** `connection` is that of requests. */
export async function proxyOn(
  makeLog: (projections: readonly Projection[]) => Promise<PostgresLog>,
  connection: object,
  upstreams: readonly ModelUpstream[],
  options: BenchOptions,
): Promise<Bench> {
  const logger = pino({ enabled: false });
  const late = createLateLog();
  const db = openDatabase(connection, { connections: 8, onError: () => undefined });
  const deps = { log: late.log, db, clock: systemClock, logger };
  const roleInSession = async () => "owner" as const;
  const ledger = createLedger({
    ...deps,
    organizations: async () => [ORGANIZATION],
    roleInSession,
    times: { ttlMs: options.ttlMs ?? 30_000 },
  });
  let held: Promise<void> | undefined;
  let letGo: () => void = () => undefined;
  const gate = createGate({
    ...deps,
    db: {
      async inOrganization(organizationId, work) {
        await held;
        return db.inOrganization(organizationId, work);
      },
    },
    principalExists: async () => true,
    approvals: { covering: async () => null },
    killSwitchForced: false,
  });
  const models = createModels({
    ...deps,
    ledger,
    gate,
    // Nothing is kept here, so no key file is ever made.
    secrets: createSecrets({ ...deps, organizations: async () => [ORGANIZATION], keysDirectory: "/nonexistent" }),
    upstreams,
    attempts: { pauseMs: 5, ...options.attempts },
    defaultModel: options.defaultModel,
    roleInSession,
  });
  const log = await makeLog([ledger, gate, models].flatMap((module) => module.projections));
  late.bind(log);
  await gate.start?.();
  const server = await listen((request, response) => void models.handler(request, response));

  return {
    log,
    db,
    ledger,
    models,
    gate,
    origin: server.origin,
    async session({ cap = 1_000_000_000, models: allowed = [] } = {}) {
      const id = newId("ses");
      const unit = await log.unit({ organizationId: ORGANIZATION, origin: PERSON }, async (u) => {
        await u.decide(anySession, { type: "organization", id: ORGANIZATION }, `session:${id}`, {
          type: "session.created",
          data: { session_id: id },
        } as never);
        await ledger.setBudget(u, { organizationId: ORGANIZATION, sessionId: id, capMicroUsd: cap });
        return models.createVirtualKey(u, {
          organizationId: ORGANIZATION,
          sessionId: id,
          principalId: "agt_1",
          models: allowed,
          now: systemClock.now(),
        });
      });
      return { id, key: unit.value.key };
    },
    async endSession(id) {
      const target = {
        organizationId: ORGANIZATION,
        origin: PERSON,
        stream: { type: "organization", id: ORGANIZATION } as const,
        subject: `session:${id}`,
      };
      await log.run(anySession, target, { type: "session.stopped", data: { session_id: id, reason: "done" } } as SessionEvent);
    },
    holdSwitch(isHeld) {
      letGo();
      held = isHeld ? new Promise((resolve) => (letGo = resolve)) : undefined;
    },
    async killSwitch(engaged) {
      const route = gate.routes.find((bound) => bound.route.id === "kill_switch.set");
      await route?.handler({
        caller: { organizationId: ORGANIZATION, principal: PERSON.principal },
        body: { engaged },
        origin: PERSON,
      } as never);
    },
    async close() {
      await models.stop?.();
      await gate.stop?.();
      await server.close();
      await ledger.stop?.();
      await db.close();
    },
  };
}

/** Writes session events without the sessions module, whose states are not what is tested here. */
const anySession: Decider<null, SessionEvent, SessionEvent, never> = {
  initial: null,
  decide: (_state, event) => ({ ok: true, events: [event] }),
  evolve: () => null,
};

export interface Served {
  readonly origin: string;
  close(): Promise<void>;
}

export function listen(listener: RequestListener): Promise<Served> {
  const server: Server = createServer(listener);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}

export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
/** Says what it likes; `received` is all it was asked. */
export async function scriptedUpstream(
  answer: (request: Received, response: ServerResponse, nth: number) => void | Promise<void>,
): Promise<Served & { readonly received: Received[] }> {
  const received: Received[] = [];
  const served = await listen((request, response) => {
    void (async () => {
      if (request.url === "/v1/models") {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ object: "list", data: [{ id: "gpt-4o", object: "model" }] }));
        return;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const asked = { path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString("utf8") };
      received.push(asked);
      await answer(asked, response, received.length);
    })();
  });
  return { ...served, received };
}

export const QUICK: Partial<UpstreamTimeouts> = { connectMs: 500, firstByteMs: 300, idleMs: 300 };

export const chatChunk = (text: string) =>
  `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })}\n\n`;
export const chatUsage = (input: number, output: number) =>
  `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices: [], usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output } })}\n\n`;
export const CHAT_END = "data: [DONE]\n\n";
