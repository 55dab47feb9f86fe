/*
 * The proxy as the tools in a real sandbox meet it: curl, git and Node's fetch, through 127.0.0.1:3128 and the socket.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localSandboxes } from "@signalbox/providers/sandbox/local/provider";
import { DEFAULT_LIMITS, type Sandbox, type SandboxProvider } from "@signalbox/providers/sandbox/port";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createEgressProxy, type EgressAsk, type EgressProxy, type EgressRecord } from "./proxy.ts";

const IDS = ["sbx_egress_a", "sbx_egress_b"] as const;
const COMMIT = "1234567890123456789012345678901234567890";
// Part of Debian's standard system but not of its smallest; Node and git are there in any case.
const withCurl = test.skipIf(!existsSync("/usr/bin/curl"));
let dataDir: string;
let sandboxes: SandboxProvider;
let a: Sandbox;
let b: Sandbox;
let proxy: EgressProxy;
let upstream: Server;
let port: number;
let asked: EgressAsk[];
let records: EgressRecord[];

function newProxy(): EgressProxy {
  return createEgressProxy({
    decide: async (ask) => {
      asked.push(ask);
      return ask.host === "evil.test"
        ? { allow: false, code: "egress_host_not_allowed", message: "evil.test is not on the list.", fix: "Ask for it." }
        : { allow: true };
    },
    record: (record) => records.push(record),
    onFault: (error) => {
      throw error;
    },
    resolve: async () => ["127.0.0.1"],
    permitAddress: (_address, destination) => destination.host === "api.test",
    internal: {
      "model.signalbox.invalid": (request, response, identity) => {
        let body = "";
        request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
        request.on("end", () => response.end(`${identity.sandboxId} ${request.url} ${body}`));
      },
      "git.signalbox.invalid": (request, response) => {
        if (request.url?.startsWith("/repo.git/info/refs"))
          response.setHeader("Content-Type", "text/plain").end(`${COMMIT}\trefs/heads/main\n`);
        else if (request.url === "/repo.git/HEAD") response.end("ref: refs/heads/main\n");
        else response.writeHead(404).end();
      },
    },
  });
}

const listen = (sandbox: Sandbox): Promise<void> =>
  proxy.listen({ sandboxId: sandbox.id, sessionId: `ses_${sandbox.id}`, organizationId: "ws_test" }, sandbox.egressDirectory);

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "sbx-"));
  sandboxes = localSandboxes({ dataDir });
  [a, b] = (await Promise.all(
    IDS.map((id) => sandboxes.create({ id, organizationId: "ws_test", limits: DEFAULT_LIMITS, env: {}, tools: [] })),
  )) as [Sandbox, Sandbox];
  upstream = createServer((request, response) => {
    if (request.url === "/redirect") response.writeHead(302, { Location: "http://evil.test/secrets" }).end();
    else response.end(`upstream ${request.url}`);
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  ({ port } = upstream.address() as AddressInfo);
  proxy = newProxy();
  await Promise.all([listen(a), listen(b)]);
});

afterAll(async () => {
  await proxy?.close();
  upstream?.close();
  for (const id of IDS) await sandboxes.remove(id);
  rmSync(dataDir, { recursive: true, force: true });
});

beforeEach(() => {
  [asked, records] = [[], []];
});

async function run(sandbox: Sandbox, script: string): Promise<string> {
  const result = await sandbox.exec({ argv: ["/bin/bash", "-c", `{ ${script}; } 2>&1`], timeoutMs: 15_000 });
  return result.stdout.toString("utf8").trim();
}

const fetchInside = (url: string, init = "{}"): string =>
  `node -e "fetch('${url}',${init}).then(async r=>console.log(r.status,await r.text()),e=>console.log('failed',e.cause?.message??e.message))"`;

withCurl("curl, Node's fetch and git reach what is allowed, without any setting", async () => {
  expect(await run(a, `curl -sS http://api.test:${port}/curl`)).toBe("upstream /curl");
  expect(await run(a, fetchInside(`http://api.test:${port}/fetch`))).toBe("200 upstream /fetch");
  expect(await run(a, "git ls-remote http://git.signalbox.invalid/repo.git")).toContain(`${COMMIT}\trefs/heads/main`);
});

withCurl("the model is reached from curl and from fetch, each as the sandbox that it is", async () => {
  expect(await run(a, "curl -sS http://model.signalbox.invalid/llm/v1/models -d hello")).toBe("sbx_egress_a /llm/v1/models hello");
  expect(await run(b, fetchInside("http://model.signalbox.invalid/llm/v1/models", "{method:'POST',body:'hi'}"))).toBe(
    "200 sbx_egress_b /llm/v1/models hi",
  );
  expect(asked.map((ask) => ask.sandboxId)).toEqual(["sbx_egress_a", "sbx_egress_b"]);
});

withCurl("what is denied says why in the tool's own output", async () => {
  expect(await run(a, "curl -sS http://evil.test/")).toContain("evil.test is not on the list.");
  expect(await run(a, "curl -sS https://evil.test/")).toMatch(/CONNECT tunnel failed, response 403/);
  expect(await run(a, fetchInside("https://evil.test/"))).toMatch(/^failed/);
  expect(await run(a, "git ls-remote https://evil.test/repo.git")).toMatch(/403/);
});

withCurl("a redirect to a host that is not allowed is decided like any other request", async () => {
  expect(await run(a, `curl -sSL http://api.test:${port}/redirect`)).toContain("evil.test is not on the list.");
  expect(asked.map((ask) => ask.host)).toEqual(["api.test", "evil.test"]);
});

withCurl("the metadata address and the host's loopback are refused through the proxy as well", async () => {
  for (const host of ["169.254.169.254", `127.0.0.1.`, "0x7f000001", "[::ffff:127.0.0.1]"]) {
    expect(await run(a, `curl -sS -g --noproxy '' -x http://127.0.0.1:3128 http://${host}:${port}/`)).toContain("not public");
  }
});

test("the socket of another sandbox is not there", async () => {
  expect(await run(a, `ls ${b.egressDirectory}; ls /run/sbx/egress`)).toMatch(/No such file[\s\S]*egress\.sock$/);
});

withCurl("a large download streams, and its bytes are in the record", async () => {
  const big = createServer((_request, response) => {
    let left = 200;
    const more = (): void => {
      while (left-- > 0) if (!response.write(Buffer.alloc(100_000))) return void response.once("drain", more);
      response.end();
    };
    more();
  });
  await new Promise<void>((resolve) => big.listen(0, "127.0.0.1", resolve));
  expect(await run(a, `curl -sS http://api.test:${(big.address() as AddressInfo).port}/ | wc -c`)).toBe("20000000");
  await expect.poll(() => records.map((record) => record.bytesDown)).toEqual([20_000_000]);
  big.close();
});

withCurl("without a server the way out is shut and says so; with a new one it is open again", async () => {
  await proxy.close();
  expect(await run(a, "curl -sS http://model.signalbox.invalid/")).toContain("egress_unavailable");
  proxy = newProxy();
  await Promise.all([listen(a), listen(b)]);
  expect(await run(a, "curl -sS http://model.signalbox.invalid/again")).toContain("sbx_egress_a /again");
});
