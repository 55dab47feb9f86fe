import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { serverAddress } from "./config.ts";

let dataDir: string;
beforeAll(async () => {
  vi.stubEnv("SIGNALBOX_URL", undefined);
  vi.stubEnv("SIGNALBOX_TOKEN", undefined);
  dataDir = await mkdtemp(join(tmpdir(), "signalbox-config-"));
  await writeFile(join(dataDir, "server.json"), JSON.stringify({ url: "http://127.0.0.1:4400", token: "owner" }));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(dataDir, { recursive: true, force: true });
});

test("the server of this machine is found, also when it is named", () => {
  expect(serverAddress({ dataDir })).toEqual({ url: "http://127.0.0.1:4400", token: "owner" });
  expect(serverAddress({ dataDir, url: "http://127.0.0.1:4400/" })).toMatchObject({ token: "owner" });
});

test("this machine's token goes to no other server", () => {
  expect(() => serverAddress({ dataDir, url: "https://elsewhere.example" })).toThrow("No token for https://elsewhere.example is given.");
  expect(serverAddress({ dataDir, url: "https://elsewhere.example", token: "theirs" })).toEqual({
    url: "https://elsewhere.example",
    token: "theirs",
  });
});

test("what is no address, and a server.json that was cut off, are said plainly", async () => {
  expect(() => serverAddress({ dataDir, url: "localhost:4400", token: "x" })).toThrow('"localhost:4400" is not the address of a server.');
  await writeFile(join(dataDir, "server.json"), '{"url":');
  expect(() => serverAddress({ dataDir })).toThrow("is not what a server writes");
});
