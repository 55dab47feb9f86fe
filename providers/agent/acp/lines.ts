/*
 * JSON-RPC over an agent's standard streams, for the SDK on one side and for taking over on the other.
 *
 *   stdout ─► lines ─► ours: to the SDK        stdin ◄─ lines ◄─ SDK
 *                 └──► answers to a connection before this one: to `onForeignAnswer`
 *
 * Request ids carry the name of their connection (`k3f9.7`), so that after a restart of the server an answer to the
 * old connection's prompt is known for what it is, and never mistaken for an answer to a new request.
 * `offset` is where in the agent's output the next line begins: with it a later connection can hear a turn again.
 */
import type { AnyMessage, Stream } from "@agentclientprotocol/sdk";
import type { Readable, Writable } from "node:stream";

/** A line longer than this is dropped: it would be held in memory whole. */
const LINE_BYTES = 32 * 1024 * 1024;

export type Answer = { id: string; result: unknown; error: { code: number; message: string } | undefined };

export type LineOptions = {
  connection: string;
  offset: number;
  onRequestSent(id: string, method: string): void;
  onForeignAnswer(answer: Answer): void;
};

export type Lines = { stream: Stream; offset(): number };

export function jsonLines(stdin: Writable, stdout: Readable, options: LineOptions): Lines {
  let offset = options.offset;
  let closed = false;
  const readable = new ReadableStream<AnyMessage>({
    start(controller) {
      let held: Buffer[] = [];
      let heldBytes = 0;
      stdout.on("data", (chunk: Buffer) => {
        let from = 0;
        for (let at = chunk.indexOf(10, from); at >= 0; at = chunk.indexOf(10, from)) {
          const size = heldBytes + at - from;
          const line = size > LINE_BYTES ? null : Buffer.concat([...held, chunk.subarray(from, at)]);
          offset += size + 1;
          held = [];
          heldBytes = 0;
          from = at + 1;
          const message = line && !closed ? read(line, options) : null;
          if (message) controller.enqueue(message);
        }
        heldBytes += chunk.length - from;
        // Beyond the limit only its length is kept, to know where the next line begins.
        if (heldBytes > LINE_BYTES) held = [];
        else held.push(chunk.subarray(from));
      });
      const close = (): void => {
        if (!closed) controller.close();
        closed = true;
      };
      stdout.once("end", close).once("close", close).on("error", close);
    },
    /** The SDK gives up on the connection, after a write that failed for one. */
    cancel() {
      closed = true;
    },
  });
  const writable = new WritableStream<AnyMessage>({
    write(message) {
      const named = outgoing(message, options);
      return new Promise((resolve, reject) => stdin.write(`${JSON.stringify(named)}\n`, (error) => (error ? reject(error) : resolve())));
    },
  });
  return { stream: { readable, writable }, offset: () => offset };
}

function outgoing(message: AnyMessage, options: LineOptions): unknown {
  if (!("method" in message) || !("id" in message)) return message;
  const id = `${options.connection}.${message.id}`;
  options.onRequestSent(id, message.method);
  return { ...message, id };
}

/** Null for what is no message of ours: a log line on stdout, a cut line, another connection's answer. */
function read(line: Buffer, options: LineOptions): AnyMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch {
    return null; // Agents print warnings on stdout now and then.
  }
  if (typeof value !== "object" || value === null || !("jsonrpc" in value)) return null;
  if ("method" in value || !("id" in value)) return value as AnyMessage;
  const id = String(value.id);
  const prefix = `${options.connection}.`;
  if (id.startsWith(prefix)) return { ...value, id: Number(id.slice(prefix.length)) } as AnyMessage;
  const { result, error } = value as { result?: unknown; error?: { code: number; message: string } };
  options.onForeignAnswer({ id, result, error });
  return null;
}
