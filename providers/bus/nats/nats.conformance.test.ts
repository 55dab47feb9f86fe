import { natsServerProgram, startNatsServer, type NatsServer } from "@signalbox/testkit/nats-server";
import { startTcpProxy, type TcpProxy } from "@signalbox/testkit/tcp-proxy";
import { afterAll, beforeAll, describe, vi } from "vitest";
import { busConformance } from "../conformance.ts";
import { natsBus } from "./bus.ts";

vi.setConfig({ testTimeout: 60_000 });
describe.skipIf(natsServerProgram() === null)("NATS (needs nats-server; Debian: apt-get install nats-server)", () => {
  let server: NatsServer;
  let wire: TcpProxy;
  beforeAll(async () => {
    server = await startNatsServer();
    wire = await startTcpProxy([{ port: server.port }]);
  });
  afterAll(async () => {
    await wire?.close();
    await server?.stop();
  });
  busConformance(() => ({
    make: () => natsBus({ url: `nats://127.0.0.1:${wire.port}`, prefix: "signalbox.test", onError: () => undefined }),
    cut: () => wire.cut(),
    mend: () => wire.join(),
    longest: 1_000_000,
  }));
});
