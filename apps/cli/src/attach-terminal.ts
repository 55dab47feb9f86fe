/*
 * This machine's terminal on one in a sandbox: every key goes there, everything it prints comes here.
 *
 *   connect ──ready──► attached ──exit──► over
 *      ▲                  │ `~.` ───────► left (it runs on)
 *      └── connection lost, token ended ◄┘   from the byte that was last seen; gives up after a minute
 */
import type { Client } from "@signalbox/client/client";
import type { TerminalId } from "@signalbox/contract/primitives";
import { createSyncToken } from "@signalbox/contract/sync";
import { TerminalServerFrame } from "@signalbox/contract/workbench";
import { setTimeout as sleep } from "node:timers/promises";
import { EscapeReader } from "./escape.ts";

export type AttachEnd =
  | { readonly how: "exited"; readonly code: number | null; readonly signal: string | null; readonly reason: string }
  | { readonly how: "left" }
  | { readonly how: "refused"; readonly message: string };

type Connection = AttachEnd | { readonly how: "lost" };

const RETRY_MS = 500;
const GIVE_UP_MS = 60_000;
/** `token_expired`, the sandbox is being taken over, this client was too slow, the server stops. */
const COME_AGAIN = new Set([1001, 1006, 1011, 4401, 4408, 4409, 4413]);

export async function attachTerminal(
  client: Client,
  terminalId: TerminalId,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<AttachEnd> {
  const { stdin, stdout } = process;
  const keys = new EscapeReader();
  let socket: WebSocket | null = null;
  let seen: number | null = null;
  let leave: (() => void) | null = null;
  let waiting: Buffer[] = [];
  const left = new Promise<void>((resolve) => (leave = resolve));

  const send = (bytes: Buffer): void => {
    if (bytes.length === 0) return;
    // What is typed while the connection is away is sent when it is back; a page of it at most.
    if (socket?.readyState === WebSocket.OPEN) socket.send(new Uint8Array(bytes));
    else if (waiting.reduce((sum, one) => sum + one.length, 0) < 4096) waiting.push(bytes);
  };
  const onKeys = (typed: Buffer): void => {
    const { send: bytes, leave: wanted } = stdin.isTTY ? keys.push(typed) : { send: typed, leave: false };
    send(bytes);
    if (wanted) leave?.();
  };
  const size = (): { cols: number; rows: number } => ({
    cols: Math.min(Math.max(stdout.columns ?? 80, 2), 500),
    rows: Math.min(Math.max(stdout.rows ?? 24, 1), 300),
  });
  const onResize = (): void => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "resize", ...size() }));
  };

  async function connect(): Promise<Connection> {
    const { token, gateway_url: gateway } = await client.call(createSyncToken, { body: { ttl_s: 900 }, signal });
    const query = new URLSearchParams({ token, terminal: terminalId, ...(seen === null ? {} : { from: String(seen) }) });
    const one = new WebSocket(`${(gateway ?? client.baseUrl).replace(/^http/, "ws")}/v1/terminals/socket?${query}`);
    one.binaryType = "arraybuffer";
    socket = one;
    return new Promise<Connection>((resolve) => {
      let said: string | null = null;
      one.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") {
          const bytes = Buffer.from(data as ArrayBuffer);
          seen = (seen ?? 0) + bytes.length;
          const { length } = bytes;
          // Only what was drawn is acknowledged: a slow screen slows the program down, not this machine's memory.
          stdout.write(bytes, () => one.readyState === WebSocket.OPEN && one.send(JSON.stringify({ type: "ack", bytes: length })));
          return;
        }
        const frame = TerminalServerFrame.safeParse(JSON.parse(data)).data;
        if (frame?.type === "ready") {
          seen = frame.offset;
          onResize();
          for (const bytes of waiting.splice(0)) send(bytes);
          if (frame.read_only) say("You may watch this terminal, not type in it. ~. leaves.");
        } else if (frame?.type === "error") said = frame.message;
        else if (frame?.type === "exit") resolve({ how: "exited", code: frame.code, signal: frame.signal, reason: frame.reason });
      });
      one.addEventListener("close", ({ code }) => {
        resolve(
          COME_AGAIN.has(code) && said !== null && code === 4401 && seen === null
            ? { how: "refused", message: said }
            : COME_AGAIN.has(code)
              ? { how: "lost" }
              : { how: "refused", message: said ?? `The connection was closed (${code}).` },
        );
      });
      one.addEventListener("error", () => undefined); // the close that follows says what it means
    });
  }

  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("data", onKeys);
  stdout.on("resize", onResize);
  try {
    for (let lostMs: number | null = null; ;) {
      const end = await Promise.race([
        left.then((): Connection => ({ how: "left" })),
        connect().catch((error: unknown): Connection => {
          if (lostMs === null) throw error;
          return { how: "lost" }; // the server is away; it was there before
        }),
      ]);
      if (end.how !== "lost") return end;
      if (signal.aborted) return { how: "left" };
      lostMs ??= Date.now();
      if (Date.now() - lostMs > GIVE_UP_MS) return { how: "refused", message: "The server did not come back within a minute." };
      await sleep(RETRY_MS);
    }
  } finally {
    stdin.off("data", onKeys);
    stdout.off("resize", onResize);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    (socket as WebSocket | null)?.close();
  }
}
