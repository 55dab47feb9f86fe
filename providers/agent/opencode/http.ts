/* HTTP to the agent inside, over whichever duplex the host gives. One pool per agent; answers are bounded. */
import { Agent, request, type Dispatcher } from "undici";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import type { AgentHost } from "../port.ts";

/** A conversation's messages come back whole, tool outputs included. */
const ANSWER_LIMIT = 64 * 1024 * 1024;

export class AgentHttpError extends Error {
  override name = "AgentHttpError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export type AgentHttp = {
  json(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    options?: { body?: unknown; timeoutMs?: number; signal?: AbortSignal | undefined },
  ): Promise<unknown>;
  /** Server-sent events; the signal ends it. */
  stream(path: string, signal: AbortSignal): Promise<AsyncIterable<Buffer>>;
  close(): Promise<void>;
};

export function agentHttp(host: AgentHost, port: number, password: string): AgentHttp {
  const agent = new Agent({
    connect: (_options, callback) => {
      host.connect(port).then(
        (duplex: Duplex) => callback(null, duplex as Socket),
        (error: Error) => callback(error, null),
      );
    },
    connections: 8,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;
  const origin = `http://127.0.0.1:${port}`;

  async function send(
    method: Dispatcher.HttpMethod,
    path: string,
    body: unknown,
    signal: AbortSignal | null,
  ): Promise<Dispatcher.ResponseData> {
    return request(origin + path, {
      dispatcher: agent,
      method,
      headers: { authorization, accept: "*/*", ...(body !== undefined && { "content-type": "application/json" }) },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
  }

  return {
    async json(method, path, options = {}) {
      const timeout = AbortSignal.timeout(options.timeoutMs ?? 30_000);
      const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
      const answer = await send(method, path, options.body, signal);
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > ANSWER_LIMIT) throw new AgentHttpError(answer.statusCode, `${method} ${path} answered more than ${ANSWER_LIMIT} bytes`);
        chunks.push(chunk);
      }
      const text = Buffer.concat(chunks).toString("utf8");
      if (answer.statusCode >= 400)
        throw new AgentHttpError(answer.statusCode, `${method} ${path} answered ${answer.statusCode}: ${text.slice(0, 500)}`);
      return text === "" ? null : (JSON.parse(text) as unknown);
    },
    async stream(path, signal) {
      const answer = await send("GET", path, undefined, signal);
      if (answer.statusCode !== 200) {
        answer.body.destroy();
        throw new AgentHttpError(answer.statusCode, `GET ${path} answered ${answer.statusCode}`);
      }
      return answer.body as AsyncIterable<Buffer>;
    },
    close: () => agent.destroy(),
  };
}
