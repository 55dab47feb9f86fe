import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");

test("an engine outlives a server that is being restarted, and ends when it is refused", async () => {
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    if (asked === 1) response.writeHead(503).end();
    else if (asked === 2) response.end('{"run":null}');
    else
      response
        .writeHead(403, { "content-type": "application/json" })
        .end('{"error":{"code":"forbidden","message":"No.","request_id":"req_1"}}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const child = spawn(process.execPath, [MAIN, "engine", "--url", url, "--token", "x", "--poll", "100"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  server.close();
  expect(said).toContain("Trying again");
  expect({ code, asked }).toEqual({ code: 4, asked: 3 });
});
