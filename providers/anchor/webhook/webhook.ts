/*
 * One POST a checkpoint, signed as Standard Webhooks says, in a CloudEvents envelope. The message's id names the
 * checkpoint, so a receiver that got it twice knows. What it keeps cannot be asked for; `data.note` is what it should keep.
 */
import { webhookSink } from "../../sink/webhook/webhook.ts";
import type { SinkOptions } from "../../sink/port.ts";
import { createHash } from "node:crypto";
import { type Anchor, AnchorFailed, placeName } from "../port.ts";

export function webhookAnchor(options: SinkOptions & { readonly now: () => number }): Anchor {
  const sink = webhookSink(options);
  return {
    where: new URL(options.url).origin,
    async leave({ organizationId, position, note, signedAt }) {
      const id = `ckpt_${placeName(organizationId, position).replace("/", "_")}`;
      const answer = await sink.deliver([
        {
          id,
          type: "checkpoint.signed",
          position,
          subject: `checkpoint:${position}`,
          occurredAt: signedAt,
          organizationId,
          hash: `sha256:${createHash("sha256").update(note).digest("hex")}`,
          envelope: { organization_id: organizationId, position, note, signed_at: signedAt },
        },
      ]);
      if (!answer.ok) throw new AnchorFailed(answer.message);
      return id;
    },
    read: null,
    close: sink.close,
  };
}
