import type { TestProject } from "vitest/node";
import { startTestCluster } from "./cluster.ts";

declare module "vitest" {
  interface ProvidedContext {
    signalboxSocketDir: string;
  }
}

/** One Postgres for the whole run; every test file clones the template in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await startTestCluster();
  project.provide("signalboxSocketDir", cluster.socketDir);
  return () => cluster.stop();
}
