/*
 * A wire between a client and its servers that a test can cut, slow down and mend: a load balancer without health
 * checks, and every partition there is.
 *
 *   joined ──cut──► refusing (open connections are destroyed; or left hanging, as when a cable is pulled) ──join──► joined
 *
 * Each connection goes to the next target in turn; one that refuses is skipped.
 */
import { createServer, connect, type Server, type Socket } from "node:net";
import { mkdirSync } from "node:fs";
import path from "node:path";

export interface Target {
  /** A port of this machine, or the path of a Unix socket. */
  readonly port?: number;
  readonly path?: string;
}

export interface TcpProxy {
  readonly port: number;
  targets(next: readonly Target[]): void;
  /** `hang`: nothing is closed, nothing goes through. */
  cut(how?: "reset" | "hang"): void;
  join(): void;
  /** Milliseconds that every chunk waits, each way. */
  slow(ms: number): void;
  /** Bytes that went through, from the servers. */
  readonly received: number;
  readonly open: number;
  close(): Promise<void>;
}

export async function startTcpProxy(
  initial: readonly Target[],
  options: { readonly listenOn?: string; readonly onData?: (chunk: Buffer) => void } = {},
): Promise<TcpProxy> {
  let targets = initial;
  let next = 0;
  let state: "joined" | "reset" | "hang" = "joined";
  let delayMs = 0;
  let received = 0;
  const isHanging = (): boolean => state === "hang";
  const pairs = new Set<{ readonly from: Socket; to: Socket | null }>();

  /** In order, whatever the delay is at the time. */
  function pipe(from: Socket, to: Socket, seen?: (chunk: Buffer) => void): void {
    let last = Promise.resolve();
    from.on("data", (chunk: Buffer) => {
      seen?.(chunk);
      if (delayMs === 0 && state === "joined") {
        last = last.then(() => void to.write(chunk));
        return;
      }
      const wait = delayMs;
      last = last.then(async () => {
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        while (isHanging() && !to.destroyed && !from.destroyed) await new Promise((resolve) => setTimeout(resolve, 10));
        if (!to.destroyed) to.write(chunk);
      });
    });
    from.on("end", () => void last.then(() => to.end()));
  }

  function join(from: Socket, tries: number): void {
    if (tries === 0 || from.destroyed) return void from.destroy();
    const target = targets[next++ % Math.max(1, targets.length)];
    if (target === undefined) return void from.destroy();
    const to = target.path === undefined ? connect(target.port!, "127.0.0.1") : connect(target.path);
    const pair = { from, to };
    let isOpen = false;
    to.once("connect", () => {
      isOpen = true;
      pairs.add(pair);
      to.setNoDelay(true);
      pipe(from, to);
      pipe(to, from, (chunk) => {
        received += chunk.length;
        options.onData?.(chunk);
      });
      from.resume();
    });
    to.on("error", () => (isOpen ? from.destroy() : join(from, tries - 1)));
    to.on("close", () => {
      pairs.delete(pair);
      if (isOpen) from.destroy();
    });
    from.on("close", () => to.destroy());
  }

  const hanging = new Set<Socket>();
  const server: Server = createServer({ pauseOnConnect: true }, (from) => {
    from.on("error", () => from.destroy());
    from.setNoDelay(true);
    if (state === "reset") return void from.destroy();
    if (state === "hang") return void hanging.add(from);
    join(from, Math.max(1, targets.length));
  });
  if (options.listenOn !== undefined) mkdirSync(path.dirname(options.listenOn), { recursive: true });
  await new Promise<void>((resolve) =>
    options.listenOn === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen(options.listenOn, resolve),
  );
  const address = server.address();
  const destroyAll = (): void => {
    for (const { from, to } of pairs) {
      from.destroy();
      to?.destroy();
    }
    for (const socket of hanging) socket.destroy();
    hanging.clear();
  };

  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    targets(to) {
      targets = to;
    },
    cut(how = "reset") {
      state = how;
      if (how === "reset") destroyAll();
    },
    join() {
      state = "joined";
      for (const socket of hanging) socket.destroy();
      hanging.clear();
    },
    slow(ms) {
      delayMs = ms;
    },
    get received() {
      return received;
    },
    get open() {
      return pairs.size;
    },
    async close() {
      destroyAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
