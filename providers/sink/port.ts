/*
 * Where events go outward. An implementation speaks one protocol to one address; which events, from where, when again,
 * and that one process at a time delivers, is its caller's (apps/server/src/modules/sinks).
 *
 * At least once and in order: `deliver` is called again with the same events after a crash or a failure. A receiver
 * tells them by `id`, which never changes for an event.
 */
import type { LookupFunction } from "node:net";

export interface OutgoingEvent {
  /** The event's own id: what makes a repeat a repeat. */
  readonly id: string;
  readonly type: string;
  readonly position: number;
  readonly subject: string;
  readonly occurredAt: string;
  readonly organizationId: string;
  /** `sha256:<hex>`, of the chain. */
  readonly hash: string;
  /** The envelope as every door shows it. */
  readonly envelope: object;
}

export type Delivered =
  | { readonly ok: true; readonly status: number }
  /** `isFinal`: it will never be taken, and trying again is of no use. Messages carry no secret. */
  | { readonly ok: false; readonly isFinal: boolean; readonly status: number | null; readonly message: string };

/** What a sink has of a window of positions. */
export interface Held {
  readonly position: number;
  readonly hash: string;
}

export interface SinkOptions {
  readonly url: string;
  readonly secret: string;
  /** Who may be connected to; decided of the address, after the name was resolved. */
  readonly lookup: LookupFunction;
  readonly timeoutMs?: number | undefined;
}

export interface Sink {
  /** How many events one `deliver` takes at most. */
  readonly batchSize: number;
  deliver(events: readonly OutgoingEvent[]): Promise<Delivered>;
  /** What it has from `from` to `to`, both included; null: this kind cannot be asked. */
  readonly held: ((from: number, to: number) => Promise<readonly Held[]>) | null;
  close(): Promise<void>;
}
