/*
 * Any moment of a long room over HTTP: its state, and the session's, at moments far apart, one after the other on one
 * connection. Cold means that the server has not read the room before: moments of a long room are answered from kept
 * folds and the events since (specs/time-travel.md), and none of them is left in memory for the next.
 *
 *   first     the first moment that anybody asks for: every thousandth fold is made on the way
 *   cold      further ones, each at a place of its own
 *   strip     the timeline of the whole room: first time, again, and only what came after a moment near the end, as
 *             somebody who follows the room asks for it
 *
 * `node time-travel.ts [--turns N] [--moments N]`: a turn is 105 tool calls, about 220 events. The last line of stdout is one JSON object.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { quantile, startProcess } from "./server.ts";

const { values: flags } = parseArgs({
  options: { turns: { type: "string", default: "455" }, moments: { type: "string", default: "100" } },
});
const MOMENTS = Number(flags.moments);

// Nobody asks the model anything.
const server = await startProcess([path.join(import.meta.dirname, "web-server.ts"), "http://127.0.0.1:9/v1", flags.turns, "105"]);
try {
  type Answer = { seq: number; last_seq: number; items: { id: string; room_id: string }[] };
  async function get(route: string): Promise<{ ms: number; body: Answer }> {
    const began = performance.now();
    const { status, body } = await server.call("GET", route);
    if (status !== 200) throw new Error(`GET ${route} was answered with ${status}: ${JSON.stringify(body)}`);
    return { ms: performance.now() - began, body: body as unknown as Answer };
  }
  const [session] = (await get("/v1/sessions?limit=1")).body.items;
  if (session === undefined) throw new Error("there is no session");
  const room = `/v1/rooms/${session.room_id}`;
  // Far beyond anything kept; by time, since nobody knows the last seq yet.
  const first = await get(`${room}/at?time=${encodeURIComponent(new Date().toISOString())}`);
  const events = first.body.last_seq;
  /** Spread evenly, in an order in which no two neighbours follow each other. */
  const places = Array.from({ length: MOMENTS }, (_, i) => 1 + Math.floor(((i * 0.618033988749895) % 1) * (events - 1)));
  const ofRoom: number[] = [];
  const ofSession: number[] = [];
  for (const seq of places) {
    ofRoom.push((await get(`${room}/at?seq=${seq}`)).ms);
    ofSession.push((await get(`/v1/sessions/${session.id}/at?seq=${seq}`)).ms);
  }
  const strip = Number((await get(`${room}/timeline`)).ms.toFixed(1));
  const again: number[] = [];
  const since: number[] = [];
  for (let i = 0; i < 15; i++) {
    again.push((await get(`${room}/timeline`)).ms);
    since.push((await get(`${room}/timeline?after_seq=${events - 50 - i}`)).ms);
  }
  const worst = Math.max(quantile(ofRoom, 0.95), quantile(ofSession, 0.95));
  console.log(
    JSON.stringify({
      bench: "time-travel",
      measures: {
        events,
        first_moment_ms: Number(first.ms.toFixed(1)),
        room_p50_ms: quantile(ofRoom, 0.5),
        room_p95_ms: quantile(ofRoom, 0.95),
        session_p50_ms: quantile(ofSession, 0.5),
        session_p95_ms: quantile(ofSession, 0.95),
        strip_first_ms: strip,
        strip_p50_ms: quantile(again, 0.5),
        strip_p95_ms: quantile(again, 0.95),
        strip_since_p50_ms: quantile(since, 0.5),
        strip_since_p95_ms: quantile(since, 0.95),
      },
      targets: [
        { target: `any moment of a room of ${events} events, cold, p95, ms`, reached: worst, wanted: "≤ 150", ok: worst <= 150 },
        { target: "its strip, first time, ms", reached: strip, wanted: "≤ 1000", ok: strip <= 1000 },
      ],
    }),
  );
} finally {
  await server.stop();
}
