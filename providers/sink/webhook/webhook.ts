/*
 * One POST an event: a CloudEvents 1.0 envelope (structured mode), signed as Standard Webhooks says
 * (webhook-id, webhook-timestamp, webhook-signature over both and the body).
 */
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { createPoster, unreachable } from "../http.ts";
import type { Delivered, OutgoingEvent, Sink, SinkOptions } from "../port.ts";

/** Null: it can sign. */
export function secretProblem(secret: string): string | null {
  const bytes = Buffer.from(secret.replace(/^whsec_/, ""), "base64").length;
  return secret.startsWith("whsec_") && bytes >= 24 && bytes <= 64
    ? null
    : "A webhook's secret is whsec_ and 24 to 64 bytes in base64; leave it out and one is made.";
}

export function webhookSink(options: SinkOptions & { readonly now: () => number }): Sink {
  const poster = createPoster(options);
  const signer = new Webhook(options.secret);

  async function one(event: OutgoingEvent): Promise<Delivered> {
    const message = HTTP.structured(
      new CloudEvent({
        id: event.id,
        type: event.type,
        source: `/organizations/${event.organizationId}`,
        subject: event.subject,
        time: event.occurredAt,
        datacontenttype: "application/json",
        data: event.envelope,
      }),
    );
    const body = String(message.body);
    const at = new Date(options.now());
    try {
      const { status } = await poster.post(
        options.url,
        {
          "content-type": "application/cloudevents+json; charset=utf-8",
          "user-agent": "Signalbox",
          "webhook-id": event.id,
          "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
          "webhook-signature": signer.sign(event.id, at, body),
        },
        body,
      );
      if (status >= 200 && status < 300) return { ok: true, status };
      const host = new URL(options.url).host;
      // 410 is how Standard Webhooks has a receiver say that it wants nothing any more.
      return status === 410
        ? { ok: false, isFinal: true, status, message: `${host} says that it wants no more (410).` }
        : { ok: false, isFinal: false, status, message: `${host} did not take it (${status}).` };
    } catch (error) {
      return unreachable(options.url, error);
    }
  }

  return {
    batchSize: 1,
    held: null,
    async deliver(events) {
      let last: Delivered = { ok: true, status: 204 };
      for (const event of events) {
        last = await one(event);
        if (!last.ok) break;
      }
      return last;
    },
    close: poster.close,
  };
}
