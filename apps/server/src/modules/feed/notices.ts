/*
 * Wake-ups between processes by Postgres' NOTIFY, on one connection for all that the feed listens to. They are hints:
 * after a gap everybody is woken, and every few seconds besides, so none that was lost is missed for long.
 */
import { Client, type ClientConfig } from "pg";

const POLL_MS = 5000;
const RETRY_MS = 250;

export interface Notices {
  /** Called with what was notified, and with nothing when anything may have been. Returns how to leave. */
  subscribe(channel: string, listener: (payload: string | undefined) => void): () => void;
  start(): void;
  stop(): Promise<void>;
}

export function createNotices(connection: ClientConfig, channels: readonly string[]): Notices {
  const listeners = new Map(channels.map((channel) => [channel, new Set<(payload: string | undefined) => void>()]));
  let client: Client | undefined;
  let poll: NodeJS.Timeout | undefined;
  let stopped = false;

  function wakeAll(): void {
    for (const theirs of listeners.values()) for (const listener of theirs) listener(undefined);
  }

  async function listen(): Promise<void> {
    if (stopped) return;
    const next = new Client({ ...connection, keepAlive: true });
    let isGone = false;
    const gone = (): void => {
      if (isGone) return;
      isGone = true;
      if (client === next) client = undefined;
      next.end().catch(() => undefined); // it is broken already
      if (!stopped) setTimeout(() => void listen(), RETRY_MS).unref();
    };
    next.on("error", gone);
    next.on("end", gone);
    next.on("notification", ({ channel, payload }) => {
      for (const listener of listeners.get(channel) ?? []) listener(payload ?? "");
    });
    try {
      await next.connect();
      for (const channel of channels) await next.query(`listen ${channel}`);
      client = next;
      wakeAll();
    } catch {
      gone(); // Postgres is away; others say so loudly enough
    }
  }

  return {
    subscribe(channel, listener) {
      const theirs = listeners.get(channel);
      if (theirs === undefined) throw new Error(`nothing is notified on ${channel}`);
      theirs.add(listener);
      return () => void theirs.delete(listener);
    },
    start() {
      void listen();
      poll = setInterval(wakeAll, POLL_MS).unref();
    },
    async stop() {
      stopped = true;
      clearInterval(poll);
      await client?.end().catch(() => undefined); // it was broken already
    },
  };
}
