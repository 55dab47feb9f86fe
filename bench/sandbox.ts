/*
 * Isolation's own time, side by side in one run:
 *
 *   create          a local sandbox, without an agent, until sandboxd answers
 *   bare            the limit: the smallest bubblewrap and, after it, a bare `node` until its first line, which is the
 *                   process that sandboxd is. 6 + 17 ms where the target was set, 6 + 70–90 where a node boots slower
 *   agent inside    OpenCode ready in a fresh sandbox, egress proxy in place, create included
 *   agent outside   the same OpenCode ready as a plain process: what it costs bare
 *
 * Rounds alternate; medians. The last line of stdout is one JSON object.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { createEgressProxy } from "../apps/server/src/modules/egress/proxy.ts";
import { openCodeBinary } from "../providers/agent/opencode/binary.ts";
import { openCodeHarness } from "../providers/agent/opencode/harness.ts";
import { unsandboxedHost } from "../providers/agent/unsandboxed.fixture.ts";
import { localSandboxes } from "../providers/sandbox/local/provider.ts";
import { DEFAULT_LIMITS } from "../providers/sandbox/port.ts";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const ROUNDS = Number(flags.rounds);
const binary = openCodeBinary();
if (binary === null) throw new Error("OpenCode is not installed for this machine");

const model = { baseUrl: "http://model.signalbox.invalid/llm/v1", apiKey: "placeholder", modelId: "none" };
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const dataDir = await mkdtemp(path.join(tmpdir(), "signalbox-bench-"));
await chmod(dataDir, 0o711);
const provider = localSandboxes({ dataDir });
const egress = createEgressProxy({
  decide: () => Promise.resolve({ allow: false, code: "egress_host_not_allowed", message: "not here", fix: "none" }),
  record: () => undefined,
  internal: {},
  onFault: (error) => console.error(error),
});
const spec = (id: string) => ({
  id,
  organizationId: "ws_bench",
  limits: DEFAULT_LIMITS,
  env: {},
  tools: [{ name: "opencode", source: binary }],
});

async function create(id: string): Promise<number> {
  const began = performance.now();
  const sandbox = await provider.create(spec(id));
  const took = performance.now() - began;
  await sandbox.stop();
  await provider.remove(id);
  return took;
}

/** From the start of a program to its first output, in milliseconds. */
function firstLine(program: string, ...argv: string[]): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: ["ignore", "pipe", "inherit"], env: { PATH: "/usr/bin:/bin" } });
    child.once("error", reject);
    child.stdout.once("data", () => resolve(performance.now() - began));
  });
}
const bareNamespaces = () =>
  firstLine("bwrap", "--ro-bind", "/", "/", "--unshare-all", "--proc", "/proc", "--dev", "/dev", "/bin/echo", "here");
const bareNode = () => firstLine(process.execPath, "-e", "process.stdout.write('here')");

async function inside(id: string): Promise<number> {
  const began = performance.now();
  const sandbox = await provider.create(spec(id));
  await egress.listen({ sandboxId: id, sessionId: "ses_bench", organizationId: "ws_bench" }, sandbox.egressDirectory);
  const host = Object.assign(Object.create(sandbox) as typeof sandbox, { home: "/home/sbx", workspace: "/workspace" });
  const agent = await openCodeHarness({ command: "opencode" }).start(bind(host), { model });
  const took = performance.now() - began;
  await agent.close();
  await egress.unlisten(id);
  await sandbox.stop();
  await provider.remove(id);
  return took;
}

async function outside(): Promise<number> {
  const host = await unsandboxedHost();
  const began = performance.now();
  const agent = await openCodeHarness({ command: binary! }).start(host, { model });
  const took = performance.now() - began;
  await agent.close();
  await host.dispose();
  return took;
}

/** Methods of the sandbox, called on the sandbox. */
function bind<T extends object>(host: T): T {
  return new Proxy(host, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? (value as (...all: unknown[]) => unknown).bind(Object.getPrototypeOf(target) ?? target) : value;
    },
  });
}

const measured = { create: [] as number[], bare: [] as number[], inside: [] as number[], outside: [] as number[] };
await create("sbx_warm");
await inside("sbx_warm_agent");
await outside();
for (let round = 0; round < ROUNDS; round++) {
  for (let i = 0; i < 5; i++) {
    measured.create.push(await create(`sbx_c${round}_${i}`));
    measured.bare.push((await bareNamespaces()) + (await bareNode()));
  }
  measured.inside.push(await inside(`sbx_i${round}`));
  measured.outside.push(await outside());
}
await egress.close();
await provider.close();
await rm(dataDir, { recursive: true, force: true });

const [createMs, bareMs, insideMs, outsideMs] = [measured.create, measured.bare, measured.inside, measured.outside].map((values) =>
  Number(median(values).toFixed(1)),
) as [number, number, number, number];
const ratio = Number((insideMs / outsideMs).toFixed(2));
console.log(
  JSON.stringify({
    bench: "sandbox",
    measures: {
      create_ms: createMs,
      bare_namespaces_and_node_ms: bareMs,
      added_to_bare_ms: Number((createMs - bareMs).toFixed(1)),
      agent_inside_ms: insideMs,
      agent_outside_ms: outsideMs,
    },
    targets: [
      { target: "sandbox start without the agent, ms", reached: createMs, wanted: "≤ 60", ok: createMs <= 60 },
      { target: "agent ready inside against outside", reached: ratio, wanted: "≤ 1.2×", ok: ratio <= 1.2 },
    ],
  }),
);
process.exit(0);
