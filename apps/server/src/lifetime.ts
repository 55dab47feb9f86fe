/* Modules come in their order, each with the parts that this process's duties ask for, and go in the opposite one. */
import type { Logger } from "pino";
import type { Duties } from "./cluster/roles.ts";
import type { Module } from "./module.ts";

export interface Lifetime {
  start(): Promise<void>;
  /** What was started, last first. One that fails keeps none of the others. */
  stop(): Promise<void>;
}

export function createLifetime(modules: readonly (readonly [string, Module])[], duties: Duties, logger: Logger): Lifetime {
  const stops: NonNullable<Module["stop"]>[] = [];
  return {
    async start() {
      for (const [, module] of modules) {
        for (const part of [module, duties.sandboxes ? module.sandboxSide : undefined, duties.background ? module.background : undefined]) {
          if (part === undefined) continue;
          await part.start?.();
          if (part.stop !== undefined) stops.push(part.stop.bind(part));
        }
      }
    },
    async stop() {
      for (const stop of stops.toReversed())
        await stop().catch((error: unknown) => logger.error({ err: error }, "a module did not stop cleanly"));
    },
  };
}
