/*
 * One WebSocket on a terminal. Binary frames are the terminal's bytes; text frames are `TerminalClientFrame` and
 * `TerminalServerFrame` of the contract, which also lists what a socket is closed with.
 *
 *   open ──bytes, resize, ack──► open
 *    │
 *    ├─ the terminal ended ────► exit                   1000
 *    ├─ token ended ───────────► error token_expired    4401
 *    ├─ credential revoked ────► error unauthenticated  4401
 *    ├─ no longer in the room ─► error forbidden        4403
 *    ├─ nothing heard > 60 s ───────────────────────────4408
 *    ├─ does not read ─────────► error too_slow         4413
 *    ├─ too many frames ───────► error rate_limited     4429
 *    └─ bad frame ─────────────► error bad_frame        (stays open; five in all close it, 4400)
 */
import { TerminalClientFrame, type TerminalServerFrame } from "@signalbox/contract/workbench";
import type { RawData, WebSocket } from "ws";
import { MAX_BEHIND } from "../../http/back-pressure.ts";
import type { SyncGrant } from "../feed/public.ts";
import type { LiveTerminal, Watching } from "./live-terminal.ts";

const MAX_FRAMES_PER_S = 2000;
const MAX_BAD_FRAMES = 5;
const SILENCE_MS = 60_000;

type ErrorCode = Extract<TerminalServerFrame, { type: "error" }>["code"];

export interface TerminalSocket {
  readonly roomId: string;
  /** Asked again who may see it and who may type; ends the socket of whoever may not see it any more. */
  recheck(): Promise<void>;
  beat(nowMs: number): void;
  end(code: ErrorCode, message: string, closeCode: number): void;
}

export interface SocketOptions {
  readonly grant: SyncGrant;
  readonly roomId: string;
  readonly from: number | null;
  readonly nowMs: () => number;
  /** Null: may not see it; else whether they may type. */
  readonly mayType: () => Promise<boolean | null>;
  readonly onClosed: () => void;
}

/** What is printed waits for its reader (`live-terminal.ts`); what is said beside it waits for nobody, as in the feed. */
export function sendFrame(socket: WebSocket, frame: TerminalServerFrame): void {
  if (socket.bufferedAmount > MAX_BEHIND) socket.terminate();
  else socket.send(JSON.stringify(frame));
}

export function endSocket(socket: WebSocket, code: ErrorCode, message: string, closeCode: number): void {
  sendFrame(socket, { type: "error", code, message });
  socket.close(closeCode, code);
}

export function openTerminalSocket(
  socket: WebSocket,
  live: LiveTerminal,
  initiallyMayType: boolean,
  { grant, roomId, from, nowMs, mayType, onClosed }: SocketOptions,
): TerminalSocket {
  let typing = initiallyMayType;
  let heardMs = nowMs();
  let window = { startMs: heardMs, frames: 0 };
  let bad = 0;
  let toldReadOnly = false;

  const end: TerminalSocket["end"] = (code, message, closeCode) => endSocket(socket, code, message, closeCode);

  const watching: Watching = live.watch(
    {
      output: (bytes, sent) => socket.send(bytes, { binary: true }, (error) => (error ? undefined : sent())),
      resized: (cols, rows) => sendFrame(socket, { type: "resized", cols, rows }),
      ended(how) {
        sendFrame(socket, { type: "exit", ...how });
        socket.close(1000, how.reason);
      },
      tooSlow() {
        end("too_slow", "This client does not read what the terminal prints. Connect again to go on.", 4413);
        // Its buffers are full, so the closing handshake would wait behind them.
        setTimeout(() => socket.terminate(), 1000).unref();
      },
    },
    from,
  );

  function readOnly(): void {
    if (toldReadOnly) return;
    toldReadOnly = true;
    sendFrame(socket, { type: "error", code: "read_only", message: "You may watch this terminal, not type in it." });
  }

  function control(text: string): void {
    const frame = parse(text);
    if (frame === null) {
      sendFrame(socket, { type: "error", code: "bad_frame", message: "Not a frame of a terminal. See the schema TerminalClientFrame." });
      if (++bad >= MAX_BAD_FRAMES) socket.close(4400, "bad_frame");
      return;
    }
    if (frame.type === "ack") watching.ack(frame.bytes);
    else if (typing) live.resize(frame.cols, frame.rows);
    else readOnly();
  }

  function typed(bytes: Buffer): void {
    if (!typing) return readOnly();
    // What reads in there is slow: the client waits, instead of us holding what it pasted.
    if (!live.type(bytes, () => socket.resume())) socket.pause();
  }

  socket.on("pong", () => (heardMs = nowMs()));
  socket.on("message", (data: RawData, isBinary: boolean) => {
    heardMs = nowMs();
    if (heardMs - window.startMs >= 1000) window = { startMs: heardMs, frames: 0 };
    if (++window.frames > MAX_FRAMES_PER_S) return end("rate_limited", `At most ${MAX_FRAMES_PER_S} frames a second.`, 4429);
    // `ws` hands over one Buffer unless told otherwise.
    if (isBinary) typed(data as Buffer);
    else control((data as Buffer).toString());
  });
  const expiry = setTimeout(
    () => end("token_expired", "The sync token has ended; fetch another and connect again.", 4401),
    Math.max(0, grant.expiresAtMs - nowMs()),
  );
  socket.on("close", () => {
    clearTimeout(expiry);
    watching.stop();
    onClosed();
  });
  sendFrame(socket, {
    type: "ready",
    offset: watching.offset,
    replayed_bytes: watching.replayedBytes,
    cols: live.cols,
    rows: live.rows,
    read_only: !typing,
  });
  watching.start();

  return {
    roomId,
    end,
    async recheck() {
      const may = await mayType();
      if (may === null) return end("forbidden", "You are no longer in this session's room.", 4403);
      if (may !== typing) toldReadOnly = false;
      typing = may;
    },
    beat(now) {
      if (now - heardMs > SILENCE_MS) {
        socket.close(4408, "silent");
        setTimeout(() => socket.terminate(), 1000).unref();
      } else socket.ping();
    },
  };
}

function parse(text: string): TerminalClientFrame | null {
  try {
    return TerminalClientFrame.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null; // Not JSON is a bad frame like any other.
  }
}
