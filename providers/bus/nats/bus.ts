/*
 * The bus over NATS (core, without JetStream: hints need no storage).
 *
 * One installation among others on a NATS server is told apart by `prefix`. The library reconnects by itself and
 * subscribes again; what is published meanwhile is dropped here, since it would only come late.
 */
import { connect, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { type Bus, createListeners } from "../port.ts";

export interface NatsBusOptions {
  /** `nats://[user:password@]host:port`, several separated by commas; `tls://` with TLS. */
  readonly url: string;
  readonly prefix: string;
  readonly onError: (error: unknown) => void;
}

/** NATS refuses messages of over 1 MB, if it is not configured otherwise. */
const LONGEST = 900_000;
const RECONNECT_MS = 250;
const PING_MS = 5000;

export function natsBus({ url, prefix, onError }: NatsBusOptions): Bus {
  const listeners = createListeners(onError);
  const subscriptions = new Map<string, Subscription>();
  let connection: NatsConnection | undefined;
  let closed = false;

  function listen(to: NatsConnection, subject: string): void {
    subscriptions.set(
      subject,
      to.subscribe(`${prefix}.${subject}`, {
        callback(error, message) {
          if (error !== null) return onError(error);
          const text = message.string();
          listeners.heard(subject, text === "" ? null : text);
        },
      }),
    );
  }

  async function run(): Promise<void> {
    const servers = url.split(",").map((one) => one.trim());
    const { username, password } = new URL(servers[0]!);
    const made = await connect({
      servers: servers.map((one) => one.replace(/\/\/[^@/]*@/, "//")),
      ...(username === "" ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
      name: "signalbox",
      noEcho: true,
      // Without it nothing works worse than slower: it is waited for as long as it takes.
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
    });
    if (closed) return made.close();
    connection = made;
    for (const subject of listeners.subjects()) listen(made, subject);
    await made.flush();
    listeners.connection(true);
    for await (const { type } of made.status()) {
      if (type === "disconnect") listeners.connection(false);
      else if (type === "reconnect") listeners.connection(true);
    }
  }

  const running = run().catch((error: unknown) => {
    if (!closed) onError(error);
  });

  return {
    name: "nats",
    publish(subject, text) {
      if (connection === undefined || !listeners.isConnected()) return;
      try {
        connection.publish(`${prefix}.${subject}`, text.length > LONGEST ? "" : text);
      } catch (error) {
        onError(error); // closed or full; whoever would have heard it looks by himself
      }
    },
    subscribe(subject, listener) {
      if (listeners.add(subject, listener) && connection !== undefined) listen(connection, subject);
      return () => {
        if (!listeners.remove(subject, listener)) return;
        subscriptions.get(subject)?.unsubscribe();
        subscriptions.delete(subject);
      };
    },
    isConnected: listeners.isConnected,
    onConnection: listeners.onConnection,
    async close() {
      closed = true;
      await connection?.close();
      if (connection !== undefined) await running;
    },
  };
}
