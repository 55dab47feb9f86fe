/*
 * A whole command over HTTP: post a message (authenticate, look up the thread, decide, append with its
 * chain, project, answer), by one caller and by sixteen, against a server process with its embedded,
 * durable Postgres. `node http.ts [--rounds N] [--seconds S]`; the last line of stdout is one JSON object.
 */
import { parseArgs } from "node:util";
import { median, quantile, startServer } from "./server.ts";

const { values: flags } = parseArgs({ options: { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "4" } } });
const ROUNDS = Number(flags.rounds);
const SECONDS = Number(flags.seconds);

const server = await startServer();
const room = (await server.call("POST", "/v1/rooms", { title: "bench" })).body["id"];
const thread = (await server.call("POST", `/v1/rooms/${room}/threads`, {})).body["id"];

/** Milliseconds of each answer within the time. */
async function post(callers: number, seconds: number): Promise<number[]> {
  const took: number[] = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let i = 0; performance.now() < end; i++) {
        const began = performance.now();
        const { status } = await server.call("POST", `/v1/threads/${thread}/messages`, {
          content_md: `message ${i} of ${caller}, about as long as people write`,
        });
        if (status !== 201) throw new Error(`answered ${status}`);
        took.push(performance.now() - began);
      }
    }),
  );
  return took;
}

await post(16, 2); // warm: compiled, prepared, pools filled
const one: number[] = [];
const oneP99: number[] = [];
const many: number[] = [];
const manyP99: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const alone = await post(1, SECONDS);
  one.push(median(alone));
  oneP99.push(quantile(alone, 0.99));
  const together = await post(16, SECONDS);
  many.push(together.length / SECONDS);
  manyP99.push(quantile(together, 0.99));
}
await server.stop();

const [p50, rate] = [median(one), Math.round(median(many))];
console.log(
  JSON.stringify({
    bench: "http",
    measures: {
      one_caller_p50_ms: p50,
      one_caller_p99_ms: median(oneP99),
      sixteen_callers_per_s: rate,
      sixteen_callers_p99_ms: median(manyP99),
    },
    targets: [
      { target: "post a message over HTTP, one caller p50, ms", reached: p50, wanted: "≤ 3", ok: p50 <= 3 },
      { target: "post a message over HTTP, 16 callers, per s", reached: rate, wanted: "≥ 1500", ok: rate >= 1500 },
    ],
  }),
);
