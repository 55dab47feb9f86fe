/* What listens in a sandbox, as far as people are concerned: not Signalbox's own, nor the agent itself. */
import { INSIDE } from "@signalbox/sandboxd/wire";
import type { PortState, Sandbox } from "@signalbox/providers/sandbox/port";

/** What the host itself started is the agent's; a terminal's program belongs to whoever typed it. */
const isOwn = ({ port, spawned }: PortState): boolean => port === INSIDE.proxyPort || (spawned !== null && !spawned.startsWith("trm_"));

/** Null of a sandbox that ended while it was asked. */
async function listening(sandbox: Sandbox): Promise<PortState[] | null> {
  try {
    return await sandbox.ports();
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "link_lost" || code === "link_timeout") return null;
    throw error;
  }
}

/** Null where no sandbox runs. */
export async function portsOf(sandbox: Sandbox | null): Promise<PortState[] | null> {
  const all = sandbox === null ? null : await listening(sandbox);
  return all === null ? null : all.filter((one) => !isOwn(one));
}

/** Null where no sandbox runs. */
export async function isReserved(sandbox: Sandbox | null, port: number): Promise<boolean | null> {
  const all = sandbox === null ? null : await listening(sandbox);
  return all === null ? null : port === INSIDE.proxyPort || all.some((one) => one.port === port && isOwn(one));
}
