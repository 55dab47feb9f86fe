/* What the processes of an installation tell each other: over NATS where there is one, else over Postgres. */
import { createHmac } from "node:crypto";
import type { ConnectionFor } from "@signalbox/eventlog/roles";
import type { WakeUp } from "@signalbox/eventlog/listener";
import { natsBus } from "@signalbox/providers/bus/nats/bus";
import type { Bus } from "@signalbox/providers/bus/port";
import { postgresBus } from "@signalbox/providers/bus/postgres/bus";
import type { Config } from "../config/settings.ts";

/** One process alone has nobody to tell. */
export function busOf(config: Config, connection: ConnectionFor, key: Buffer, onError: (error: unknown) => void): Bus | undefined {
  if (config.natsUrl !== undefined) {
    // Known to this installation only: others may be on the same server.
    const prefix = `signalbox.${createHmac("sha256", key).update("bus").digest("hex").slice(0, 16)}`;
    return natsBus({ url: config.natsUrl, prefix, onError });
  }
  return config.role === "all" ? undefined : postgresBus({ connection: connection("sb_log"), onError });
}

const LOG_SUBJECT = "log";
export const wakeUpOver = (bus: Bus): WakeUp => ({
  publish: (text) => bus.publish(LOG_SUBJECT, text),
  subscribe: (listener) => bus.subscribe(LOG_SUBJECT, listener),
  isConnected: bus.isConnected,
  onConnection: bus.onConnection,
});
