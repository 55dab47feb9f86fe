import { Agent, request } from "undici";
import type { Delivered, SinkOptions } from "./port.ts";

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

export interface Posted {
  readonly status: number;
  readonly text: string;
}

/** POSTs and nothing else; follows no redirect, so that what was resolved is where it goes. */
export function createPoster({ lookup, timeoutMs = TIMEOUT_MS }: Pick<SinkOptions, "lookup" | "timeoutMs">) {
  const agent = new Agent({ connect: { lookup, timeout: Math.min(timeoutMs, 10_000) }, maxResponseSize: MAX_ANSWER_BYTES });
  return {
    async post(url: string, headers: Record<string, string>, body: string): Promise<Posted> {
      const answer = await request(url, { dispatcher: agent, method: "POST", headers, body, signal: AbortSignal.timeout(timeoutMs) });
      return { status: answer.statusCode, text: await answer.body.text() };
    },
    close: () => agent.destroy(),
  };
}

/** Why nothing came back. */
export function unreachable(url: string, error: unknown): Extract<Delivered, { ok: false }> {
  const host = new URL(url).host;
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).name;
  if (code === "ENOTPUBLIC") return { ok: false, isFinal: true, status: null, message: `${host} is not on a public address.` };
  const what = code === "TimeoutError" ? "did not answer in time" : `could not be reached (${code})`;
  return { ok: false, isFinal: false, status: null, message: `${host} ${what}.` };
}
