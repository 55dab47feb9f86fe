/* A real nats-server (Debian: nats-server) on a port of its own; null where it is not installed. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";

export interface NatsServer {
  readonly port: number;
  stop(): Promise<void>;
}

const PLACES = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
export const natsServerProgram = (): string | null => PLACES.find((place) => existsSync(place)) ?? null;

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

export async function startNatsServer(port?: number): Promise<NatsServer> {
  const program = natsServerProgram();
  if (program === null) throw new Error("nats-server is not installed (Debian: apt-get install nats-server)");
  const own = port ?? (await freePort());
  const child: ChildProcess = spawn(program, ["-a", "127.0.0.1", "-p", String(own)], { stdio: "ignore" });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (const deadline = Date.now() + 20_000; !(await answers(own));) {
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
