/* Events on their way to the one listener: kept until there is one, dropped while muted, none after the last. */
import type { AgentEvent } from "./port.ts";

export class Outbox {
  /** While a resumed session loads what it already knows: the consumer reads that with `resync`. */
  muted = false;
  #listener: ((event: AgentEvent) => void) | null = null;
  #waiting: AgentEvent[] = [];
  #closed = false;

  readonly emit = (event: AgentEvent): void => {
    if (this.muted || this.#closed) return;
    if (event.type === "agent.exited") this.#closed = true;
    if (this.#listener) this.#listener(event);
    else this.#waiting.push(event);
  };

  listen(listener: (event: AgentEvent) => void): void {
    this.#listener = listener;
    for (const event of this.#waiting.splice(0)) listener(event);
  }

  close(): void {
    this.#closed = true;
    this.#listener = null;
  }
}
