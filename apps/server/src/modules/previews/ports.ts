/* What listens in a sandbox, as far as people are concerned: not Signalbox's own, nor the agent itself. */
import { INSIDE } from "@signalbox/sandboxd/wire";
import type { PortState, Sandbox } from "@signalbox/providers/sandbox/port";

/** What the host itself started is the agent's; a terminal's program belongs to whoever typed it. */
const isOwn = ({ port, spawned }: PortState): boolean => port === INSIDE.proxyPort || (spawned !== null && !spawned.startsWith("trm_"));

export const portsOf = async (sandbox: Sandbox): Promise<PortState[]> => (await sandbox.ports()).filter((one) => !isOwn(one));

export async function isReserved(sandbox: Sandbox, port: number): Promise<boolean> {
  return port === INSIDE.proxyPort || (await sandbox.ports()).some((one) => one.port === port && isOwn(one));
}
