/*
 * One `sync:v1` socket for all topics of a client.
 *
 *   idle ──subscribe──► connecting ──open──► live
 *                          ▲                  │ closed, token ended, silence
 *                          └──── backoff ◄────┘
 *
 * Every topic keeps the watermark of its last update; after any reconnect it is resumed from
 * there, so a reader sees each update once. A cursor that the server no longer has is dropped and the
 * topic goes on from the server's head; once it does, `onStale` says to read the state over HTTP.
 * The server closes when the token ends; a new one is fetched for each connection. One that is being replaced closes
 * with 1012 and says how soon to come back (`retry:<ms>`), to another.
 */
import { createSyncToken, SYNC_LIMITS, type ClientFrame, type ServerFrame, type SyncUpdate, type Topic } from "@signalbox/contract/sync";
import { backoff, pause, type Client } from "./client.ts";

export type SyncStatus = "connecting" | "live" | "retrying";

export interface Subscription {
  /** Resume after this watermark; absent: only what is new. */
  readonly after?: string | undefined;
  onUpdate(update: SyncUpdate): void;
  /**
   * Read the state anew over HTTP: the server no longer holds what follows `after`, or, where there was no `after`,
   * only now tells everything that is new.
   */
  onStale(): void;
  onStatus?(status: SyncStatus): void;
  /** The topic will not be served (forbidden, unknown); it is no longer subscribed. */
  onRefused?(code: string, message: string): void;
}

export interface Sync {
  subscribe(topic: Topic, subscription: Subscription): () => void;
  close(): void;
}

export interface SyncOptions {
  readonly client: Client;
  /** Default: the global `WebSocket` (browsers, Node ≥ 22). */
  readonly WebSocket?: typeof globalThis.WebSocket | undefined;
  /** A server unheard of for so long is gone, whatever the network says; default: three of its heartbeats. */
  readonly silenceMs?: number | undefined;
}

interface Followed {
  readonly subscription: Subscription;
  watermark: string | undefined;
  /** What it had is not enough to go on from: it must read anew once the topic is followed again. */
  stale: boolean;
}

export function createSync({ client, WebSocket = globalThis.WebSocket, silenceMs = 3 * SYNC_LIMITS.heartbeatMs }: SyncOptions): Sync {
  const topics = new Map<Topic, Set<Followed>>();
  const closed = new AbortController();
  let socket: WebSocket | null = null;
  let running = false;
  /** Said by a server that is being replaced. */
  let comeBackMs: number | null = null;
  let status: SyncStatus = "connecting";

  const followers = (): Followed[] => [...topics.values()].flatMap((set) => [...set]);

  function tell(next: SyncStatus): void {
    status = next;
    for (const followed of followers()) followed.subscription.onStatus?.(next);
  }

  function send(frame: ClientFrame): void {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  function subscribeFrame(only: readonly Topic[]): ClientFrame {
    const resume_after: Record<string, string> = {};
    for (const topic of only) {
      // The oldest cursor of a topic's followers; `deliver` skips what a further one already has.
      const known = [...(topics.get(topic) ?? [])].map((f) => f.watermark).filter((mark) => mark !== undefined);
      if (known.length > 0) resume_after[topic] = known.reduce(earlier);
    }
    return { type: "subscribe", topics: [...only], resume_after };
  }

  function deliver(update: SyncUpdate): void {
    for (const followed of topics.get(update.topic) ?? []) {
      if (followed.watermark !== undefined && compare(update.watermark, followed.watermark) <= 0) continue;
      followed.watermark = update.watermark;
      followed.subscription.onUpdate(update);
    }
  }

  /** Where a topic stands: from here it can be resumed, even when nothing has come of it yet. */
  function caughtUp(topic: Topic, head: string): void {
    for (const followed of topics.get(topic) ?? []) {
      followed.watermark ??= head;
      if (!followed.stale) continue;
      followed.stale = false;
      followed.subscription.onStale();
    }
  }

  function receive(frame: ServerFrame): void {
    if (frame.type === "update_batch") {
      frame.updates.forEach(deliver);
      if (frame.replay_complete) for (const [topic, head] of Object.entries(frame.head_watermarks)) caughtUp(topic, head);
    }
    if (frame.type !== "error") return;
    const named = (frame.stale_topics ?? []).filter((topic) => topics.has(topic));
    switch (frame.code) {
      case "stale_cursor":
        for (const topic of named) {
          for (const followed of topics.get(topic)!) {
            followed.watermark = undefined;
            followed.stale = true;
          }
          send(subscribeFrame([topic]));
        }
        return;
      case "forbidden_topic":
      case "bad_topic":
      case "bad_subscription":
        for (const topic of named) {
          const refused = topics.get(topic)!;
          topics.delete(topic);
          for (const followed of refused) followed.subscription.onRefused?.(frame.code, frame.message);
        }
        return;
      case "internal":
        // Which topic fell out may not be known; a new connection resumes them all, after a pause.
        return socket?.close();
      default: // The server closes after the others.
    }
  }

  /** Resolves when the connection has ended, with whether it ever served anything. */
  async function connect(): Promise<boolean> {
    const { token, gateway_url: gateway } = await client.call(createSyncToken, { body: {}, signal: closed.signal });
    // Nobody is left who wants it.
    if (closed.signal.aborted || topics.size === 0) return false;
    const url = `${(gateway ?? client.baseUrl).replace(/^http/, "ws")}/v1/sync?token=${encodeURIComponent(token)}`;
    return new Promise((resolve) => {
      let live = false;
      let heardAt = Date.now();
      const ws = new WebSocket(url);
      socket = ws;
      const beat = setInterval(
        () => {
          // Its closing handshake would wait for the silent server; we do not.
          if (Date.now() - heardAt > silenceMs) ended();
          else send({ type: "heartbeat" });
        },
        Math.min(SYNC_LIMITS.heartbeatMs, silenceMs),
      );
      function ended(): void {
        clearInterval(beat);
        closed.signal.removeEventListener("abort", ended);
        if (socket === ws) socket = null;
        ws.close();
        resolve(live);
      }
      closed.signal.addEventListener("abort", ended, { once: true });
      ws.addEventListener("open", () => {
        if (socket !== ws) return;
        if (topics.size === 0) return ws.close();
        ws.send(JSON.stringify(subscribeFrame([...topics.keys()])));
        tell("live");
      });
      ws.addEventListener("message", (message: MessageEvent<unknown>) => {
        // Given up for silence: what comes late comes again on the next connection.
        if (socket !== ws) return;
        heardAt = Date.now();
        const frame = parse(String(message.data));
        // A frame of a later version is not ours to understand.
        if (frame === null) return;
        // One that only refuses is no reason to come back at once.
        live ||= frame.type !== "error";
        receive(frame);
      });
      ws.addEventListener("close", ({ code, reason }) => {
        const said = code === 1012 ? /^retry:(\d{1,5})$/.exec(reason)?.[1] : undefined;
        comeBackMs = said === undefined ? null : Number(said);
        ended();
      });
      // `close` always follows `error`, and says no less.
      ws.addEventListener("error", () => undefined);
    });
  }

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    let failures = 0;
    while (!closed.signal.aborted && topics.size > 0) {
      const live = await connect().catch(() => false);
      failures = live ? 0 : failures + 1;
      if (closed.signal.aborted || topics.size === 0) break;
      tell("retrying");
      await pause(comeBackMs ?? backoff(failures + 1), closed.signal);
      comeBackMs = null;
    }
    running = false;
    status = "connecting";
  }

  return {
    subscribe(topic, subscription) {
      const known = topics.get(topic);
      // Who starts with what is new has read the rest before, and what happened in between is in neither.
      const stale = known === undefined && subscription.after === undefined;
      const followed: Followed = { subscription, watermark: subscription.after, stale };
      const set = known ?? new Set();
      topics.set(topic, set.add(followed));
      subscription.onStatus?.(status);
      // A second reader of what is new just listens; subscribing again would cut short what the first is being sent.
      if (known === undefined || subscription.after !== undefined) send(subscribeFrame([topic]));
      void run();
      return () => {
        set.delete(followed);
        // After a refusal, the topic may be others' by now.
        if (set.size > 0 || topics.get(topic) !== set) return;
        topics.delete(topic);
        send({ type: "unsubscribe", topics: [topic] });
        if (topics.size === 0) socket?.close();
      };
    },
    close: () => closed.abort(),
  };
}

/** Null: not of this version of the protocol. The payloads are for their topic's reader to judge. */
function parse(text: string): ServerFrame | null {
  let frame: Partial<Record<string, unknown>> | null;
  try {
    frame = JSON.parse(text) as typeof frame;
  } catch {
    return null; // Not JSON.
  }
  switch (frame?.["type"]) {
    case "update_batch":
      return Array.isArray(frame["updates"]) && frame["updates"].every(isUpdate) && isRecord(frame["head_watermarks"])
        ? asFrame(frame)
        : null;
    case "error":
      return typeof frame["code"] === "string" && typeof frame["message"] === "string" ? asFrame(frame) : null;
    case "heartbeat":
      return asFrame(frame);
    default:
      return null;
  }
}
const asFrame = (checked: object): ServerFrame => checked as ServerFrame;
const isRecord = (value: unknown): boolean => typeof value === "object" && value !== null;
const isUpdate = (value: unknown): boolean => {
  const update = value as Partial<SyncUpdate> | null;
  return typeof update?.topic === "string" && typeof update.watermark === "string" && update.payload !== undefined;
};

/** Watermarks are `n` or `epoch.n`: compared number by number. */
function compare(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
const earlier = (a: string, b: string): string => (compare(a, b) <= 0 ? a : b);
