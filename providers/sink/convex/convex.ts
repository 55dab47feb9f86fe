/*
 * Convex over its HTTP API, by three functions of the deployment (deploy/convex/signalbox.ts):
 *
 *   mutation signalbox:ingest {events: [{event_id, position, type, subject, hash, envelope}]}   idempotent by event_id
 *   query    signalbox:window {from, to}  →  [{position, hash}]
 *
 * Answers are {status: "success", value} or {status: "error", errorMessage}; the second comes with 200 or 560 when the
 * function threw. What Convex refuses before that has another status and {code, message}.
 */
import { z } from "zod";
import { createPoster, unreachable } from "../http.ts";
import type { Delivered, Held, Sink, SinkOptions } from "../port.ts";

const Answer = z.union([
  z.object({ status: z.literal("success"), value: z.unknown() }),
  z.object({ status: z.literal("error"), errorMessage: z.string() }),
  z.object({ code: z.string(), message: z.string() }),
]);
const Window = z.array(z.object({ position: z.number().int(), hash: z.string() }));

type Called = { readonly ok: true; readonly status: number; readonly value: unknown } | Extract<Delivered, { ok: false }>;

export function convexSink(options: SinkOptions): Sink {
  const poster = createPoster(options);
  const base = options.url.replace(/\/+$/, "");

  async function call(kind: "mutation" | "query", path: string, args: object): Promise<Called> {
    let status: number;
    let text: string;
    try {
      ({ status, text } = await poster.post(
        `${base}/api/${kind}`,
        { "content-type": "application/json", authorization: `Convex ${options.secret}`, "user-agent": "Signalbox" },
        JSON.stringify({ path, args, format: "json" }),
      ));
    } catch (error) {
      return unreachable(options.url, error);
    }
    const host = new URL(options.url).host;
    const answer = Answer.safeParse(jsonOf(text));
    if (!answer.success) return { ok: false, isFinal: false, status, message: `${host} did not answer as Convex does (${status}).` };
    const said = answer.data;
    if ("code" in said) return { ok: false, isFinal: false, status, message: `${host}: ${said.code}, ${short(said.message)}` };
    if (said.status === "error") return { ok: false, isFinal: false, status, message: `${path} failed: ${short(said.errorMessage)}` };
    return { ok: true, status, value: said.value };
  }

  return {
    batchSize: 50,
    async deliver(events) {
      const answer = await call("mutation", "signalbox:ingest", {
        events: events.map(({ id, position, type, subject, hash, envelope }) => ({
          event_id: id,
          position,
          type,
          subject,
          hash,
          // As text: Convex refuses members that begin with $ and nesting beyond 16.
          envelope: JSON.stringify(envelope),
        })),
      });
      return answer.ok ? { ok: true, status: answer.status } : answer;
    },
    async held(from, to): Promise<readonly Held[]> {
      const answer = await call("query", "signalbox:window", { from, to });
      if (!answer.ok) throw new Error(answer.message);
      return Window.parse(answer.value);
    },
    close: poster.close,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy's page, an empty body: not Convex
  }
}
const short = (message: string): string => message.split("\n")[0]!.slice(0, 300);
