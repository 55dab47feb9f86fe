/*
 * How far the server's clock is from this machine's, from the `Date` of its answers. Times on the page are the
 * server's; on a machine whose clock is five minutes off, "just now" would else be "5 min ago", or never.
 */
export interface Answered {
  /** The header, to the second. */
  readonly date: string | null;
  readonly sentAt: number;
  readonly gotAt: number;
}

/** Below this the clocks agree: the header tells whole seconds, and the way takes time. */
const AGREES_MS = 2_000;

/** Milliseconds by which the server is ahead, and how far that may be wrong; null when nothing was said. */
export function offsetOf({ date, sentAt, gotAt }: Answered): { readonly ms: number; readonly errorMs: number } | null {
  const told = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(told)) return null;
  // It was made somewhere within the second told, and somewhere on the way.
  const ms = told + 500 - (sentAt + gotAt) / 2;
  const errorMs = 500 + (gotAt - sentAt) / 2;
  return { ms: Math.abs(ms) <= AGREES_MS + errorMs ? 0 : Math.round(ms / 1_000) * 1_000, errorMs };
}

/** `fetch`, telling the offset whenever an answer knows it better, or the clocks have moved apart since. */
export function fetchTelling(tell: (offsetMs: number) => void, send: typeof fetch = globalThis.fetch.bind(globalThis)): typeof fetch {
  let best = Number.POSITIVE_INFINITY;
  let told = 0;
  return async (input, init) => {
    const sentAt = Date.now();
    const response = await send(input, init);
    const offset = offsetOf({ date: response.headers.get("date"), sentAt, gotAt: Date.now() });
    if (offset !== null) {
      // A second more or less is only the header's.
      const moved = Math.abs(offset.ms - told);
      if (moved > AGREES_MS && (offset.errorMs <= best || moved > offset.errorMs + AGREES_MS)) tell((told = offset.ms));
      best = Math.min(best, offset.errorMs);
    }
    return response;
  };
}
