/*
 * People who write and follow while something goes wrong. Every message is posted until it is acknowledged, under one
 * idempotency key; at the end every follower has seen each of them once, in the order of the log.
 */
import { randomUUID } from "node:crypto";
import { ApiError, type Client } from "@signalbox/client/client";
import { createSync, type Sync } from "@signalbox/client/sync";
import { createMessage, createRoom, createThread } from "@signalbox/contract/rooms";
import { expect } from "vitest";
import { until } from "../modules/sessions/installation.fixture.ts";

export interface Traffic {
  readonly acknowledged: ReadonlySet<string>;
  readonly problems: readonly string[];
  /** Everything that was acknowledged has reached everybody, once and in order. */
  check(): Promise<void>;
}

const WRITERS = 4;
const FOLLOWERS = 4;

/** Writers post as fast as they are answered until `operations` were acknowledged; followers have a socket each. */
export async function startTraffic(client: Client, operations: number, headOf: (roomId: string) => Promise<number>): Promise<Traffic> {
  const room = await client.call(createRoom, { body: { title: "faults" } });
  const thread = await client.call(createThread, { params: { id: room.id }, body: {} });
  const acknowledged = new Set<string>();
  const problems: string[] = [];
  let next = 0;
  const syncs: Sync[] = [];
  const seen = Array.from({ length: FOLLOWERS }, () => [] as { seq: number; text: string }[]);
  for (const list of seen) {
    const sync = createSync({ client });
    syncs.push(sync);
    sync.subscribe(`room:${room.id}` as never, {
      after: "0",
      onUpdate(update) {
        const { type, data } = update.payload as unknown as { type: string; data: { content_md?: string } };
        list.push({ seq: Number(update.watermark), text: type === "message.created" ? (data.content_md ?? "") : "" });
      },
      onStale: () => problems.push("stale"),
      onRefused: (code) => problems.push(code),
    });
  }
  async function write(): Promise<void> {
    while (next < operations) {
      const text = `message ${next++}`;
      const idempotencyKey = randomUUID();
      for (;;) {
        try {
          await client.call(createMessage, {
            params: { id: thread.id },
            body: { content_md: text },
            idempotencyKey,
            signal: AbortSignal.timeout(20_000),
          });
          acknowledged.add(text);
          break;
        } catch (error) {
          const { status, retryAfterMs } = error instanceof ApiError ? error : { status: 0, retryAfterMs: undefined };
          if (status >= 400 && status < 500 && status !== 409) {
            problems.push(`${status} ${(error as ApiError).code}`);
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, Math.min(retryAfterMs ?? 50, 300)));
        }
      }
    }
  }
  const writing = Array.from({ length: WRITERS }, write);
  return {
    acknowledged,
    problems,
    async check() {
      await Promise.all(writing);
      expect(problems).toEqual([]);
      expect(acknowledged.size).toBe(operations);
      const head = await headOf(room.id);
      for (const list of seen) {
        await until("a follower has all", () => list.at(-1)?.seq === head, 60_000);
        // Each event once, none left out, in the order of the log.
        expect(list.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
        const texts = list.filter(({ text }) => text !== "").map(({ text }) => text);
        expect(texts).toHaveLength(operations);
        expect(new Set(texts)).toEqual(acknowledged);
      }
      for (const sync of syncs) sync.close();
    },
  };
}

export const reached = (of: Traffic, count: number): Promise<unknown> =>
  until(`${count} are written`, () => of.acknowledged.size >= count, 120_000);
