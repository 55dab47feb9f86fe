/*
 * The bus over Postgres' NOTIFY: for installations without NATS. One connection that listens and tells.
 *
 *   connecting ──► listening ──lost──► connecting, every 250 ms
 *
 * What the log appends is told inside the transaction that appends it, and needs none of this (eventlog's listener).
 */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Bus, createListeners } from "../port.ts";

export interface PostgresBusOptions {
  readonly connection: pg.ClientConfig;
  readonly onError: (error: unknown) => void;
}

const CHANNEL = "signalbox_bus";
/** A NOTIFY carries less than 8000 bytes, the envelope included. */
const LONGEST_BYTES = 7500;
const RECONNECT_MS = 250;

export function postgresBus({ connection, onError }: PostgresBusOptions): Bus {
  const me = randomBytes(6).toString("base64url");
  const listeners = createListeners(onError);
  let client: pg.Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;
  let sending: Promise<void> = Promise.resolve();

  async function open(): Promise<void> {
    const next = new pg.Client({ ...connection, keepAlive: true });
    const lost = (error?: unknown): void => {
      if (error !== undefined && !closed) onError(error);
      if (client === next) client = undefined;
      listeners.connection(false);
      again();
    };
    next.on("error", lost);
    next.once("end", () => lost());
    next.on("notification", ({ payload = "" }) => {
      const { by, on, text } = JSON.parse(payload) as { by: string; on: string; text: string | null };
      if (by !== me) listeners.heard(on, text);
    });
    await next.connect();
    await next.query(`listen ${CHANNEL}`);
    if (closed) return next.end();
    client = next;
    listeners.connection(true);
  }

  function again(): void {
    if (closed || retry !== undefined) return;
    retry = setTimeout(() => {
      retry = undefined;
      open().catch((error: unknown) => {
        onError(error);
        again();
      });
    }, RECONNECT_MS);
  }
  const opening = open().catch((error: unknown) => {
    onError(error);
    again();
  });

  return {
    name: "postgres",
    publish(on, text) {
      const whole = JSON.stringify({ by: me, on, text });
      const said = Buffer.byteLength(whole) > LONGEST_BYTES ? JSON.stringify({ by: me, on, text: null }) : whole;
      const to = client;
      if (to === undefined) return;
      sending = sending.then(async () => {
        // What waited while the connection was lost would only come late.
        if (client === to) await to.query("select pg_notify($1, $2)", [CHANNEL, said]).catch(onError);
      });
    },
    subscribe(subject, listener) {
      listeners.add(subject, listener);
      return () => void listeners.remove(subject, listener);
    },
    isConnected: listeners.isConnected,
    onConnection: listeners.onConnection,
    async close() {
      closed = true;
      clearTimeout(retry);
      await opening;
      await client?.end();
    },
  };
}
