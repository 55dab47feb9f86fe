/*
 * One `sync:v1` socket.
 *
 *   open ──subscribe, unsubscribe, heartbeat──► open
 *    │
 *    ├─ token ended ─────────► error token_expired   4401
 *    ├─ credential revoked ──► error unauthenticated 4401
 *    ├─ silent > 60 s ───────────────────────────────4408
 *    ├─ too many frames ─────► error rate_limited    4429
 *    ├─ bad frame ───────────► error bad_frame, or payload_too_large (stays open; five in all close it, 4400)
 *    ├─ a frame beyond 2 MiB ────────────────────────1009, by `ws`
 *    └─ reader too slow ─────────────────────────────terminated; it resumes from its watermark
 *
 * A topic ends by itself (error naming it in `stale_topics`): `forbidden_topic` when the caller may
 * not see it, or not any more; `stale_cursor` when what follows the cursor is not kept.
 */
import { ClientFrame, SYNC_LIMITS, Topic, type ServerFrame } from "@signalbox/contract/sync";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { z } from "zod";
import { hasRole } from "../../http/authenticate.ts";
import { MAX_BEHIND } from "../../http/back-pressure.ts";
import type { Admissions } from "./admissions.ts";
import type { FeedParts } from "./public.ts";
import { documentTopic, presenceTopic, roomTopic, sessionTopic } from "./sources.ts";
import { batchFrames, caughtUpFrame } from "./sync-frames.ts";
import type { Following } from "./subscriptions.ts";
import type { SyncGrant } from "./sync-token.ts";

const MAX_FRAMES_PER_S = 50;
const MAX_BAD_FRAMES = 5;

/** Topics are checked one by one, so that one unknown name does not spoil the others. */
const LooseFrame = z.looseObject({ type: z.string(), topics: z.array(z.string().max(200)).max(1000).optional() });
type SyncErrorCode = Extract<ServerFrame, { type: "error" }>["code"];
const Watermark = z.string().regex(/^\d{1,15}(\.\d{1,15})?$/);

export interface SyncSocket {
  /** Every 15 s: says where each topic stands, and closes whom nobody was heard of. */
  beat(nowMs: number): void;
  end(code: SyncErrorCode, message: string, closeCode: number): void;
}

interface Subscribed {
  readonly following: Following;
  close(): void;
}

/**
 * `wire`: what the socket writes to. Frames that are the same for many go there as they are, between those of `ws`, which
 * keeps none back as long as there is no compression (ADR 0038).
 */
export function openSyncSocket(
  socket: WebSocket,
  wire: Duplex,
  grant: SyncGrant,
  parts: FeedParts,
  admissions: Admissions,
  onClosed: () => void,
): SyncSocket {
  const { log, live, subscriptions, presence, clock } = parts;
  const topics = new Map<string, Subscribed>();
  const caller = { organizationId: grant.organizationId, principal: { ...grant.principal, displayName: "" }, role: grant.role };
  let heardMs = clock.nowMs();
  let window = { startMs: heardMs, frames: 0 };
  let bad = 0;

  const send = (frame: ServerFrame): void => socket.send(JSON.stringify(frame));

  function push(frame: Buffer): void {
    if (socket.readyState !== socket.OPEN) return;
    if (wire.writableLength > MAX_BEHIND) return socket.terminate();
    wire.write(frame);
  }

  /** History waits for the reader; live frames do not. */
  async function replay(frames: readonly Buffer[]): Promise<void> {
    for (const frame of frames) {
      if (socket.readyState !== socket.OPEN) return;
      // Most of the time the kernel has taken it at once, and nobody need wait for that to be said.
      if (wire.write(frame) || wire.writableLength === 0) continue;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          wire.off("drain", done).off("close", done);
          resolve();
        };
        wire.on("drain", done).on("close", done);
      });
    }
  }

  function end(code: SyncErrorCode, message: string, closeCode: number): void {
    send({ type: "error", code, message });
    socket.close(closeCode, code);
  }

  function refuse(code: SyncErrorCode, topic: string, message: string): void {
    drop(topic);
    send({ type: "error", code, message, stale_topics: [topic], ...(code === "stale_cursor" ? { full_resync_required: true } : {}) });
  }

  function drop(topic: string): void {
    topics.get(topic)?.close();
    topics.delete(topic);
  }

  /** Null when the topic does not exist for this caller. */
  async function admit(topic: string): Promise<{ readonly key: string; readonly roomId: string | null; readonly roomHead: string } | null> {
    const [kind, id = ""] = topic.split(":");
    // Who looks at a session is part of the session.
    const scoped = kind === "presence" ? `session:${id}` : topic;
    if (!grant.scopes.some((scope) => scope === scoped || scope === topic || scope === `${scoped.split(":")[0]}:*`)) return null;
    if (kind === "inbox" || kind!.startsWith("runtime.")) {
      // Their source looks at memberships itself. Admins see the same, except of what is a person's own.
      const who = kind !== "inbox" && hasRole(grant.role, "admin") ? ["*", "admin"] : [grant.principal.id, grant.role];
      return { key: documentTopic(grant.organizationId, kind!, who[0]!, who[1]!), roomId: null, roomHead: "0" };
    }
    const roomId = kind === "room" ? id : await live.roomOf(grant.organizationId, id);
    const roomHead = roomId === null ? null : await admissions.headAsSeenBy(caller, roomId);
    if (roomId === null || roomHead === null) return null;
    const key = kind === "room" ? roomTopic : kind === "presence" ? presenceTopic : sessionTopic;
    return { key: key(grant.organizationId, id), roomId, roomHead };
  }

  async function subscribe(topic: string, after: string | undefined, perBatch: number): Promise<void> {
    if (!Topic.safeParse(topic).success) return refuse("bad_topic", topic, "There is no topic of that name.");
    if (after !== undefined && !Watermark.safeParse(after).success)
      return refuse("bad_subscription", topic, "resume_after must be a watermark that this server gave.");
    const admitted = await admit(topic);
    if (socket.readyState !== socket.OPEN) return;
    if (admitted === null) return refuse("forbidden_topic", topic, "There is no such topic, or you may not see it.");
    const isRoom = topic.startsWith("room:");
    // Who were asked about a moment ago were seen in the room as of then; where it stands is asked now.
    const isBeyond = async (cursor: string): Promise<boolean> =>
      Number(cursor) > Number(admitted.roomHead) &&
      Number(cursor) > (await log.head(grant.organizationId, { type: "room", id: admitted.roomId! }));
    if (isRoom && after !== undefined && (await isBeyond(after)))
      return refuse("stale_cursor", topic, "The cursor is beyond the newest event.");
    drop(topic);
    if (topics.size >= SYNC_LIMITS.topics)
      return refuse("bad_subscription", topic, `A socket follows at most ${SYNC_LIMITS.topics} topics.`);

    const member = hasRole(grant.role, "admin") ? undefined : { principalId: grant.principal.id, checkedAt: admitted.roomHead };
    // Of presence there is only the newest, and it comes at once.
    const from = topic.startsWith("presence:") ? "0" : (after ?? null);
    const leave = topic.startsWith("session:")
      ? presence.join(grant.organizationId, topic.slice("session:".length), grant.principal.id)
      : null;
    const following = subscriptions.follow(admitted.key, from, {
      deliver(frames, replaying) {
        if (replaying) return replay(batchFrames(topic, frames, { complete: false, perBatch }));
        for (const frame of batchFrames(topic, frames, { complete: true, perBatch })) push(frame);
      },
      caughtUp: (head) => push(caughtUpFrame(topic, head)),
      ended(reason) {
        topics.delete(topic);
        watch?.close();
        leave?.();
        if (reason === "stale")
          refuse("stale_cursor", topic, "What follows this cursor is no longer kept. Read the state over HTTP, then follow again.");
        else if (reason === "membership") refuse("forbidden_topic", topic, "You are no longer in this room.");
        else if (reason === "fault") refuse("internal", topic, "The topic could not be read. Subscribe again.");
      },
      member: isRoom ? member : undefined,
    });
    // A session's deltas do not say who left its room; the room's own feed does.
    const watch =
      isRoom || member === undefined || admitted.roomId === null
        ? undefined
        : subscriptions.follow(roomTopic(grant.organizationId, admitted.roomId), admitted.roomHead, {
            deliver: () => undefined,
            ended: (reason) => reason === "membership" && refuse("forbidden_topic", topic, "You are no longer in this session's room."),
            member,
          });
    topics.set(topic, {
      following,
      close: () => {
        following.close();
        watch?.close();
        leave?.();
      },
    });
  }

  /** In order, so that unsubscribing right after subscribing ends up unsubscribed. */
  let turn: Promise<void> = Promise.resolve();
  function inTurn(work: () => Promise<void>): void {
    turn = turn.then(work).catch((error: unknown) => {
      parts.logger.error({ err: error }, "a sync frame failed");
      if (socket.readyState === socket.OPEN) send({ type: "error", code: "internal", message: "That did not work; try again." });
    });
  }

  function spoilt(code: "bad_frame" | "payload_too_large", message: string): void {
    send({ type: "error", code, message });
    if (++bad >= MAX_BAD_FRAMES) socket.close(4400, "bad_frame");
  }

  function receive(raw: Buffer): void {
    const nowMs = clock.nowMs();
    heardMs = nowMs;
    if (nowMs - window.startMs >= 1000) window = { startMs: nowMs, frames: 0 };
    if (++window.frames > MAX_FRAMES_PER_S) return end("rate_limited", `At most ${MAX_FRAMES_PER_S} frames a second.`, 4429);
    const most = SYNC_LIMITS.bytesPerClientFrame;
    if (raw.length > most)
      return spoilt("payload_too_large", `The frame has ${raw.length} bytes, at most ${most} are read. Name fewer topics at once.`);
    const frame = parse(raw.toString());
    if (frame === null) return spoilt("bad_frame", "Not a frame of sync:v1. See the schema SyncClientFrame.");
    switch (frame.type) {
      case "subscribe":
        for (const topic of new Set<string>(frame.topics))
          inTurn(() => subscribe(topic, frame.resume_after?.[topic], frame.batch ?? SYNC_LIMITS.updatesPerBatch));
        return;
      case "unsubscribe":
        for (const topic of frame.topics) inTurn(async () => drop(topic));
        return;
      case "heartbeat":
        return;
    }
  }

  socket.on("message", (data, isBinary) => {
    if (isBinary) return end("bad_frame", "Frames are text.", 4400);
    // `ws` hands text over as one Buffer unless told otherwise.
    receive(data as Buffer);
  });
  const expiry = setTimeout(
    () => end("token_expired", "The sync token has ended; fetch another and connect again.", 4401),
    Math.max(0, grant.expiresAtMs - clock.nowMs()),
  );
  socket.on("close", () => {
    clearTimeout(expiry);
    for (const topic of topics.keys()) drop(topic);
    onClosed();
  });

  return {
    end,
    beat(nowMs) {
      if (nowMs - heardMs > SYNC_LIMITS.clientSilenceMs) return socket.close(4408, "silent");
      send({ type: "heartbeat", watermarks: Object.fromEntries([...topics].map(([topic, { following }]) => [topic, following.cursor()])) });
    },
  };
}

/** Unknown topic names pass here and are refused by name; everything else is as the contract says. */
function parse(
  raw: string,
):
  | { type: "subscribe"; topics: string[]; resume_after?: Record<string, string> | undefined; batch?: number | undefined }
  | { type: "unsubscribe"; topics: string[] }
  | { type: "heartbeat" }
  | null {
  let json: unknown;
  try {
    json = JSON.parse(raw);
  } catch {
    return null; // Not JSON is a bad frame like any other.
  }
  const loose = LooseFrame.safeParse(json);
  if (!loose.success) return null;
  const { topics } = loose.data;
  const known = topics?.filter((topic) => Topic.safeParse(topic).success);
  const strict = ClientFrame.safeParse({
    ...loose.data,
    ...(topics === undefined ? {} : { topics: known!.length > 0 || topics.length === 0 ? known : ["inbox"] }),
  });
  if (!strict.success) return null;
  return strict.data.type === "heartbeat" ? strict.data : { ...strict.data, topics: topics ?? [] };
}
