/* A real nats-server (Debian: nats-server) on a port of its own; null where it is not installed. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { freePort, greets } from "./port.ts";

export interface NatsServer {
  readonly port: number;
  stop(): Promise<void>;
}

const PLACES = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
export const natsServerProgram = (): string | null => PLACES.find((place) => existsSync(place)) ?? null;

export async function startNatsServer(port?: number): Promise<NatsServer> {
  const program = natsServerProgram();
  if (program === null) throw new Error("nats-server is not installed (Debian: apt-get install nats-server)");
  const own = port ?? (await freePort());
  const child: ChildProcess = spawn(program, ["-a", "127.0.0.1", "-p", String(own)], { stdio: "ignore" });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (const deadline = Date.now() + 20_000; !(await greets(own));) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error("nats-server did not start");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port: own,
    async stop() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
