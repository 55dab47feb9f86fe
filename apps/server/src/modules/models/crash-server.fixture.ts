/* A server process with nothing in it but the model proxy, to be killed in the middle of a stream. */
import { createUpstream } from "@signalbox/providers/model/upstreams";
import { createLog } from "@signalbox/eventlog/postgres-log";
import { proxyOn, QUICK } from "./proxy.fixture.ts";

const [connections, upstreamOrigin] = process.argv.slice(2);
if (connections === undefined || upstreamOrigin === undefined) throw new Error("usage: crash-server.fixture.ts <connections> <upstream>");
const { sb_log, sb_app } = JSON.parse(connections) as { sb_log: object; sb_app: object };
const upstream = createUpstream({
  kind: "openai",
  name: "openai",
  apiKey: "sk",
  baseUrl: `${upstreamOrigin}/v1`,
  timeouts: { ...QUICK, idleMs: 60_000 },
});
const bench = await proxyOn((projections) => createLog({ connection: sb_log, projections }), sb_app, [upstream], {});
const session = await bench.session();
process.stdout.write(`${JSON.stringify({ origin: bench.origin, ...session })}\n`);
