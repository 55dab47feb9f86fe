/*
 * Server-sent events and newline-delimited JSON, written by hand on the socket's response.
 *
 *   opened ──frames──► … ──source ends / client leaves / reader too slow / server stops──► closed
 *
 * A frame object is encoded once, however many connections it goes to: as one HTTP chunk, written
 * to the socket past `ServerResponse`, which would frame it anew for each (three writes instead of
 * one; a thousand clients took twice the time). A reader that falls more than `MAX_BEHIND` behind
 * is cut off rather than skipped over: it resumes from its last id.
 * Keep-alive comments come from one timer for all connections.
 */
import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { MAX_BEHIND } from "./back-pressure.ts";
import type { FrameSink, PushStream, StreamFrame } from "./handle.ts";

const KEEP_ALIVE_MS = 15_000;
const chunk = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
};
const KEEP_ALIVE = chunk(": keep-alive\n\n");

const encoded = new WeakMap<StreamFrame, Buffer>();

function sseBytes(frame: StreamFrame): Buffer {
  let bytes = encoded.get(frame);
  if (bytes === undefined) {
    // The text is one line of JSON; a line break inside would end the field.
    bytes = chunk(frame.wire ?? `${frame.id === undefined ? "" : `id: ${frame.id}\n`}data: ${frame.text}\n\n`);
    encoded.set(frame, bytes);
  }
  return bytes;
}

export interface Streams {
  /** Resolves when the stream is over. */
  sse(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    source: AsyncIterable<StreamFrame> | PushStream,
    signal: AbortSignal,
  ): Promise<void>;
  ndjson(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    source: AsyncIterable<StreamFrame>,
    signal: AbortSignal,
  ): Promise<void>;
  open(): number;
  close(): void;
}

export function createStreams(): Streams {
  const responses = new Set<ServerResponse>();
  const beat = setInterval(() => {
    for (const { socket } of responses) if (socket?.writableLength === 0) socket.write(KEEP_ALIVE);
  }, KEEP_ALIVE_MS).unref();

  return {
    async sse(response, headers, source, signal) {
      response.writeHead(200, {
        ...headers,
        "content-type": headers["content-type"] ?? "text/event-stream; charset=utf-8",
        "cache-control": headers["cache-control"] ?? "no-store",
        // Proxies that buffer (nginx) must not.
        "x-accel-buffering": "no",
        "transfer-encoding": "chunked",
      });
      response.flushHeaders();
      const { socket } = response;
      if (socket === null) return; // gone before it began
      // Small frames must leave at once.
      socket.setNoDelay(true);
      responses.add(response);
      const write = (frame: StreamFrame): void => {
        if (socket.writableLength > MAX_BEHIND) socket.destroy();
        else socket.write(sseBytes(frame));
      };
      try {
        if ("attach" in source) {
          await pushed(source, response, { frame: write, drained: () => drained(socket) }, signal);
        } else {
          for await (const frame of source) {
            if (signal.aborted) return;
            write(frame);
            await drained(socket);
          }
        }
      } finally {
        responses.delete(response);
        response.end();
      }
    },

    async ndjson(response, headers, source, signal) {
      response.writeHead(200, { ...headers, "content-type": "application/x-ndjson; charset=utf-8", "cache-control": "no-store" });
      try {
        for await (const line of source) {
          if (signal.aborted) return;
          response.write(`${line.text}\n`);
          await drained(response);
        }
        response.end();
      } catch (error) {
        // The status is long out: a cut connection is the only way to say that this is not the end.
        response.destroy();
        throw error;
      }
    },

    open: () => responses.size,
    close() {
      clearInterval(beat);
      for (const response of responses) response.end();
    },
  };
}

function pushed(source: PushStream, response: ServerResponse, sink: Omit<FrameSink, "end">, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let detach: (() => void) | undefined;
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      detach?.();
      resolve();
    };
    signal.addEventListener("abort", end, { once: true });
    response.once("close", end);
    detach = source.attach({ ...sink, end });
    if (over) detach();
  });
}

/** At once when little is waiting; otherwise when it has left, or the connection has. */
function drained(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.once("drain", done);
    stream.once("close", done);
  });
}
