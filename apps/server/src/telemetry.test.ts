import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { createLogger } from "./logging.ts";
import { startTelemetry } from "./telemetry.ts";

test("spans reach the collector, failed ones as failed and without what was said", async () => {
  let received = "";
  const collector = createServer((request, response) => {
    request.on("data", (part: Buffer) => (received += part.toString()));
    request.on("end", () => response.end("{}"));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => collector.once("listening", resolve));
  const telemetry = await startTelemetry(`http://127.0.0.1:${(collector.address() as AddressInfo).port}`);
  expect(await telemetry.traced("rooms.list", async () => 7)).toBe(7);
  await expect(telemetry.traced("rooms.create", () => Promise.reject(new TypeError("said in private")))).rejects.toThrow("said in private");
  await telemetry.stop();
  collector.close();
  expect(received).toContain("rooms.list");
  expect(received).toContain("TypeError");
  expect(received).not.toContain("said in private");
});

test("a log line holds no secret, wherever it was put", () => {
  const lines: string[] = [];
  const write = vi.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  const logger = createLogger({ level: "info", pretty: false, secrets: ["configured-secret", "short"] });
  logger.info(
    { token: "abc", headers: { authorization: "Bearer abc", cookie: "abc" }, err: new Error("call with configured-secret failed") },
    `used sbt_${"x".repeat(43)}`,
  );
  write.mockRestore();
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toMatch(/abc|configured-secret|xxxx/);
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: "info", token: "[redacted]", msg: "used [redacted]" });
});
