/* One note to one browser: encrypted for it alone (RFC 8291), signed for its push service (RFC 8292), and what came of it. */
import { createHash } from "node:crypto";
import type { PushPayload } from "@signalbox/contract/push";
import { Agent, request } from "undici";
import webpush from "web-push";
import { type EndpointRules, endpointProblem, pinnedLookup } from "./endpoint.ts";
import type { VapidKeys } from "./vapid.ts";

export interface Target {
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}
export type Sent =
  | { readonly ok: true; readonly status: number }
  /** `gone`: nobody listens there any more. `later`: worth another try. `refused`: it will never do. */
  | { readonly ok: false; readonly outcome: "gone" | "later" | "refused"; readonly status: number | null; readonly message: string };

export interface Sender {
  send(target: Target, payload: PushPayload, how: { readonly ttlS: number; readonly urgency: "high" | "normal" }): Promise<Sent>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 15_000;

export function createSender(options: { readonly vapid: VapidKeys; readonly contact: string } & EndpointRules): Sender {
  const agent = new Agent({ connect: { lookup: pinnedLookup(options), timeout: 10_000 } });
  return {
    async send({ endpoint, p256dh, auth }, payload, { ttlS, urgency }) {
      const problem = endpointProblem(endpoint, options);
      if (problem !== null) return { ok: false, outcome: "refused", status: null, message: problem };
      const service = new URL(endpoint).hostname;
      try {
        const details = webpush.generateRequestDetails({ endpoint, keys: { p256dh, auth } }, JSON.stringify(payload), {
          vapidDetails: { subject: options.contact, publicKey: options.vapid.publicKey, privateKey: options.vapid.privateKey },
          TTL: Math.max(0, Math.floor(ttlS)),
          urgency,
          // A later note on the same thing takes the place of one that was not delivered yet.
          topic: createHash("sha256").update(payload.tag).digest("base64url").slice(0, 32),
          contentEncoding: "aes128gcm",
        });
        const answer = await request(endpoint, {
          dispatcher: agent,
          method: "POST",
          headers: details.headers,
          body: details.body,
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await answer.body.dump();
        return outcomeOf(answer.statusCode, service);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? (error as Error).name;
        if (code === "ENOTPUBLIC")
          return { ok: false, outcome: "refused", status: null, message: `${service} is not on a public address.` };
        return { ok: false, outcome: "later", status: null, message: `${service} could not be reached (${code}).` };
      }
    },
    close: () => agent.destroy(),
  };
}

function outcomeOf(status: number, service: string): Sent {
  if (status >= 200 && status < 300) return { ok: true, status };
  if (status === 404 || status === 410)
    return { ok: false, outcome: "gone", status, message: `${service} says that the browser gets no notes any more (${status}).` };
  const outcome = status === 429 || status >= 500 ? "later" : "refused";
  return { ok: false, outcome, status, message: `${service} did not take the note (${status}).` };
}
