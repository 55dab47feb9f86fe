/*
 * One terminal while it lives: its output read once, kept a little, and given to everybody who watches.
 *
 *   process ──stdout──► scrollback (256 KiB) ──each at its own pace──► viewers
 *      ▲  ▲                                                              │
 *      │  └──────────────────── stdin ◄── whoever may type ◄─────────────┤
 *      └── not read while: every viewer lags · the pace is exceeded ◄────┘
 *
 * A viewer has a position in the output and at most one frame under way; the next is cut when that one has left, so
 * that many small writes become few large frames by themselves. As long as one viewer keeps up, the process goes on,
 * and a viewer that falls out of the scrollback is dropped (it comes back with the scrollback). When all lag the
 * process's output is not read, which in the end makes it wait in write(2), as a slow terminal would. One that makes no
 * progress at all is dropped after a while, because a sleeping laptop must not stop somebody's build.
 *
 * With nobody there it is read all the same, at a lower pace: a build must not stop because a tab was closed, and a
 * flood must not keep the server busy for nobody.
 */
import { WORKBENCH_LIMITS } from "@signalbox/contract/workbench";
import type { SandboxProcess } from "@signalbox/providers/sandbox/port";
import { Scrollback } from "./scrollback.ts";
import { TitleReader } from "./title.ts";

export type EndReason = "exited" | "closed" | "session_ended" | "sandbox_ended";
export interface TerminalEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: EndReason;
}

export interface Sink {
  /** `sent` when it has left, or never when the viewer has. */
  output(bytes: Buffer, sent: () => void): void;
  resized(cols: number, rows: number): void;
  ended(end: TerminalEnd): void;
  /** It lags too far behind; it is not given anything more. */
  tooSlow(): void;
}

export interface Watching {
  readonly offset: number;
  readonly replayedBytes: number;
  /** Begins to send: after the caller has said what comes. */
  start(): void;
  ack(bytes: number): void;
  stop(): void;
}

interface Viewer {
  readonly sink: Sink;
  readonly from: number;
  cursor: number;
  sending: boolean;
  /** Null until it acknowledges for the first time. */
  acknowledged: number | null;
  progressMs: number;
}

const { terminalScrollbackBytes, terminalFrameBytes, terminalWindowBytes } = WORKBENCH_LIMITS;
/** So far behind a viewer counts as lagging. Below the scrollback by more than what is read at once. */
const LAG_BYTES = terminalScrollbackBytes / 2;
const PACE_WINDOW_MS = 50;
/** 10 MB/s watched: ten times what a browser draws. 2.5 MB/s with nobody there. */
const PACE_WATCHED = 512 * 1024;
const PACE_ALONE = 128 * 1024;
const STALLED_MS = 30_000;
/** After a restart what was printed before comes once more, from inside; so long its end is not known here. */
const CATCHING_UP_MS = 5000;

export class LiveTerminal {
  cols: number;
  rows: number;
  title = "shell";
  end: TerminalEnd | null = null;
  readonly #viewers = new Set<Viewer>();
  readonly #titles = new TitleReader();
  readonly #scrollback: Scrollback;
  readonly #onEnd: (end: TerminalEnd) => void;
  readonly #now: () => number;
  #process: SandboxProcess;
  #spent = 0;
  #windowStartMs = 0;
  readonly #knownFromMs: number;
  #pace: NodeJS.Timeout | null = null;

  constructor(
    process: SandboxProcess,
    of: { cols: number; rows: number; isResumed: boolean; now: () => number; onEnd: (end: TerminalEnd) => void; onLost: () => void },
  ) {
    this.#process = process;
    this.cols = process.size?.cols ?? of.cols;
    this.rows = process.size?.rows ?? of.rows;
    this.#now = of.now;
    this.#onEnd = of.onEnd;
    this.#knownFromMs = of.isResumed ? of.now() + CATCHING_UP_MS : 0;
    this.#scrollback = new Scrollback(terminalScrollbackBytes, process.stdoutFrom);
    this.bind(process, of.onLost);
  }

  get viewers(): number {
    return this.#viewers.size;
  }
  /** Number of the next byte that it will print. */
  get offset(): number {
    return this.#scrollback.end;
  }

  /** The same process over a new connection, from `offset` on. `onLost`: the connection went; the process may live. */
  bind(process: SandboxProcess, onLost: () => void): void {
    this.#process = process;
    process.stdin.on("error", () => undefined);
    process.stdout.on("data", (bytes: Buffer) => this.#read(bytes));
    const read = new Promise<void>((resolve) => process.stdout.once("end", resolve));
    process.exited.then(
      async ({ code, signal }) => {
        await read;
        if (this.#process === process) this.finish({ code, signal, reason: "exited" });
      },
      () => {
        if (this.end === null && this.#process === process) onLost();
      },
    );
    this.#flow();
  }

  /** `from`: the first byte that the viewer does not have; null for all that is kept. */
  watch(sink: Sink, from: number | null): Watching {
    const { start, end } = this.#scrollback;
    // A client that saw more than this server so far has its place, and waits until the output gets there.
    const mayBeAhead = this.#now() < this.#knownFromMs;
    const offset = from === null || from < start || (from > end && !mayBeAhead) ? start : from;
    const viewer: Viewer = { sink, from: offset, cursor: offset, sending: true, acknowledged: null, progressMs: this.#now() };
    this.#viewers.add(viewer);
    return {
      offset,
      replayedBytes: Math.max(end - offset, 0),
      start: () => {
        viewer.sending = false;
        this.#pump(viewer);
        this.#flow();
      },
      ack: (bytes) => {
        viewer.acknowledged = Math.min((viewer.acknowledged ?? viewer.from) + bytes, viewer.cursor);
        viewer.progressMs = this.#now();
        this.#pump(viewer);
        this.#flow();
      },
      stop: () => {
        this.#viewers.delete(viewer);
        this.#flow();
      },
    };
  }

  /** False when it does not take more for now; `drained` is called when it does. */
  type(bytes: Buffer, drained: () => void): boolean {
    if (this.end !== null) return true;
    const took = this.#process.stdin.write(bytes);
    if (!took) this.#process.stdin.once("drain", drained);
    return took;
  }

  resize(cols: number, rows: number): void {
    if (this.end !== null || (cols === this.cols && rows === this.rows)) return;
    this.cols = cols;
    this.rows = rows;
    this.#process.resize(cols, rows);
    for (const { sink } of this.#viewers) sink.resized(cols, rows);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.end === null) this.#process.kill(signal);
  }

  finish(end: TerminalEnd): void {
    if (this.end !== null) return;
    this.end = end;
    if (this.#pace !== null) clearTimeout(this.#pace);
    this.#process.detach();
    this.#onEnd(end);
    for (const viewer of this.#viewers) this.#pump(viewer);
  }

  /** Now and then: drops whoever takes nothing of what waits for them. */
  dropStalled(nowMs: number): void {
    for (const viewer of this.#viewers) if (viewer.cursor < this.offset && nowMs - viewer.progressMs > STALLED_MS) this.#drop(viewer);
  }

  #read(bytes: Buffer): void {
    const title = this.#titles.push(bytes);
    if (title !== null) this.title = title;
    this.#scrollback.push(bytes);
    this.#spent += bytes.length;
    for (const viewer of this.#viewers) this.#pump(viewer);
    this.#flow();
  }

  #pump(viewer: Viewer): void {
    if (viewer.sending) return;
    const { start, end } = this.#scrollback;
    if (viewer.cursor < start) return this.#drop(viewer);
    if (viewer.cursor >= end) {
      if (this.end === null) return;
      this.#viewers.delete(viewer);
      return viewer.sink.ended(this.end);
    }
    const allowed = viewer.acknowledged === null ? terminalFrameBytes : terminalWindowBytes - (viewer.cursor - viewer.acknowledged);
    if (allowed <= 0) return;
    const bytes = this.#scrollback.slice(viewer.cursor, Math.min(allowed, terminalFrameBytes));
    viewer.cursor += bytes.length;
    viewer.sending = true;
    viewer.sink.output(bytes, () => {
      viewer.sending = false;
      viewer.progressMs = this.#now();
      if (!this.#viewers.has(viewer)) return;
      this.#pump(viewer);
      this.#flow();
    });
  }

  #drop(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    viewer.sink.tooSlow();
    this.#flow();
  }

  /** Whether the process is read just now. */
  #flow(): void {
    if (this.end !== null) return;
    const nowMs = this.#now();
    if (nowMs - this.#windowStartMs >= PACE_WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#spent = 0;
    }
    const paced = this.#spent >= (this.#viewers.size === 0 ? PACE_ALONE : PACE_WATCHED);
    if (paced && this.#pace === null) {
      this.#pace = setTimeout(() => {
        this.#pace = null;
        this.#windowStartMs = 0;
        this.#flow();
      }, PACE_WINDOW_MS);
    }
    const keepsUp = this.#viewers.size === 0 || [...this.#viewers].some(({ cursor }) => this.offset - cursor < LAG_BYTES);
    if (paced || !keepsUp) this.#process.stdout.pause();
    else if (this.#process.stdout.isPaused()) this.#process.stdout.resume();
  }
}
