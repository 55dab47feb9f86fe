/*
 * One streamed chat completion of 20 chunks, side by side in one run against one upstream in a
 * process of its own:
 *
 *   direct      client → upstream
 *   signalbox   virtual key, gate, reservation durable before the call, metered, settled durable after it
 *   portkey     @portkey-ai/gateway, mended enough to answer: no key store, no budget, no ledger
 *
 * Rounds alternate, medians are printed. `node model-proxy.ts [--rounds N] [--seconds S]`; the last
 * line of stdout is one JSON object, for tools/bench.ts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, Agent, request } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    upstream: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(flags.rounds);
const SECONDS = Number(flags.seconds);
const CHUNKS = 20;

const chunk = (choices: unknown[], usage: unknown) =>
  `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model: "gpt-4o", choices, usage })}\n\n`;
const FRAMES = [
  ...Array.from({ length: CHUNKS }, (_, i) => chunk([{ index: 0, delta: { content: `word number ${i} ` }, finish_reason: null }], null)),
  chunk([], { prompt_tokens: 40, completion_tokens: 60, total_tokens: 100 }),
  "data: [DONE]\n\n",
];

/** Answers at once, each frame in a write of its own. */
async function serveUpstream(): Promise<void> {
  const server = createServer((asked, response) => {
    if (asked.url?.endsWith("/models")) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ object: "list", data: [{ id: "gpt-4o", object: "model" }] }));
      return;
    }
    asked.resume();
    asked.once("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const frame of FRAMES) response.write(frame);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
}

const BODY = JSON.stringify({
  model: "gpt-4o",
  stream: true,
  max_tokens: 256,
  messages: [{ role: "user", content: "Tell me twenty words about signal boxes." }],
});

interface Target {
  readonly url: string;
  readonly headers: (caller: number) => Record<string, string>;
}

function ask(target: Target, agent: Agent, caller: number): Promise<number> {
  const before = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(
      target.url,
      {
        method: "POST",
        agent,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(BODY), ...target.headers(caller) },
      },
      (response) => {
        let tail = "";
        response.on("data", (data: Buffer) => (tail = (tail + data.toString("latin1")).slice(-40)));
        response.once("error", reject);
        response.once("end", () => {
          if (response.statusCode !== 200 || !tail.includes("[DONE]"))
            reject(new Error(`${target.url} answered ${response.statusCode}: ${tail}`));
          else resolve(performance.now() - before);
        });
      },
    );
    sent.once("error", reject);
    sent.end(BODY);
  });
}

const rounded = (value: number): number => Number(value.toFixed(2));
const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const quantile = (numbers: readonly number[], q: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * q)] ?? Number.NaN;

async function drive(target: Target, callers: number): Promise<{ p50: number; p99: number; perSecond: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const latencies: number[] = [];
  const started = performance.now();
  const end = started + SECONDS * 1000;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (performance.now() < end) latencies.push(await ask(target, agent, caller));
    }),
  );
  const perSecond = latencies.length / ((performance.now() - started) / 1000);
  agent.destroy();
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), perSecond };
}

async function ready(child: ChildProcess): Promise<unknown> {
  const [line] = (await once(createInterface(child.stdout!), "line")) as [string];
  return JSON.parse(line);
}

function start(script: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, [path.join(import.meta.dirname, script), ...args], { stdio: ["ignore", "pipe", "inherit"] });
}

/**
 * As installed, 1.15.2 answers 500 on Node 24 (it appends to headers that fetch made immutable) and
 * listens on every address; a preload mends both. Null when it does not come up.
 */
async function startPortkey(): Promise<{ child: ChildProcess; port: number } | null> {
  const probe = createTcpServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  const preload = `
    import net from "node:net";
    const listen = net.Server.prototype.listen;
    net.Server.prototype.listen = function (port, ...rest) {
      return typeof port === "number" ? listen.call(this, port, "127.0.0.1", ...rest.filter((r) => typeof r === "function")) : listen.call(this, port, ...rest);
    };
    const real = globalThis.fetch;
    globalThis.fetch = async (...asked) => { const answer = await real(...asked); return new Response(answer.body, answer); };`;
  let script: string;
  try {
    script = path.join(path.dirname(createRequire(import.meta.url).resolve("@portkey-ai/gateway/package.json")), "build/start-server.js");
  } catch {
    return null; // not installed
  }
  const child = spawn(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(preload)}`, script, `--port=${port}`, "--headless"],
    {
      stdio: "ignore",
      env: { PATH: process.env["PATH"], TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
    },
  );
  for (let i = 0; i < 100; i++) {
    await sleep(100);
    if (child.exitCode !== null) return null;
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isUp) return { child, port };
  }
  child.kill();
  return null;
}

async function main(): Promise<void> {
  const children: ChildProcess[] = [];
  try {
    const upstream = start("model-proxy.ts", "--upstream");
    children.push(upstream);
    const { port } = (await ready(upstream)) as { port: number };
    const origin = `http://127.0.0.1:${port}`;
    const ours = start("model-proxy-server.ts", origin);
    children.push(ours);
    const { url, keys } = (await ready(ours)) as { url: string; keys: string[] };
    const portkey = await startPortkey();
    if (portkey !== null) children.push(portkey.child);

    const contenders: Record<string, Target> = {
      direct: { url: `${origin}/v1/chat/completions`, headers: () => ({ authorization: "Bearer sk-bench" }) },
      signalbox: { url, headers: (caller) => ({ authorization: `Bearer ${keys[caller % keys.length]}` }) },
      signalbox_one_session: { url, headers: () => ({ authorization: `Bearer ${keys[0]}` }) },
    };
    if (portkey !== null) {
      const target: Target = {
        url: `http://127.0.0.1:${portkey.port}/v1/chat/completions`,
        headers: () => ({ authorization: "Bearer sk-bench", "x-portkey-provider": "openai", "x-portkey-custom-host": `${origin}/v1` }),
      };
      const answers = await ask(target, new Agent(), 0).then(
        () => true,
        (error: unknown) => {
          console.error(`portkey does not answer: ${String(error)}`);
          return false;
        },
      );
      if (answers) contenders["portkey"] = target;
    } else console.error("portkey did not start");

    for (const target of Object.values(contenders)) for (let i = 0; i < 200; i++) await ask(target, new Agent(), i);
    const rounds: Record<string, number>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const measured: Record<string, number> = {};
      for (const [name, target] of Object.entries(contenders)) {
        const one = await drive(target, 1);
        const sixteen = await drive(target, 16);
        Object.assign(measured, { [`${name}_p50_ms`]: one.p50, [`${name}_p99_ms`]: one.p99, [`${name}_16_per_s`]: sixteen.perSecond });
      }
      rounds.push(measured);
    }
    const measures = Object.fromEntries(
      Object.keys(rounds[0] ?? {}).map((name) => [name, rounded(median(rounds.map((round) => round[name])))]),
    );
    console.table(measures);
    const added = rounded(measures["signalbox_p50_ms"] - measures["direct_p50_ms"]);
    const times =
      measures["portkey_16_per_s"] === undefined ? null : rounded(measures["signalbox_16_per_s"] / measures["portkey_16_per_s"]);
    const targets = [
      { target: "added p50 per streamed response against direct, ms", reached: added, wanted: "≤ 3", ok: added <= 3 },
      {
        target: "throughput against @portkey-ai/gateway, 16 clients",
        reached: times ?? "portkey does not answer",
        wanted: "≥ 3×",
        ok: times === null || times >= 3,
      },
    ];
    console.log(JSON.stringify({ bench: "model-proxy", measures, targets }));
  } finally {
    for (const child of children) child.kill("SIGTERM");
    await Promise.all(children.filter((child) => child.exitCode === null && child.signalCode === null).map((child) => once(child, "exit")));
  }
}

if (flags.upstream) await serveUpstream();
else await main();
