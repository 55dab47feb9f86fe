/*
 * Keeps one session's conversation current, for as long as the page looks at it.
 *
 *   newest window ──► feed from that window's last_seq ──► events …
 *        │       └──► session:<id> from the beginning of the turn under way ──► deltas …
 *        └── older(), newer(): windows beside what is held, as the reader scrolls there
 *
 * Whatever arrives within one frame is drawn once. While one is at the end, only so many items are held
 * (`HELD`); whoever reads far above holds more (`HELD_AWAY`), and then lets go of the newest.
 *
 * Opened `asOf` a seq it holds the conversation as it was then, and follows nothing.
 */
import { ApiError } from "@signalbox/client/client";
import type { EventEnvelope } from "@signalbox/contract/envelope";
import type { ConversationItem } from "@signalbox/contract/sessions";
import type { SessionDelta } from "@signalbox/contract/sync";
import {
  delta,
  EMPTY,
  event,
  extend,
  forgetParts,
  hydrate,
  inOrder,
  newestSeq,
  passed,
  prepend,
  trimNewer,
  trimOlder,
  type Conversation,
} from "./conversation.ts";
import { needsReading } from "./item-of-event.ts";

const WINDOW = 120;
const HELD = 600;
const HELD_AWAY = 3_000;
/** Trimming one item at a time would move every row with each event. */
const SLACK = 200;
const ANEW_MS = 150;

export interface WindowAnswer {
  readonly items: readonly ConversationItem[];
  readonly hasOlder: boolean;
  /** Every event up to this seq is in the answer, as far as it is within the window. */
  readonly lastSeq: number;
}

/** Where a conversation comes from: a session of one's own, or one that was shared. */
export interface ConversationSource {
  /** The `limit` newest items; with `before` only of those with a smaller seq, with `asOf` as things stood then. */
  window(query: {
    readonly limit: number;
    readonly before?: number | undefined;
    readonly asOf?: number | undefined;
    readonly signal: AbortSignal;
  }): Promise<WindowAnswer>;
  /** Every event after `fromSeq`, for ever; ends by refusal or abort. null: something happened, read the newest anew. */
  events(fromSeq: number, signal: AbortSignal): AsyncIterable<EventEnvelope | null>;
  /** Whether an event is part of this conversation; absent: all are. */
  isMine?(envelope: EventEnvelope): boolean;
  deltas(on: { update(change: SessionDelta, epoch: string): void; stale(): void }): () => void;
  /** After each event that was taken in. */
  onEvent?(envelope: EventEnvelope): void;
  /** The session says that its state changed. */
  onState?(): void;
}

export interface ConversationView {
  readonly conversation: Conversation;
  readonly phase: "loading" | "ready" | "failed" | "gone";
  readonly error: Error | null;
  readonly isReadingOlder: boolean;
}

export interface ConversationStore {
  subscribe(listener: () => void): () => void;
  get(): ConversationView;
  /** Every event of the room as it arrives, for panes that show them. */
  onEvent(listener: (envelope: EventEnvelope) => void): () => void;
  /** The reader is near the oldest that is held. */
  older(): Promise<void>;
  /** The reader is near the newest that is held, and there is more. */
  newer(): Promise<void>;
  toNewest(): Promise<void>;
  /** Whether the reader is at the end: then what is far above may go. */
  setAtEnd(isAtEnd: boolean): void;
  /** Reads back until the item (or the first of a run) is held, and answers with its id; null when there is none. */
  reach(id: string): Promise<string | null>;
  retry(): void;
  close(): void;
}

export function openConversation(source: ConversationSource, asOf?: number): ConversationStore {
  const closed = new AbortController();
  const listeners = new Set<() => void>();
  const eventListeners = new Set<(envelope: EventEnvelope) => void>();
  let view: ConversationView = { conversation: EMPTY, phase: "loading", error: null, isReadingOlder: false };
  let next = view;
  let frame = 0;
  let isAtEnd = true;
  let endDeltas = (): void => undefined;

  function set(change: Partial<ConversationView>): void {
    next = { ...next, ...change };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      view = next;
      for (const listener of listeners) listener();
    });
  }
  function fold(change: (conversation: Conversation) => Conversation): void {
    let conversation = change(next.conversation);
    const held = conversation.items.size;
    if (isAtEnd && conversation.newer === null && held > HELD + SLACK) conversation = trimOlder(conversation, HELD);
    else if (!isAtEnd && held > HELD_AWAY + SLACK) conversation = trimNewer(conversation, HELD_AWAY);
    if (conversation !== next.conversation) set({ conversation });
  }
  const read = (before?: number, limit = WINDOW): Promise<WindowAnswer> => source.window({ limit, before, asOf, signal: closed.signal });

  async function hydrateNewest(): Promise<number> {
    const window = await read();
    fold((conversation) => hydrate(conversation, window, window.lastSeq));
    return window.lastSeq;
  }

  let anew: ReturnType<typeof setTimeout> | undefined;
  /** Many reasons at once are one reading. */
  function readAnew(): void {
    anew ??= setTimeout(() => {
      anew = undefined;
      // What is shown stays true without it; the next reason tries again.
      if (next.conversation.newer === null) void hydrateNewest().catch(() => undefined);
    }, ANEW_MS);
  }

  async function follow(fromSeq: number): Promise<void> {
    for await (const envelope of source.events(fromSeq, closed.signal)) {
      if (envelope === null) {
        readAnew();
        continue;
      }
      const isMine = source.isMine?.(envelope) ?? true;
      fold((conversation) => (isMine ? event(conversation, envelope) : passed(conversation, envelope.seq)));
      for (const listener of eventListeners) listener(envelope);
      // The text of a very long message is not in its event, nor what the gate decided in that of the call it was about.
      if ((envelope.type === "message.created" && !hasText(envelope.data)) || needsReading(envelope.type)) {
        if (isMine) readAnew();
      }
      source.onEvent?.(envelope);
      if (envelope.type === "session.deleted" && isMine) set({ phase: "gone" });
    }
  }

  async function run(): Promise<void> {
    set({ phase: "loading", error: null });
    try {
      const seq = await hydrateNewest();
      set({ phase: "ready" });
      if (asOf === undefined) await follow(seq);
    } catch (error) {
      if (closed.signal.aborted) return;
      const isGone = error instanceof ApiError && (error.status === 404 || error.status === 410);
      set({ phase: isGone ? "gone" : "failed", error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  let reading: Promise<void> | null = null;
  /** One reading of older windows at a time: a second would ask for the same. */
  function older(limit?: number): Promise<void> {
    const before = next.conversation.older;
    if (reading !== null || before === null) return reading ?? Promise.resolve();
    set({ isReadingOlder: true });
    reading = read(before, limit)
      .then((window) => fold((conversation) => prepend(conversation, before, window)))
      .finally(() => {
        reading = null;
        set({ isReadingOlder: false });
      });
    return reading;
  }

  let readingNewer: Promise<void> | null = null;
  function newer(): Promise<void> {
    if (next.conversation.newer === null || readingNewer !== null) return readingNewer ?? Promise.resolve();
    const after = newestSeq(next.conversation);
    // No more than `WINDOW` items can lie within so many seqs, so none is left out between.
    readingNewer = read(after + WINDOW + 1)
      .then((window) => {
        const isEnd = after + WINDOW >= next.conversation.lastSeq;
        fold((conversation) =>
          extend(
            conversation,
            after,
            window.items.filter(({ seq }) => seq > after),
            isEnd,
          ),
        );
      })
      .finally(() => (readingNewer = null));
    return readingNewer;
  }

  if (asOf === undefined) {
    endDeltas = source.deltas({
      update(change, epoch) {
        fold((conversation) => delta(conversation, change, epoch));
        if (change.kind === "state" && change.status === "deleted") set({ phase: "gone" });
        else if (change.kind === "state") source.onState?.();
      },
      stale: () => fold(forgetParts),
    });
  }
  void run();

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get: () => view,
    onEvent(listener) {
      eventListeners.add(listener);
      return () => eventListeners.delete(listener);
    },
    older: () => older(),
    newer,
    async toNewest() {
      isAtEnd = true;
      if (next.conversation.newer !== null) await hydrateNewest();
    },
    setAtEnd(is) {
      isAtEnd = is;
    },
    async reach(id) {
      while (!closed.signal.aborted) {
        const { items, older: more } = next.conversation;
        const first = items.has(id) ? id : inOrder(items).find(({ run_id: run }) => run === id)?.id;
        // Of a run that begins further back there is more to read.
        if (first !== undefined && (first === id || more === null || first !== inOrder(items)[0]?.id)) return first;
        if (next.phase !== "ready" || more === null) {
          if (next.phase !== "loading") return null;
          await new Promise((resolve) => setTimeout(resolve, 50));
          continue;
        }
        isAtEnd = false;
        await older(200);
      }
      return null;
    },
    retry: () => void run(),
    close() {
      closed.abort();
      clearTimeout(anew);
      cancelAnimationFrame(frame);
      endDeltas();
    },
  };
}

const hasText = (data: unknown): boolean => typeof data === "object" && data !== null && "content_md" in data;
