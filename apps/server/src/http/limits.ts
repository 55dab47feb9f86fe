/*
 * How often one key may ask, counted in Postgres for all processes together and at the cost of a query now and then.
 *
 *   request ─► something left of our part? ── yes ─► admitted, without a query
 *                    └─ no ─► ask for another part (one query, shared by all who wait) ─► none: refused until the window ends
 *
 * All parts together are never more than the limit. What a process was given and does not use is lost to the others
 * until the window ends; parts get smaller towards the end, so that it is little.
 */
import type { Tx } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";

export interface Taken {
  readonly ok: boolean;
  readonly limit: number;
  /** At least so many are left for everybody, as far as this process knows. */
  readonly remaining: number;
  readonly endsInS: number;
}

export interface RateLimit {
  /** Null: nobody is limited. */
  take(key: string): Promise<Taken> | Taken | null;
}

interface Part {
  left: number;
  remaining: number;
  endsMs: number;
  asking: Promise<void> | undefined;
}

export const WINDOW_S = 60;
const MOST_AT_ONCE = 500;
const MOST_REMEMBERED = 10_000;

export function createRateLimit({
  anywhere,
  clock,
  perMinute,
}: {
  readonly anywhere: Tx;
  readonly clock: Clock;
  readonly perMinute: number;
}): RateLimit {
  const parts = new Map<string, Part>();

  async function ask(key: string, part: Part): Promise<void> {
    const { rows } = await anywhere.query<{ granted: number; remaining: number; ends_at: Date }>(
      "select * from idn_take($1, $2, $3, $4, $5)",
      [`api:${key}`, clock.now(), WINDOW_S, perMinute, MOST_AT_ONCE],
    );
    const { granted, remaining, ends_at } = rows[0]!;
    Object.assign(part, { left: granted, remaining, endsMs: ends_at.getTime() });
  }

  const answer = (part: Part, ok: boolean): Taken => ({
    ok,
    limit: perMinute,
    remaining: part.left + part.remaining,
    endsInS: Math.max(1, Math.ceil((part.endsMs - clock.nowMs()) / 1000)),
  });

  async function wait(key: string, part: Part): Promise<Taken> {
    for (;;) {
      await (part.asking ??= ask(key, part).finally(() => (part.asking = undefined)));
      if (part.left > 0) {
        part.left--;
        return answer(part, true);
      }
      // Others who waited took it all; there is more only if the database says so.
      if (part.remaining === 0) return answer(part, false);
    }
  }

  return {
    take(key) {
      if (perMinute === 0) return null;
      let part = parts.get(key);
      if (part === undefined) {
        if (parts.size >= MOST_REMEMBERED) parts.clear();
        parts.set(key, (part = { left: 0, remaining: 1, endsMs: 0, asking: undefined }));
      }
      if (part.endsMs > clock.nowMs()) {
        if (part.left > 0) {
          part.left--;
          return answer(part, true);
        }
        if (part.remaining === 0) return answer(part, false);
      } else if (part.asking === undefined) Object.assign(part, { left: 0, remaining: 1 });
      return wait(key, part);
    },
  };
}
