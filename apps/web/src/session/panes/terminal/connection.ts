/*
 * One terminal's bytes, kept flowing for as long as somebody looks at it. Closing codes: contract/workbench.ts.
 *
 *   connecting ──ready──► live ──exit──► ended
 *       ▲                   │ closed        4403, 4404 ──► ended
 *       └──── backoff ◄─────┘  (4401: with a new token)
 *
 * Output is addressed by byte number: after a cut it goes on with the first byte that was not drawn, so nothing is
 * repeated and nothing lost, as long as the server keeps it. What is drawn is acknowledged; the server sends at most a
 * window ahead of that, so a flood waits in the program that makes it and not in this page.
 */
import { backoff } from "@signalbox/client/client";
import { createSyncToken } from "@signalbox/contract/sync";
import type { TerminalClientFrame, TerminalServerFrame } from "@signalbox/contract/workbench";
import type { TerminalId } from "@signalbox/contract/primitives";
import { client } from "../../../data/api.ts";

export type TerminalEnd =
  | { readonly kind: "exited"; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: "closed" | "session_ended" | "sandbox_ended" | "forbidden" | "not_found" };

export type TerminalStatus =
  | { readonly phase: "connecting" | "live" | "retrying"; readonly isReadOnly: boolean }
  | { readonly phase: "ended"; readonly isReadOnly: boolean; readonly end: TerminalEnd };

export interface TerminalScreen {
  /** Draws; `done` when it has. */
  write(bytes: Uint8Array, done: () => void): void;
  /** What was drawn so far is not what comes before what comes next: bytes between them were lost. */
  reset(): void;
  /** Everybody sees the same screen. */
  resized(cols: number, rows: number): void;
}

export interface TerminalConnection {
  send(bytes: string): void;
  resize(cols: number, rows: number): void;
  close(): void;
}

/** Acknowledged in pieces of this size: one frame for each would be as many frames as bytes. */
const ACK_BYTES = 32 * 1024;
/** The server answers a silent socket's pings itself; only a dead network leaves it open without a word. */
const RETRY_FIRST_MS = 300;

export function connectTerminal(id: TerminalId, screen: TerminalScreen, onStatus: (status: TerminalStatus) => void): TerminalConnection {
  const closed = new AbortController();
  const encoder = new TextEncoder();
  let socket: WebSocket | null = null;
  let attempt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isReadOnly = false;
  /** Number of the next byte to come; null before the first connection. */
  let next: number | null = null;
  let size: { cols: number; rows: number } | null = null;
  let ended: TerminalEnd | null = null;

  const frame = (message: TerminalClientFrame): void => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };

  function end(how: TerminalEnd): void {
    if (ended !== null) return;
    ended = how;
    onStatus({ phase: "ended", isReadOnly, end: how });
  }
  function again(atOnce: boolean): void {
    if (closed.signal.aborted || ended !== null) return;
    onStatus({ phase: "retrying", isReadOnly });
    timer = setTimeout(() => void open(), atOnce ? RETRY_FIRST_MS : backoff(++attempt));
  }

  async function open(): Promise<void> {
    if (closed.signal.aborted) return;
    let token: string;
    let gateway: string | undefined;
    try {
      ({ token, gateway_url: gateway } = await client.call(createSyncToken, { body: {}, signal: closed.signal }));
    } catch {
      // Signed out or out of reach: the frame of the app says so; here it is tried again.
      return again(false);
    }
    if (closed.signal.aborted) return;
    const address = new URL("/v1/terminals/socket", gateway ?? window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.search = new URLSearchParams({ token, terminal: id, ...(next === null ? {} : { from: String(next) }) }).toString();
    const opened = new WebSocket(address);
    opened.binaryType = "arraybuffer";
    socket = opened;
    let drawn = 0;
    let told = 0;
    opened.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== opened) return;
      if (typeof data === "string") return heard(data);
      const bytes = new Uint8Array(data);
      next = (next ?? 0) + bytes.length;
      screen.write(bytes, () => {
        drawn += bytes.length;
        if (socket !== opened || drawn - told < ACK_BYTES) return;
        frame({ type: "ack", bytes: drawn - told });
        told = drawn;
      });
    });
    opened.addEventListener("close", ({ code }) => {
      if (socket !== opened) return;
      socket = null;
      if (code === 4403) end({ kind: "forbidden" });
      else if (code === 4404) end({ kind: "not_found" });
      else again(code === 4401 || code === 4413);
    });
  }

  function heard(text: string): void {
    const said = JSON.parse(text) as TerminalServerFrame;
    switch (said.type) {
      case "ready":
        attempt = 0;
        isReadOnly = said.read_only;
        if (next !== null && said.offset !== next) screen.reset();
        next = said.offset;
        screen.resized(said.cols, said.rows);
        // From its first word on the server keeps to the window, also before there is anything to acknowledge.
        frame({ type: "ack", bytes: 0 });
        if (size !== null && !isReadOnly) frame({ type: "resize", ...size });
        onStatus({ phase: "live", isReadOnly });
        return;
      case "resized":
        screen.resized(said.cols, said.rows);
        return;
      case "exit": {
        const { reason, code, signal } = said;
        end(reason === "exited" ? { kind: "exited", code, signal } : { kind: reason });
        return;
      }
      case "error":
        if (said.code === "read_only") {
          isReadOnly = true;
          onStatus({ phase: "live", isReadOnly });
        }
        return;
    }
  }

  onStatus({ phase: "connecting", isReadOnly });
  void open();
  return {
    send(text) {
      if (!isReadOnly && socket?.readyState === WebSocket.OPEN) socket.send(encoder.encode(text));
    },
    resize(cols, rows) {
      if (size?.cols === cols && size.rows === rows) return;
      size = { cols, rows };
      if (!isReadOnly) frame({ type: "resize", cols, rows });
    },
    close() {
      closed.abort();
      clearTimeout(timer);
      socket?.close();
      socket = null;
    },
  };
}
