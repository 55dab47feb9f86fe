/* A composed server that listens, with sessions in real sandboxes whose agent does nothing: for the doors into them. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { TestDatabase } from "@signalbox/testkit/database";
import { WebSocket } from "ws";
import { startComposed, type Composed } from "../../composed.fixture.ts";
import { scriptedAgent } from "../sessions/scripted-harness.fixture.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
type Body = any;

export interface Workbench extends Composed {
  readonly port: number;
  /** A session whose sandbox runs. */
  session(): Promise<{ readonly id: string; readonly roomId: string; sh(script: string): Promise<string> }>;
  terminal(sessionId: string, options?: { token?: string; cols?: number; rows?: number }): Promise<string>;
  watch(terminalId: string, options?: { token?: string; from?: number; ttl_s?: number }): Promise<Watch>;
  /** Of a preview, by its URL, without a browser's help in resolving the name. */
  fetch(url: string, options?: { method?: string; headers?: Record<string, string>; body?: string }): Promise<Fetched>;
  events(roomId: string, types: RegExp): Promise<Body[]>;
}
export interface Fetched {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
export interface Watch {
  readonly socket: WebSocket;
  /** All that was printed, as text. */
  output(): string;
  bytes(): number;
  readonly frames: Body[];
  readonly closed: Promise<{ code: number; reason: string }>;
  type(text: string): void;
  send(frame: object): void;
  says(what: RegExp): Promise<void>;
  frame(type: string): Promise<Body>;
}

export async function startWorkbench(database: Pick<TestDatabase, "connection">): Promise<Workbench> {
  const agent = scriptedAgent();
  const at = await startComposed(database, { harnesses: { opencode: { harness: agent.harness, tools: [] } } });
  const port = await at.server.listen();
  const owner = { token: at.owner };

  return {
    ...at,
    port,
    async session() {
      const { body } = await at.call("POST", "/v1/sessions", { ...owner, body: { source: { type: "scratch" }, sandbox: "immediate" } });
      const { id, room_id: roomId } = body as { id: string; room_id: string };
      await until(`${id} runs`, async () => (await at.call("GET", `/v1/sessions/${id}`, owner)).body.status === "running");
      const sandbox = at.server.sessions.sandboxOf("ws_dev", id);
      if (sandbox === null) throw new Error("it runs without a sandbox");
      return {
        id,
        roomId,
        async sh(script) {
          const done = await sandbox.exec({ argv: ["/bin/sh", "-c", script], timeoutMs: 30_000 });
          if (done.exitCode !== 0) throw new Error(`${script}: ${done.stderr.toString()}`);
          return done.stdout.toString().trim();
        },
      };
    },
    async terminal(sessionId, { token = at.owner, cols = 100, rows = 30 } = {}) {
      const { status, body } = await at.call("POST", `/v1/sessions/${sessionId}/terminals`, { token, body: { cols, rows } });
      if (status !== 201) throw new Error(JSON.stringify(body));
      return body.id as string;
    },
    async watch(terminalId, { token = at.owner, from, ttl_s } = {}) {
      const { body } = await at.call("POST", "/v1/sync/token", { token, body: ttl_s === undefined ? {} : { ttl_s } });
      return watchAt(port, body.token as string, terminalId, from);
    },
    fetch: (url, options) => fetchAt(port, url, options),
    async events(roomId, types) {
      const { body } = await at.call("GET", `/v1/events?stream_type=room&stream_id=${roomId}&limit=200`, owner);
      return (body.items as Body[]).filter((event) => types.test(event.type as string));
    },
  };
}

export function fetchAt(
  port: number,
  url: string,
  { method = "GET", headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Fetched> {
  const { host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      {
        host: "127.0.0.1",
        port,
        method,
        path: pathname + search,
        headers: { host, ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }), ...headers },
      },
      (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
        answer.on("end", () => resolve({ status: answer.statusCode!, headers: answer.headers, body: text }));
        answer.on("error", reject);
      },
    );
    asked.on("error", reject);
    asked.end(body);
  });
}

export async function watchAt(port: number, token: string, terminalId: string, from?: number): Promise<Watch> {
  const query = new URLSearchParams({ token, terminal: terminalId, ...(from === undefined ? {} : { from: String(from) }) });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/terminals/socket?${query}`);
  const chunks: Buffer[] = [];
  const frames: Body[] = [];
  socket.on("error", () => undefined); // told by the close
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) chunks.push(data);
    else frames.push(JSON.parse(data.toString()));
  });
  await new Promise((resolve) => {
    socket.once("open", resolve);
    socket.once("close", resolve);
  });
  const output = (): string => Buffer.concat(chunks).toString();
  return {
    socket,
    frames,
    closed,
    output,
    bytes: () => chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    type: (text) => socket.send(Buffer.from(text), { binary: true }),
    send: (frame) => socket.send(JSON.stringify(frame)),
    says: (what) => until(`${what} in ${JSON.stringify(output().slice(-400))}`, () => what.test(output())),
    async frame(type) {
      let found: Body;
      await until(
        `a frame ${type} in ${JSON.stringify(frames)}`,
        () => (found = frames.find((frame) => frame.type === type)) !== undefined,
      );
      return found;
    },
  };
}

export async function until(what: string, look: () => Promise<boolean> | boolean, withinMs = 90_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
