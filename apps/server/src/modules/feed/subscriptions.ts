/*
 * The subscription engine: one channel per topic, however many follow it, through whichever door.
 *
 *   follow(after) ──► replaying ──cursor = the channel's──► live ──► ended
 *                     pages of history                      every frame as it comes
 *
 * Joining is exact: a follower goes live in the same synchronous step in which its cursor is found
 * to have reached the channel's, so no frame is lost or comes twice. Frames that a page brought
 * before the channel published them are skipped by cursor.
 *
 * A frame, and the array of frames of one publication, is one object for all followers: doors
 * cache what they make of it (its bytes) by identity.
 */
import { compareWatermarks } from "./live-source.ts";

export interface Frame {
  /** The cursor after this frame: a room's seq, or `epoch.n`. */
  readonly id: string;
  /** Canonical JSON. */
  readonly text: string;
  readonly docKey: string;
  readonly docVersion: number;
  /** Of a stream of bytes, instead of `text`. */
  readonly bytes?: Buffer | undefined;
  /** Whoever it takes out of the room. */
  readonly removed?: string | undefined;
}

/** History in which not every cursor has a frame for this follower. */
export interface Page {
  readonly frames: readonly Frame[];
  /** Between the last of them and this there is nothing. */
  readonly upTo: string;
}

export interface TopicSource {
  /**
   * From right after the returned `head` everything is published, in order; `upTo` as of `Page`. `cut` ends everybody.
   */
  open(
    publish: (frames: readonly Frame[], upTo?: string) => void,
    cut: (reason: EndReason) => void,
  ): Promise<{ readonly head: string; close(): void }>;
  /** Ascending, exclusive `after`; `stale` also when `after` is a cursor that never was. */
  read(after: string, limit: number): Promise<readonly Frame[] | Page | "stale">;
}

/** `over`: nothing more will ever come of it; `closed`: of this process. */
export type EndReason = "stale" | "membership" | "fault" | "closed" | "over";

export interface Follower {
  /** May return a promise while replaying: the next page is then read when it has resolved. */
  deliver(frames: readonly Frame[], replaying: boolean): void | Promise<void>;
  caughtUp?(head: string): void;
  /** The last call. */
  ended(reason: EndReason): void;
  /** Its access ends with its membership: for frames after `checkedAt`, the head when membership was asked. */
  readonly member?: { readonly principalId: string; readonly checkedAt: string } | undefined;
}

export interface Following {
  /** Of the last frame that was delivered. */
  cursor(): string;
  close(): void;
}

export interface Subscriptions {
  /** `after` null: only what is new. */
  follow(topic: string, after: string | null, follower: Follower): Following;
  followers(): number;
  close(): void;
}

const PAGE = 200;
const RECENT_PAGES = 16;
const RECENT_MS = 500;

interface Member {
  readonly follower: Follower;
  cursor: string;
  live: boolean;
  over: boolean;
}

interface Channel {
  readonly source: TopicSource;
  readonly members: Set<Member>;
  /** Head at the time of the last publication. */
  position: string;
  readonly opened: Promise<void>;
  /** What was read a moment ago, by cursor, with where the channel stood: a thousand who come back at once read once. */
  readonly recent: Map<string, { readonly position: string; readonly page: ReturnType<TopicSource["read"]> }>;
  close(): void;
}

export function createSubscriptions(
  sourceOf: (topic: string) => TopicSource,
  onFault: (error: unknown, topic: string) => void,
): Subscriptions {
  const channels = new Map<string, Channel>();

  function channelOf(topic: string): Channel {
    const known = channels.get(topic);
    if (known !== undefined) return known;
    const source = sourceOf(topic);
    let stop: (() => void) | undefined;
    let over = false;
    // Published before `open` resolved: after its head all the same.
    const early: [readonly Frame[], string | undefined][] = [];
    let isOpen = false;
    const channel: Channel = {
      source,
      members: new Set(),
      position: "0",
      recent: new Map(),
      opened: source
        .open(
          (frames, upTo) => {
            if (isOpen) publish(channel, frames, upTo);
            else early.push([frames, upTo]);
          },
          (reason) => {
            for (const member of channel.members) end(channel, member, reason);
          },
        )
        .then(({ head, close }) => {
          if (over) return close();
          stop = close;
          channel.position = head;
          isOpen = true;
          for (const [frames, upTo] of early.splice(0)) publish(channel, frames, upTo);
        }),
      close() {
        over = true;
        stop?.();
      },
    };
    channels.set(topic, channel);
    return channel;
  }

  function publish(channel: Channel, frames: readonly Frame[], upTo = frames.at(-1)?.id): void {
    if (upTo === undefined || compareWatermarks(upTo, channel.position) <= 0) return;
    const before = channel.position;
    channel.position = upTo;
    for (const member of channel.members) {
      if (!member.live) continue;
      // Nearly all stand where the channel stood; only who joined from a fresher page must be looked at.
      void give(
        channel,
        member,
        member.cursor === before ? frames : frames.filter((frame) => compareWatermarks(frame.id, member.cursor) > 0),
        false,
      );
      if (member.cursor !== upTo) reach(member, upTo);
    }
    for (const frame of frames) if (frame.removed !== undefined) expel(channel, frame);
  }

  function reach(member: Member, upTo: string): void {
    if (compareWatermarks(upTo, member.cursor) > 0) member.cursor = upTo;
  }

  function give(channel: Channel, member: Member, frames: readonly Frame[], replaying: boolean): void | Promise<void> {
    const last = frames.at(-1);
    if (last === undefined || member.over) return;
    member.cursor = last.id;
    try {
      return member.follower.deliver(frames, replaying);
    } catch (error) {
      // One broken socket must not keep the others from their frames.
      onFault(error, "delivery");
      end(channel, member, "fault");
    }
  }

  function expel(channel: Channel, frame: Frame): void {
    for (const member of channel.members) if (takesOut(frame, member)) end(channel, member, "membership");
  }

  function takesOut(frame: Frame, { follower: { member: who } }: Member): boolean {
    return who !== undefined && who.principalId === frame.removed && compareWatermarks(frame.id, who.checkedAt) > 0;
  }

  /** By what lies between the asking about their membership and where they begin, and is not delivered. */
  async function wasTakenOut(channel: Channel, member: Member): Promise<boolean> {
    let cursor = member.follower.member?.checkedAt ?? member.cursor;
    while (!member.over && compareWatermarks(cursor, member.cursor) < 0) {
      const page = await pageAfter(channel, cursor);
      const frames = page === "stale" ? [] : "frames" in page ? page.frames : page;
      if (frames.some((frame) => takesOut(frame, member))) return true;
      if (frames.length === 0) return false;
      cursor = frames.at(-1)!.id;
    }
    return false;
  }

  function end(channel: Channel, member: Member, reason: EndReason): void {
    if (member.over) return;
    leave(channel, member);
    member.follower.ended(reason);
  }

  function leave(channel: Channel, member: Member): void {
    member.over = true;
    channel.members.delete(member);
    if (channel.members.size > 0) return;
    for (const [topic, known] of channels) if (known === channel) channels.delete(topic);
    channel.close();
  }

  function pageAfter(channel: Channel, after: string): ReturnType<TopicSource["read"]> {
    const known = channel.recent.get(after);
    if (known !== undefined && known.position === channel.position) return known.page;
    const page = channel.source.read(after, PAGE);
    if (channel.recent.size >= RECENT_PAGES) return page;
    const entry = { position: channel.position, page };
    channel.recent.set(after, entry);
    const forget = (): void => {
      if (channel.recent.get(after) === entry) channel.recent.delete(after);
    };
    // Who waits for a read that failed hears of it; who comes next tries again.
    page.then(() => setTimeout(forget, RECENT_MS).unref(), forget);
    return page;
  }

  async function replay(topic: string, channel: Channel, member: Member, after: string | null): Promise<void> {
    try {
      await channel.opened;
      if (after === null) member.cursor = channel.position;
      // Beyond what this channel has published: either it hears of that later than the reader did, or nobody ever said it.
      else if (compareWatermarks(after, channel.position) > 0 && (await channel.source.read(after, 1)) === "stale")
        return end(channel, member, "stale");
      if (await wasTakenOut(channel, member)) return end(channel, member, "membership");
      while (!member.over && compareWatermarks(member.cursor, channel.position) < 0) {
        const page = await pageAfter(channel, member.cursor);
        if (member.over) return;
        if (page === "stale") return end(channel, member, "stale");
        const frames = "frames" in page ? page.frames : page;
        const upTo = "frames" in page ? page.upTo : (frames.at(-1)?.id ?? member.cursor);
        // No way on below the head is history that is gone.
        if (compareWatermarks(upTo, member.cursor) <= 0) return end(channel, member, "stale");
        if (frames.some((frame) => takesOut(frame, member))) return end(channel, member, "membership");
        await give(channel, member, frames, true);
        reach(member, upTo);
      }
      if (member.over) return;
      member.live = true;
      member.follower.caughtUp?.(member.cursor);
    } catch (error) {
      onFault(error, topic);
      end(channel, member, "fault");
    }
  }

  return {
    follow(topic, after, follower) {
      const channel = channelOf(topic);
      const member: Member = { follower, cursor: after ?? "0", live: false, over: false };
      channel.members.add(member);
      void replay(topic, channel, member, after);
      return {
        cursor: () => member.cursor,
        close: () => {
          if (!member.over) leave(channel, member);
        },
      };
    },
    followers: () => [...channels.values()].reduce((sum, channel) => sum + channel.members.size, 0),
    close() {
      for (const channel of channels.values()) for (const member of channel.members) end(channel, member, "closed");
    },
  };
}
