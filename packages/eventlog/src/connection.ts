/*
 * The one connection that the log writes on, kept also while nothing is written: it hears the notifications.
 *
 *   none ──open──► open ──lost (error, end)──► none ──after 50 ms, then every 500 ms──► open
 *                                                └──patience over──► LogUnavailable to who waits
 *
 * Opening is for whoever holds the slot, so that there are never two.
 */
import type pg from "pg";
import { Client } from "pg";
import { LogUnavailable } from "./faults.ts";
import type { Slot } from "./slot.ts";

export interface ConnectionOptions {
  /** Must connect as `sb_log`. */
  readonly connection: pg.ClientConfig;
  /** Each new connection, before it is written on. */
  readonly connected: (client: pg.Client) => Promise<void>;
  readonly disconnected: () => void;
  readonly onError: (error: unknown) => void;
  /** How long a unit waits for a database that went away; default 15 s. */
  readonly patienceMs?: number | undefined;
}

export interface Connection {
  readonly current: pg.Client | undefined;
  /** Only for whoever holds the slot. @throws LogUnavailable when patience is over. */
  open(): Promise<pg.Client>;
  /** It broke: the next is opened by itself. */
  drop(): void;
  /** No more reconnecting. */
  stop(): void;
}

const PATIENCE_MS = 15_000;

/** `back` is called when a connection that was lost is there again, or could not be had. */
export function createConnection(options: ConnectionOptions, slot: Slot, back: () => void): Connection {
  let client: pg.Client | undefined;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;

  async function open(): Promise<pg.Client> {
    if (client !== undefined) return client;
    const deadline = Date.now() + (options.patienceMs ?? PATIENCE_MS);
    for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, 500)) {
      const next = new Client({ ...options.connection, pipeline: true });
      // Without a listener a dropped idle connection would end the process.
      next.on("error", (error) => {
        options.onError(error);
        lost(next);
      });
      next.on("end", () => lost(next));
      try {
        await next.connect();
        // Arrays of changing length would have every statement planned anew each time: twice the cost of running it.
        // And plans made while the tables were still empty must not scan them for ever.
        await next.query("set plan_cache_mode = force_generic_plan; set enable_seqscan = off");
        await options.connected(next);
        client = next;
        return next;
      } catch (error) {
        next.end().catch(options.onError);
        if (stopped || Date.now() + delayMs > deadline) throw new LogUnavailable(error);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  function lost(which: pg.Client): void {
    if (client !== which) return;
    client = undefined;
    options.disconnected();
    if (!stopped) retry = setTimeout(() => void reconnect(), 50);
  }

  /** Also when nobody writes: without the connection nothing is heard of other processes. */
  async function reconnect(): Promise<void> {
    const release = slot.isTaken() ? await slot.take() : slot.takeNow();
    try {
      if (!stopped) await open();
    } catch (error) {
      options.onError(error);
      retry = setTimeout(() => void reconnect(), 500);
    } finally {
      release();
      back();
    }
  }

  return {
    get current() {
      return client;
    },
    open,
    drop() {
      if (client === undefined) return;
      const broken = client;
      lost(broken);
      broken.end().catch(options.onError);
    },
    stop() {
      stopped = true;
      clearTimeout(retry);
    },
  };
}

export function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  if (typeof code === "string") {
    // 08: connection exceptions; 57P0x: shut down or starting; the rest are the socket's.
    if (code.startsWith("08") || code === "57P01" || code === "57P02" || code === "57P03") return true;
    return code === "ECONNRESET" || code === "EPIPE" || code === "ECONNREFUSED" || code === "ENOENT" || code === "ETIMEDOUT";
  }
  return error instanceof Error && /Connection terminated|not queryable|Client was closed/i.test(error.message);
}
