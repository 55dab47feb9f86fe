/* What this process is called, and how many connections it may have. */
import path from "node:path";
import { DUTIES } from "../cluster/roles.ts";
import type { Config } from "./settings.ts";

/** The log's writer and listener, one for migrations and rebuilds, the bus's, and the one that hears of topics. */
const FIXED_CONNECTIONS = 2 + 1 + 1 + 1;
/** Of this process: a role that does less needs fewer. */
export function poolsOf(config: Config): {
  readonly requests: number;
  readonly logReads: number;
  readonly jobs: number;
  readonly sessions: number;
} {
  const { most } = DUTIES[config.role as keyof typeof DUTIES];
  return {
    requests: Math.min(config.requestConnections, most.requests),
    logReads: config.logReadConnections,
    jobs: Math.min(config.jobConnections, most.jobs),
    sessions: most.sessions,
  };
}
export function connectionsNeeded(config: Config): number {
  const { requests, logReads, jobs, sessions } = poolsOf(config);
  return requests + logReads + jobs + sessions + FIXED_CONNECTIONS;
}

/** Never two living processes of one name: the data directory's lock sees to it. */
export const nodeNameOf = (config: Config): string => config.node ?? config.role;
export const nodeIdOf = (config: Config): string =>
  `local:${path.resolve(config.dataDir)}${config.role === "all" ? "" : `#${nodeNameOf(config)}`}`;
