/*
 * Refusals as events, without letting a loop write the log full: the first of a kind (session, host,
 * port, reason) is told at once; those that follow within a minute are counted and told as one, with
 * their count. A session has so many kinds a minute; beyond them hosts are told as `*`.
 */
import type { GateEvent } from "@signalbox/contract/events/gate";

export type Blocked = Extract<GateEvent, { type: "egress.blocked" }>["data"];
export interface BlockedRequest {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly data: Blocked;
}

export interface Gatherer {
  add(request: BlockedRequest): void;
  /** Tells what was only counted so far. */
  flush(): void;
  stop(): void;
}

const WINDOW_MS = 60_000;
const KINDS_PER_SESSION = 50;

interface Window {
  readonly first: BlockedRequest;
  more: number;
  readonly endsAt: number;
}

export function createGatherer(
  tell: (request: BlockedRequest) => void,
  nowMs: () => number = () => performance.now(),
  windowMs = WINDOW_MS,
): Gatherer {
  const windows = new Map<string, Window>();
  const kinds = new Map<string, number>();
  const timer = setInterval(() => sweep(nowMs()), Math.max(10, windowMs / 4));
  timer.unref();

  function sweep(now: number): void {
    for (const [key, window] of windows) {
      if (window.endsAt > now) continue;
      windows.delete(key);
      const session = window.first.sessionId;
      const left = (kinds.get(session) ?? 1) - 1;
      if (left === 0) kinds.delete(session);
      else kinds.set(session, left);
      if (window.more > 0) tell({ ...window.first, data: { ...window.first.data, count: window.more } });
    }
  }

  return {
    add(request) {
      const now = nowMs();
      sweep(now);
      const { sessionId } = request;
      let data = request.data;
      let key = `${sessionId} ${data.host} ${data.port} ${data.reason_code}`;
      if (!windows.has(key) && (kinds.get(sessionId) ?? 0) >= KINDS_PER_SESSION) {
        data = { ...data, host: "*", port: 0 };
        key = `${sessionId} * 0 ${data.reason_code}`;
      }
      const open = windows.get(key);
      if (open !== undefined) {
        open.more++;
        return;
      }
      const first = { ...request, data };
      windows.set(key, { first, more: 0, endsAt: now + windowMs });
      kinds.set(sessionId, (kinds.get(sessionId) ?? 0) + 1);
      tell({ ...first, data: { ...data, count: 1 } });
    },
    flush: () => sweep(Number.POSITIVE_INFINITY),
    stop() {
      clearInterval(timer);
      sweep(Number.POSITIVE_INFINITY);
    },
  };
}
