import { readFileSync, readdirSync } from "node:fs";
import { median, quantile, startServer } from "./server.ts";
const prof = process.argv[2];
const server = await startServer(prof ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${prof}` } : {});
const room = (await server.call("POST", "/v1/rooms", { title: "bench" })).body["id"];
const thread = (await server.call("POST", `/v1/rooms/${room}/threads`, {})).body["id"];
const cpu = () => { const m = new Map<string, number>(); for (const p of readdirSync("/proc")) { if (!/^\d+$/.test(p)) continue; try { const s = readFileSync(`/proc/${p}/stat`, "latin1"); const name = readFileSync(`/proc/${p}/cmdline`, "latin1").replaceAll("\0", " ").slice(0, 60); const f = s.slice(s.lastIndexOf(")") + 2).split(" "); m.set(p + " " + name, (Number(f[11]) + Number(f[12])) * 10); } catch {} } return m; };
async function post(callers: number, seconds: number) {
  const took: number[] = []; const end = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: callers }, async (_, caller) => { for (let i = 0; performance.now() < end; i++) { const b = performance.now(); const { status } = await server.call("POST", `/v1/threads/${thread}/messages`, { content_md: `message ${i} of ${caller}, about as long as people write` }); if (status !== 201) throw new Error(String(status)); took.push(performance.now() - b); } }));
  return took;
}
await post(16, 3); await post(1, 3);
for (const n of [1, 16]) {
  const before = cpu(); const me = process.cpuUsage();
  const took = await post(n, 6);
  const after = cpu();
  const d = [...after].map(([k, v]) => [k, v - (before.get(k) ?? 0)] as const).filter(([, v]) => v > 30).sort((a, b) => b[1] - a[1]);
  console.log(n, "callers", took.length / 6, "p50", median(took), "p99", quantile(took, .99));
  for (const [k, v] of d.slice(0, 12)) console.log("  ", (v / took.length).toFixed(3), "ms cpu each", k);
}
await server.stop();
