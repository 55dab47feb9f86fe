import type { Socket } from "node:net";
import type { Destination } from "./destination.ts";
import type { EgressAsk, EgressOptions, EgressRecord, SandboxIdentity } from "./proxy.ts";

/** One request or tunnel, from its arrival to its record. */
export class Exchange {
  readonly identity: SandboxIdentity;
  readonly destination: Destination;
  readonly ask: EgressAsk;
  address: string | null = null;
  bytesUp = 0;
  bytesDown = 0;
  readonly #options: EgressOptions;
  readonly #open: Set<Exchange>;
  readonly #startedAt = new Date();
  readonly #started = performance.now();
  #outcome: { decision: EgressRecord["decision"]; code: string | null } = { decision: "allowed", code: null };
  #cutters: (() => void)[] = [];
  #socket: { socket: Socket; read: number; written: number } | null = null;
  #over = false;

  constructor(options: EgressOptions, open: Set<Exchange>, identity: SandboxIdentity, destination: Destination, method: string) {
    this.#options = options;
    this.#open = open;
    this.identity = identity;
    this.destination = destination;
    this.ask = {
      ...identity,
      ...destination,
      path: destination.path?.split("?")[0] ?? null,
      method,
      internal: Object.hasOwn(options.internal, destination.host),
    };
    open.add(this);
  }

  deny(code: string): void {
    this.#outcome = { decision: "denied", code };
  }

  fail(code: string): void {
    if (this.#outcome.code === null) this.#outcome = { decision: "failed", code };
  }

  onCut(cutter: () => void): void {
    this.#cutters.push(cutter);
  }

  cut(code: string): void {
    this.#outcome = { decision: "denied", code };
    for (const cutter of this.#cutters) cutter();
  }

  /** For internal destinations, whose bodies are not ours to listen to: the socket's own counters, headers included. */
  countSocket(socket: Socket): void {
    this.#socket = { socket, read: socket.bytesRead, written: socket.bytesWritten };
  }

  end(result: { status: number | null }): void {
    if (this.#over) return;
    this.#over = true;
    this.#open.delete(this);
    if (this.#socket) {
      this.bytesUp = this.#socket.socket.bytesRead - this.#socket.read;
      this.bytesDown = this.#socket.socket.bytesWritten - this.#socket.written;
    }
    const { method, scheme, host, port, path } = this.ask;
    try {
      this.#options.record({
        ...this.identity,
        method,
        scheme,
        host,
        port,
        path,
        ...this.#outcome,
        address: this.address,
        status: result.status,
        bytesUp: this.bytesUp,
        bytesDown: this.bytesDown,
        startedAt: this.#startedAt,
        durationMs: performance.now() - this.#started,
      });
    } catch (error) {
      this.#options.onFault(error);
    }
  }
}
