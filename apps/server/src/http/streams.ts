/*
 * Server-sent events and newline-delimited JSON, written by hand on the socket's response.
 *
 *   opened ──frames──► … ──source ends / client leaves / reader too slow / server stops──► closed
 *
 * A frame object is encoded once, whoever many connections it goes to. A reader that falls more
 * than `MAX_BUFFERED` behind is cut off rather than skipped over: it resumes from its last id.
 * Keep-alive comments come from one timer for all connections.
 */
import type { ServerResponse } from "node:http";
import type { FrameSink, PushStream, StreamFrame } from "./handle.ts";

const MAX_BUFFERED = 1024 * 1024;
const KEEP_ALIVE_MS = 15_000;
const KEEP_ALIVE = Buffer.from(": keep-alive\n\n");

const encoded = new WeakMap<StreamFrame, Buffer>();

function sseBytes(frame: StreamFrame): Buffer {
  let bytes = encoded.get(frame);
  if (bytes === undefined) {
    // The text is one line of JSON; a line break inside would end the field.
    bytes = Buffer.from(`${frame.id === undefined ? "" : `id: ${frame.id}\n`}data: ${frame.text}\n\n`);
    encoded.set(frame, bytes);
  }
  return bytes;
}

export interface Streams {
  /** Resolves when the stream is over. */
  sse(response: ServerResponse, headers: Readonly<Record<string, string>>, source: AsyncIterable<StreamFrame> | PushStream, signal: AbortSignal): Promise<void>;
  ndjson(response: ServerResponse, headers: Readonly<Record<string, string>>, source: AsyncIterable<StreamFrame>, signal: AbortSignal): Promise<void>;
  open(): number;
  close(): void;
}

export function createStreams(): Streams {
  const responses = new Set<ServerResponse>();
  const beat = setInterval(() => {
    for (const response of responses) if (response.writableLength === 0) response.write(KEEP_ALIVE);
  }, KEEP_ALIVE_MS).unref();

  return {
    async sse(response, headers, source, signal) {
      response.writeHead(200, {
        ...headers,
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // Proxies that buffer (nginx) must not.
        "x-accel-buffering": "no",
      });
      // Small frames must leave at once.
      response.socket?.setNoDelay(true);
      response.flushHeaders();
      responses.add(response);
      const write = (frame: StreamFrame): void => {
        if (response.writableLength > MAX_BUFFERED) response.destroy();
        else response.write(sseBytes(frame));
      };
      try {
        if ("attach" in source) await pushed(source, response, write, signal);
        else for await (const frame of source) {
          if (signal.aborted) return;
          write(frame);
          await drained(response);
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

function pushed(source: PushStream, response: ServerResponse, write: (frame: StreamFrame) => void, signal: AbortSignal): Promise<void> {
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
    const sink: FrameSink = { frame: write, drained: () => drained(response), end };
    detach = source.attach(sink);
    if (over) detach();
  });
}

/** At once when little is waiting; otherwise when it has left, or the connection has. */
function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
  });
}
