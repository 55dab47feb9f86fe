import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { databaseTest } from "@signalbox/testkit/database";
import { startTcpProxy, type TcpProxy } from "@signalbox/testkit/tcp-proxy";
import { afterAll, beforeAll, vi } from "vitest";
import { busConformance } from "../conformance.ts";
import { postgresBus } from "./bus.ts";

vi.setConfig({ testTimeout: 60_000 });
const database = databaseTest();
const folder = mkdtempSync(path.join(tmpdir(), "signalbox-bus-"));
let wire: TcpProxy;
beforeAll(async () => {
  const { host, port } = database.connection("sb_log");
  wire = await startTcpProxy([{ path: `${host}/.s.PGSQL.${port}` }], { listenOn: path.join(folder, ".s.PGSQL.5432") });
});
afterAll(async () => {
  await wire?.close();
  rmSync(folder, { recursive: true, force: true });
});
busConformance(() => ({
  make: () => postgresBus({ connection: { ...database.connection("sb_log"), host: folder, port: 5432 }, onError: () => undefined }),
  cut: () => wire.cut(),
  mend: () => wire.join(),
  longest: 8000,
}));
