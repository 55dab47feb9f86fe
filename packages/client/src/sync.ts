/*
 * One `sync:v1` socket for all topics of a client.
 *
 *   idle ──subscribe──► connecting ──open──► live
 *                          ▲                  │ closed, token ended, silence
 *                          └──── backoff ◄────┘
 *
 * Every topic keeps the watermark of its last update; after any reconnect it is resumed from
 * there, so a reader sees each update once. A cursor that the server no longer has calls
 * `onStale`: hydrate over HTTP, then the topic goes on from the server's head.
 * The server closes when the token ends; a new one is fetched for each connection.
 */
import { createSyncToken, ServerFrame, SYNC_LIMITS, type ClientFrame, type SyncUpdate, type Topic } from "@signalbox/contract/sync";
import { pause, type Client } from "./client.ts";

export type SyncStatus = "connecting" | "live" | "retrying";

export interface Subscription {
  /** Resume after this watermark; absent: only what is new. */
  readonly after?: string | undefined;
  onUpdate(update: SyncUpdate): void;
  /** The server no longer holds what follows `after`: read the state anew over HTTP. */
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
}

interface Followed {
  readonly subscription: Subscription;
  watermark: string | undefined;
}

export function createSync({ client, WebSocket = globalThis.WebSocket }: SyncOptions): Sync {
  const topics = new Map<Topic, Set<Followed>>();
  const closed = new AbortController();
  let socket: WebSocket | null = null;
  let running = false;
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
      const marks = [...(topics.get(topic) ?? [])].map((f) => f.watermark);
      const known = marks.filter((mark) => mark !== undefined);
      if (known.length > 0 && known.length === marks.length) resume_after[topic] = known.reduce(earlier);
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

  function receive(text: string): void {
    const parsed = ServerFrame.safeParse(JSON.parse(text));
    // A frame of a later version is not ours to understand.
    if (!parsed.success) return;
    const frame = parsed.data;
    if (frame.type === "update_batch") frame.updates.forEach(deliver);
    if (frame.type !== "error") return;
    if (frame.code === "stale_cursor") {
      for (const topic of frame.stale_topics ?? []) {
        for (const followed of topics.get(topic) ?? []) {
          followed.watermark = undefined;
          followed.subscription.onStale();
        }
        send(subscribeFrame([topic]));
      }
    } else if (frame.code === "forbidden_topic" || frame.code === "bad_topic") {
      const refused = frame.stale_topics ?? [...topics.keys()];
      for (const topic of refused) {
        for (const followed of topics.get(topic) ?? []) followed.subscription.onRefused?.(frame.code, frame.message);
        topics.delete(topic);
      }
    }
  }

  /** Resolves when the connection has ended, with whether it ever was live. */
  async function connect(): Promise<boolean> {
    const { token } = await client.call(createSyncToken, { body: {} });
    const url = `${client.baseUrl.replace(/^http/, "ws")}/v1/sync?token=${encodeURIComponent(token)}`;
    return new Promise((resolve) => {
      let live = false;
      const ws = new WebSocket(url);
      socket = ws;
      const beat = setInterval(() => send({ type: "heartbeat" }), SYNC_LIMITS.heartbeatMs);
      const stop = (): void => ws.close();
      closed.signal.addEventListener("abort", stop, { once: true });
      ws.addEventListener("open", () => {
        live = true;
        if (topics.size > 0) ws.send(JSON.stringify(subscribeFrame([...topics.keys()])));
        tell("live");
      });
      ws.addEventListener("message", (message: MessageEvent<unknown>) => receive(String(message.data)));
      ws.addEventListener("close", () => {
        clearInterval(beat);
        closed.signal.removeEventListener("abort", stop);
        if (socket === ws) socket = null;
        resolve(live);
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
      await pause(Math.min(10_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2), closed.signal);
    }
    running = false;
  }

  return {
    subscribe(topic, subscription) {
      const followed: Followed = { subscription, watermark: subscription.after };
      const set = topics.get(topic) ?? new Set();
      topics.set(topic, set.add(followed));
      subscription.onStatus?.(status);
      send(subscribeFrame([topic]));
      void run();
      return () => {
        set.delete(followed);
        if (set.size > 0) return;
        topics.delete(topic);
        send({ type: "unsubscribe", topics: [topic] });
        if (topics.size === 0) socket?.close();
      };
    },
    close: () => closed.abort(),
  };
}

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
