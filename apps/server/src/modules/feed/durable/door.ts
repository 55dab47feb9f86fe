/*
 * Reading by the Durable Streams protocol, of whatever has a source in the feed.
 *
 *   GET ──live=none──► a page of history
 *       ──long-poll──► a page, or wait: what comes next │ 204 after 20 s
 *       ──sse────────► history, then what comes, for as long as both stay; each batch with where it ends
 *
 * The engine and its back-pressure are those of every door: history waits for the reader, live does not, and who is
 * too far behind is cut off and resumes from the offset of its last control event.
 */
import { DURABLE_LIMITS } from "@signalbox/contract/durable";
import type { RawAnswer, RawRequest, Refused } from "../../../http/handle.ts";
import { invalid } from "../../../http/refusal.ts";
import type { EndReason, Follower, Following, Frame, TopicSource } from "../subscriptions.ts";
import {
  CLOSED,
  CURSOR,
  isJson,
  isText,
  nextCursor,
  NEXT_OFFSET,
  offsetOf,
  cursorOf,
  type ReadRequest,
  readRequest,
  UP_TO_DATE,
} from "./protocol.ts";
import { sseEvent } from "./protocol.ts";

export interface Readable {
  /** Names this very stream in entity tags. */
  readonly tag: string;
  readonly contentType: string;
  /** The cursor before everything. */
  readonly origin: string;
  /** Cursors are `epoch.n`. */
  readonly isTwoPart: boolean;
  readonly source: Pick<TopicSource, "read">;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Null: it is gone. */
  state(): Promise<{ readonly head: string; readonly closed: boolean } | null>;
  follow(after: string, follower: Follower): Following;
}

const GONE: Refused<"offset_gone"> = {
  ok: false,
  refusal: {
    code: "offset_gone",
    message: "What follows this offset is not kept, or the offset never was.",
    fix: "Read the state anew, then from offset=-1 or offset=now.",
  },
};

const PAGE = 200;

export async function readDurable(
  stream: Readable,
  raw: RawRequest,
  nowMs: () => number,
  signal: AbortSignal,
): Promise<RawAnswer | Refused<"offset_gone"> | "gone"> {
  const state = await stream.state();
  if (state === null) return "gone";
  if (raw.method === "HEAD") {
    return {
      status: 200,
      headers: {
        ...stream.headers,
        "content-type": stream.contentType,
        [NEXT_OFFSET]: offsetOf(state.head),
        "cache-control": "no-store",
        etag: tagOf(stream, "-1", state.head, state.closed),
        ...(state.closed ? { [CLOSED]: "true" } : {}),
      },
    };
  }
  const request = readRequest(raw.query);
  if (typeof request === "string") throw invalid(request, "Send offset=-1, offset=now or a Stream-Next-Offset of this stream.");
  if (request.live === "sse") return sse(stream, request, state, nowMs);
  if (request.from === "now" && request.live === "none") {
    return {
      status: 200,
      headers: { ...caughtUp(stream, state), "cache-control": "no-store" },
      body: isJson(stream.contentType) ? "[]" : "",
    };
  }
  const after = startOf(stream, request, state.head);
  const page = await stream.source.read(after, PAGE);
  if (page === "stale") return GONE;
  const frames = fitting("frames" in page ? page.frames : page);
  if (frames.length === 0 && request.live === "long-poll") return wait(stream, request, after, nowMs, signal);
  return pageAnswer(stream, request, frames, raw.headers["if-none-match"], nowMs);
}

const startOf = (stream: Readable, { from }: ReadRequest, head: string): string =>
  from === "now" ? head : from === "beginning" ? stream.origin : cursorOf(from.offset, stream.isTwoPart);

async function pageAnswer(
  stream: Readable,
  request: ReadRequest,
  frames: readonly Frame[],
  ifNoneMatch: string | undefined,
  nowMs: () => number,
): Promise<RawAnswer | "gone"> {
  const now = await stream.state();
  if (now === null) return "gone";
  const next = frames.at(-1)?.id ?? now.head;
  const isAtTail = offsetOf(next) >= offsetOf(now.head);
  const isOver = now.closed && isAtTail;
  const start = request.from === "beginning" ? "-1" : request.from === "now" ? "now" : request.from.offset;
  const etag = tagOf(stream, start, next, isOver);
  if (ifNoneMatch === etag) return { status: 304, headers: { etag } };
  return {
    status: 200,
    headers: {
      ...stream.headers,
      "content-type": stream.contentType,
      [NEXT_OFFSET]: offsetOf(next),
      etag,
      // Kept by whoever asked, and asked about each time: who may read can change.
      "cache-control": "private, no-cache",
      ...(isAtTail ? { [UP_TO_DATE]: "true" } : {}),
      ...(isOver ? { [CLOSED]: "true" } : {}),
      ...(request.live === "long-poll" ? { [CURSOR]: nextCursor(request.cursor, nowMs()) } : {}),
    },
    body: bodyOf(stream, frames),
  };
}

function wait(
  stream: Readable,
  request: ReadRequest,
  after: string,
  nowMs: () => number,
  signal: AbortSignal,
): Promise<RawAnswer | Refused<"offset_gone"> | "gone"> {
  return new Promise((resolve, reject) => {
    let following: Following | undefined;
    let isDone = false;
    const timer = setTimeout(() => done(nothing), DURABLE_LIMITS.longPollMs);
    const onGone = (): void => done(nothing);
    signal.addEventListener("abort", onGone, { once: true });

    function done(answer: () => Promise<RawAnswer | Refused<"offset_gone"> | "gone">): void {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onGone);
      // It may answer before `follow` has returned.
      queueMicrotask(() => following?.close());
      answer().then(resolve, reject);
    }
    /** Nothing came: this is where it stands. */
    async function nothing(): Promise<RawAnswer | "gone"> {
      const now = await stream.state();
      if (now === null) return "gone";
      // Said as it closed: that is read again, and is not nothing.
      const isAtTail = offsetOf(after) >= offsetOf(now.head);
      return {
        status: 204,
        headers: {
          ...stream.headers,
          [NEXT_OFFSET]: offsetOf(after),
          [UP_TO_DATE]: "true",
          [CURSOR]: nextCursor(request.cursor, nowMs()),
          "cache-control": "no-store",
          ...(now.closed && isAtTail ? { [CLOSED]: "true" } : {}),
        },
      };
    }
    following = stream.follow(after, {
      deliver: (frames) => done(() => pageAnswer(stream, request, fitting(frames), undefined, nowMs)),
      caughtUp() {
        stream.state().then(
          (now) => now?.closed === true && done(nothing),
          () => undefined, // the wait ends by itself
        );
      },
      ended(reason) {
        if (reason === "stale") done(async () => GONE);
        else if (reason === "membership") done(async () => "gone");
        else done(nothing);
      },
    });
  });
}

function sse(stream: Readable, request: ReadRequest, state: { readonly head: string }, nowMs: () => number): RawAnswer {
  const encoding = isText(stream.contentType) ? undefined : "base64";
  return {
    status: 200,
    headers: {
      ...stream.headers,
      "content-type": "text/event-stream",
      "cache-control": "private, no-cache",
      ...(encoding === undefined ? {} : { "stream-sse-data-encoding": encoding }),
    },
    events: {
      attach(sink) {
        let following: Following | undefined;
        let isOver = false;
        let cursor = startOf(stream, request, state.head);

        /** The last place at which it was told that there is no more. */
        let told: string | undefined;

        /** With the data before it in one piece: a reader that got the one has the other. */
        const control = (of: object, data = ""): void => sink.frame({ text: "", wire: data + sseEvent("control", JSON.stringify(of)) });
        function reached(isUpToDate: boolean, data?: string): void {
          if (isUpToDate) told = cursor;
          const of = {
            streamNextOffset: offsetOf(cursor),
            streamCursor: nextCursor(request.cursor, nowMs()),
            ...(isUpToDate ? { upToDate: true } : {}),
          };
          control(of, data);
        }
        function say(frame: Frame, isUpToDate: boolean): void {
          cursor = frame.id;
          reached(isUpToDate, dataEvent(stream, frame, encoding));
        }
        /** Frame by frame: a page of large ones is more than may wait. */
        async function replay(frames: readonly Frame[]): Promise<void> {
          for (const frame of frames) {
            if (isOver) return;
            // Where history ended when it was asked for.
            say(frame, offsetOf(frame.id) >= offsetOf(state.head));
            await sink.drained();
          }
        }
        function finish(): void {
          if (isOver) return;
          isOver = true;
          following?.close();
          sink.end();
        }
        /** True when everything was said and nothing more will be. */
        async function endIfClosed(): Promise<boolean> {
          const now = await stream.state();
          if (now === null) {
            finish();
            return true;
          }
          if (!now.closed || offsetOf(cursor) < offsetOf(now.head)) return false;
          if (!isOver) control({ streamNextOffset: offsetOf(cursor), streamClosed: true });
          finish();
          return true;
        }
        function start(): void {
          following = stream.follow(cursor, {
            deliver(frames, replaying) {
              if (replaying) return replay(frames);
              frames.forEach((frame, i) => say(frame, i === frames.length - 1));
            },
            caughtUp(head) {
              if (offsetOf(head) > offsetOf(cursor)) cursor = head;
              endIfClosed().then(
                (isClosed) => !isClosed && !isOver && told !== cursor && reached(true),
                () => finish(),
              );
            },
            ended(reason: EndReason) {
              if (reason !== "over") return finish();
              // Whoever was still on the way through history goes on with it.
              endIfClosed().then(
                (isClosed) => !isClosed && !isOver && start(),
                () => finish(),
              );
            },
          });
        }
        start();
        return () => {
          isOver = true;
          following?.close();
        };
      },
    },
  };
}

/** Of one frame the same for everybody. */
const events = new WeakMap<Frame, string>();
function dataEvent(stream: Readable, frame: Frame, encoding: "base64" | undefined): string {
  let wire = events.get(frame);
  if (wire === undefined) {
    const data = bytesOf(frame);
    const text = encoding === undefined ? data.toString() : data.toString("base64");
    wire = sseEvent("data", isJson(stream.contentType) ? `[${text}]` : text);
    events.set(frame, wire);
  }
  return wire;
}

const bytesOf = (frame: Frame): Buffer => frame.bytes ?? Buffer.from(frame.text);

/** As many as one answer may carry, and at least one. */
function fitting(frames: readonly Frame[]): readonly Frame[] {
  let bytes = 0;
  const over = frames.findIndex(
    (frame, i) => (bytes += frame.bytes?.length ?? Buffer.byteLength(frame.text)) > DURABLE_LIMITS.bytesPerRead && i > 0,
  );
  return over === -1 ? frames : frames.slice(0, over);
}

function bodyOf(stream: Readable, frames: readonly Frame[]): Buffer {
  const parts = frames.map(bytesOf);
  if (!isJson(stream.contentType)) return Buffer.concat(parts);
  const comma = Buffer.from(",");
  return Buffer.concat([Buffer.from("["), ...parts.flatMap((part, i) => (i === 0 ? [part] : [comma, part])), Buffer.from("]")]);
}

const caughtUp = (stream: Readable, { head, closed }: { readonly head: string; readonly closed: boolean }): Record<string, string> => ({
  ...stream.headers,
  "content-type": stream.contentType,
  [NEXT_OFFSET]: offsetOf(head),
  [UP_TO_DATE]: "true",
  ...(closed ? { [CLOSED]: "true" } : {}),
});

const tagOf = (stream: Readable, start: string, end: string, closed: boolean): string =>
  `"${stream.tag}:${start}:${offsetOf(end)}${closed ? ":c" : ""}"`;
