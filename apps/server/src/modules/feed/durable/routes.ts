/* The Durable Streams door: who may read and write what, and the protocol's answers to it. See specs/durable-streams.md. */
import {
  appendStream,
  createStream,
  deleteStream,
  DURABLE_LIMITS,
  readRoomStream,
  readSessionStream,
  readStream,
} from "@signalbox/contract/durable";
import { hasRole } from "../../../http/authenticate.ts";
import {
  type BoundRoute,
  type Caller,
  handle,
  type RawAnswer,
  type RawRequest,
  type Refused,
  refused,
  type RequestContext,
} from "../../../http/handle.ts";
import { invalid } from "../../../http/refusal.ts";
import { hasRoomRole } from "../../rooms/public.ts";
import type { FeedParts } from "../public.ts";
import { roomTopic, sessionTopic } from "../sources.ts";
import type { Follower, Following } from "../subscriptions.ts";
import { readDurable, type Readable } from "./door.ts";
import { appendRequest, CLOSED, createRequest, isJson, jsonMessages, NEXT_OFFSET, offsetOf, type Producer } from "./protocol.ts";
import type { AppendOutcome, Named, Stream } from "./store.ts";

/** In which room a run is; null: there is no such run. */
export type RunRoom = (organizationId: string, runId: string) => Promise<{ readonly roomId: string | null } | null>;

export const durableTopic = (organizationId: string, generation: string, isJsonStream: boolean): string =>
  `durable:${organizationId}:${generation}:${isJsonStream ? "json" : "bytes"}`;

const RUN_NOT_FOUND = refused("run_not_found", {
  message: "There is no such run, or you may not see it.",
  fix: "List runs with GET /v1/runs.",
});
const STREAM_NOT_FOUND = refused("stream_not_found", {
  message: "This run has no stream of that name.",
  fix: "Create it with PUT; it may have been deleted, or its time is over.",
});
const NO_EFFECT: Readonly<Record<string, string>> = { "cache-control": "no-store" };

export function durableRoutes(parts: FeedParts): readonly BoundRoute[] {
  const { log, rooms, live, durable, subscriptions, sourceOf, clock } = parts;
  const pace = createPace(clock.nowMs);

  /** Cuts the reader off when its membership ends, whatever it reads. */
  function guarded(caller: Caller, roomId: string | null, roomHead: string, topic: string) {
    const member = hasRole(caller.role, "admin") ? undefined : { principalId: caller.principal.id, checkedAt: roomHead };
    return (after: string, follower: Follower): Following => {
      if (roomId === null || member === undefined) return subscriptions.follow(topic, after, follower);
      const own = roomTopic(caller.organizationId, roomId);
      if (topic === own) return subscriptions.follow(topic, after, { ...follower, member });
      const watch = subscriptions.follow(own, roomHead, {
        deliver: () => undefined,
        ended(reason) {
          if (reason !== "membership") return;
          following.close();
          follower.ended("membership");
        },
        member,
      });
      const following = subscriptions.follow(topic, after, {
        ...follower,
        ended(reason) {
          watch.close();
          follower.ended(reason);
        },
      });
      return {
        cursor: following.cursor,
        close() {
          watch.close();
          following.close();
        },
      };
    };
  }
  const roomHeadOf = async (caller: Caller, roomId: string): Promise<string> =>
    String(await log.head(caller.organizationId, { type: "room", id: roomId }));

  /** Null: not theirs to know of. */
  async function runRoom(caller: Caller, runId: string): Promise<{ roomId: string | null; roomHead: string; mayWrite: boolean } | null> {
    const found = await parts.runRoom(caller.organizationId, runId);
    if (found === null) return null;
    if (found.roomId === null) return { roomId: null, roomHead: "0", mayWrite: hasRole(caller.role, "member") };
    const roomHead = await roomHeadOf(caller, found.roomId);
    const role = await rooms.roleIn(caller, found.roomId);
    return role === null ? null : { roomId: found.roomId, roomHead, mayWrite: hasRoomRole(role, "member") };
  }

  const read = async (request: RequestContext, stream: Readable) => readDurable(stream, request.raw!, clock.nowMs, request.signal);

  return [
    handle(readRoomStream, async (request) => {
      const { caller, params } = request;
      const unknown = refused("room_not_found", {
        message: "There is no such room, or you are not in it.",
        fix: "List rooms with GET /v1/rooms.",
      });
      const roomHead = await roomHeadOf(caller, params.id);
      if ((await rooms.roleIn(caller, params.id)) === null) return unknown;
      const topic = roomTopic(caller.organizationId, params.id);
      const head = async (): Promise<string> => roomHeadOf(caller, params.id);
      const source = sourceOf(topic);
      const answer = await read(request, {
        tag: params.id,
        contentType: "application/json",
        origin: "0",
        isTwoPart: false,
        source: { read: async (after, limit) => (Number(after) > Number(await head()) ? "stale" : source.read(after, limit)) },
        state: async () => ({ head: await head(), closed: false }),
        follow: guarded(caller, params.id, roomHead, topic),
      });
      return answer === "gone" ? unknown : answer;
    }),

    handle(readSessionStream, async (request) => {
      const { caller, params } = request;
      const unknown = refused("session_not_found", {
        message: "There is no such session, or you are not in its room.",
        fix: "List sessions with GET /v1/sessions.",
      });
      const roomId = await live.roomOf(caller.organizationId, params.id);
      if (roomId === null) return unknown;
      const roomHead = await roomHeadOf(caller, roomId);
      if ((await rooms.roleIn(caller, roomId)) === null) return unknown;
      const topic = sessionTopic(caller.organizationId, params.id);
      const answer = await read(request, {
        tag: params.id,
        contentType: "application/json",
        origin: "0.0",
        isTwoPart: true,
        source: sourceOf(topic),
        state: async () => ({ head: await live.head(params.id), closed: false }),
        follow: guarded(caller, roomId, roomHead, topic),
      });
      return answer === "gone" ? unknown : answer;
    }),

    handle(createStream, async (request) => {
      const { caller, params, raw } = request;
      const run = await runRoom(caller, params.id);
      if (run === null) return RUN_NOT_FOUND;
      if (!run.mayWrite) return tooLow();
      const asked = createRequest(raw!.headers);
      if (typeof asked === "string") throw invalid(asked, "See Create Stream in the protocol.");
      const data = raw!.body.length > 0 && isJson(asked.contentType) ? messages(raw!.body) : raw!.body;
      if (!pace(`${caller.organizationId} ${caller.principal.id}`)) return tooFast(request);
      const made = await durable.create(named(caller, params), asked, data, caller.principal.id);
      if (made === "conflict")
        return refused("stream_conflict", {
          message: "There is a stream of that name with another content type, time to live or state.",
          fix: "Use another name, or the same settings.",
        });
      if (made === "too_many")
        return refused("too_many_streams", {
          message: `A run has at most ${DURABLE_LIMITS.streamsPerRun} streams.`,
          fix: "Delete one that is not needed any more.",
        });
      return {
        status: made.isNew ? 201 : 200,
        headers: {
          ...NO_EFFECT,
          ...about(made.stream),
          ...(made.isNew ? { location: `/v1/durable/runs/${params.id}/${params.name}` } : {}),
        },
      };
    }),

    handle(appendStream, async (request) => {
      const { caller, params, raw } = request;
      const run = await runRoom(caller, params.id);
      if (run === null) return RUN_NOT_FOUND;
      if (!run.mayWrite) return tooLow();
      const asked = appendRequest(raw!.headers);
      if (typeof asked === "string") throw invalid(asked, "See Append to Stream in the protocol.");
      const { body } = raw!;
      if (body.length === 0 && !asked.close) throw invalid("There is nothing to append.", "Send bytes, or Stream-Closed: true.");
      if (body.length > 0 && !asked.contentType) throw invalid("Content-Type is missing.", "Send the stream's own.");
      const of = named(caller, params);
      const stream = await durable.find(of);
      if (stream === null) return STREAM_NOT_FOUND;
      // What is of another type is refused as that, whatever is in it.
      const isJsonBody = body.length > 0 && isJson(stream.contentType) && isJson(asked.contentType ?? "");
      const data = isJsonBody ? messages(body) : body;
      if (isJsonBody && data.length === 0) throw invalid("An empty array has nothing to append.", "Send at least one message.");
      if (!pace(`${caller.organizationId} ${caller.principal.id}`)) return tooFast(request);
      const outcome = await durable.append(of, asked, data);
      return outcome === null ? STREAM_NOT_FOUND : appendAnswer(request, outcome, asked.producer, asked.close && body.length === 0);
    }),

    handle(readStream, async (request) => {
      const { caller, params } = request;
      const run = await runRoom(caller, params.id);
      if (run === null) return RUN_NOT_FOUND;
      const of = named(caller, params);
      const stream = await durable.find(of);
      if (stream === null) return STREAM_NOT_FOUND;
      if (request.raw!.method === "GET") await durable.touch(of, stream);
      const topic = durableTopic(caller.organizationId, stream.generation, isJson(stream.contentType));
      const answer = await read(request, {
        tag: stream.generation,
        contentType: stream.contentType,
        origin: "0",
        isTwoPart: false,
        source: sourceOf(topic),
        headers: {
          ...(stream.ttlS === null ? {} : { "stream-ttl": String(stream.ttlS) }),
          ...(stream.expiresAt === null ? {} : { "stream-expires-at": stream.expiresAt }),
        },
        async state() {
          const now = await durable.find(of);
          return now === null || now.generation !== stream.generation ? null : { head: String(now.tail), closed: now.closed };
        },
        follow: guarded(caller, run.roomId, run.roomHead, topic),
      });
      return answer === "gone" ? STREAM_NOT_FOUND : answer;
    }),

    handle(deleteStream, async ({ caller, params }) => {
      const run = await runRoom(caller, params.id);
      if (run === null) return RUN_NOT_FOUND;
      if (!run.mayWrite) return tooLow();
      return (await durable.delete(named(caller, params))) ? { status: 204, headers: NO_EFFECT } : STREAM_NOT_FOUND;
    }),
  ];
}

const named = ({ organizationId }: Caller, { id, name }: { readonly id: string; readonly name: string }): Named => ({
  organizationId,
  runId: id,
  name,
});

const about = (stream: Stream): Record<string, string> => ({
  "content-type": stream.contentType,
  [NEXT_OFFSET]: offsetOf(String(stream.tail)),
  ...(stream.closed ? { [CLOSED]: "true" } : {}),
});

function messages(body: RawRequest["body"]): Buffer {
  const found = jsonMessages(body);
  if (found === null) throw invalid("The body is not JSON.", "Send one message, or an array of them.");
  return found;
}

const tooLow = (): Refused<"room_role_too_low"> =>
  refused("room_role_too_low", {
    message: "You may read in this room, but not write.",
    fix: "Ask an owner of the room to make you a member.",
  });

function tooFast(request: RequestContext): Refused<"append_too_fast"> {
  request.responseHeaders!["retry-after"] = "1";
  return refused("append_too_fast", {
    message: `At most ${DURABLE_LIMITS.appendsPerSecond} writes a second.`,
    fix: "Put more into one append.",
  });
}

type AppendRefusal = "stream_closed" | "stream_conflict" | "sequence_conflict" | "producer_fenced" | "producer_gap" | "stream_full";

function appendAnswer(
  request: RequestContext,
  { stream, appended }: AppendOutcome,
  producer: Producer | null,
  isCloseOnly: boolean,
): RawAnswer | Refused<AppendRefusal> {
  const headers: Record<string, string> = { ...NO_EFFECT, [NEXT_OFFSET]: offsetOf(String(stream.tail)) };
  if (stream.closed) headers[CLOSED] = "true";
  const said = (of: Record<string, string>): void => void Object.assign(request.responseHeaders!, of);
  switch (appended.kind) {
    case "append":
      if (producer !== null) Object.assign(headers, { "producer-epoch": String(producer.epoch), "producer-seq": String(producer.seq) });
      return { status: producer === null || isCloseOnly ? 204 : 200, headers };
    case "repeated":
      if (producer !== null)
        Object.assign(headers, { "producer-epoch": String(producer.epoch), "producer-seq": String(appended.lastSeq ?? producer.seq) });
      return { status: 204, headers };
    case "closed":
      said(headers);
      return refused("stream_closed", { message: "The stream is closed.", fix: "Create another one." });
    case "content_type":
      return refused("stream_conflict", {
        message: `The stream is ${stream.contentType}.`,
        fix: "Append what is of that content type.",
      });
    case "sequence":
      return refused("sequence_conflict", {
        message: `Stream-Seq must be after ${stream.lastSeq}, compared as text.`,
        fix: "Somebody else wrote, or this was written before: read the stream.",
      });
    case "fenced":
      said({ "producer-epoch": String(appended.epoch) });
      return refused("producer_fenced", {
        message: `A later epoch of this producer writes: ${appended.epoch}.`,
        fix: "Stop writing, or begin a greater epoch with Producer-Seq: 0.",
      });
    case "epoch_begins_at_zero":
      throw invalid("A new Producer-Epoch begins with Producer-Seq: 0.", "Send the epoch's first request first.");
    case "gap":
      said({ "producer-expected-seq": String(appended.expected), "producer-received-seq": String(producer!.seq) });
      return refused("producer_gap", { message: `Producer-Seq ${appended.expected} is missing.`, fix: "Send it first." });
    case "full":
      return refused("stream_full", {
        message: `A stream holds at most ${DURABLE_LIMITS.bytesPerStream} bytes.`,
        fix: "Close it and create another one.",
      });
  }
}

/** So many writes a second by one principal, in this process; as many at once as in one second. */
function createPace(nowMs: () => number): (key: string) => boolean {
  const left = new Map<string, { tokens: number; atMs: number }>();
  return (key) => {
    const now = nowMs();
    if (left.size > 10_000) left.clear();
    const known = left.get(key) ?? { tokens: DURABLE_LIMITS.appendsPerSecond, atMs: now };
    left.set(key, known);
    known.tokens = Math.min(DURABLE_LIMITS.appendsPerSecond, known.tokens + ((now - known.atMs) * DURABLE_LIMITS.appendsPerSecond) / 1000);
    known.atMs = now;
    if (known.tokens < 1) return false;
    known.tokens -= 1;
    return true;
  };
}
