/*
 * Keeps one session's conversation current, for as long as the page looks at it.
 *
 *   hydrate (all pages) ──► feed from the first page's last_seq ──► events …
 *                      └──► session:<id> from the beginning of what is kept ──► deltas …
 *
 * The deltas are asked for from the start of their retention: replaying them is what puts a
 * half-said sentence back after a reload. Whatever arrives within one frame is drawn once.
 */
import type { EventEnvelope } from "@signalbox/contract/envelope";
import { streamRoom } from "@signalbox/contract/log";
import { getConversation, type SessionView } from "@signalbox/contract/sessions";
import type { SessionDelta } from "@signalbox/contract/sync";
import { client, queries, sync } from "../data/api.ts";
import { refreshApprovals, sessionQuery } from "../data/queries.ts";
import { delta, EMPTY, event, forgetParts, hydrate, type Conversation } from "./conversation.ts";

/** Before every watermark there is. */
const FROM_THE_START = "0.0";
const REFRESH_MS = 200;

export interface ConversationView {
  readonly conversation: Conversation;
  readonly phase: "loading" | "ready" | "failed";
  readonly error: Error | null;
}

export interface ConversationStore {
  subscribe(listener: () => void): () => void;
  get(): ConversationView;
  /** Every event of the room as it arrives, for panes that show them. */
  onEvent(listener: (envelope: EventEnvelope) => void): () => void;
  retry(): void;
  close(): void;
}

export function followConversation(session: Pick<SessionView, "id" | "room_id">): ConversationStore {
  const { id, room_id: roomId } = session;
  const closed = new AbortController();
  const listeners = new Set<() => void>();
  const eventListeners = new Set<(envelope: EventEnvelope) => void>();
  let view: ConversationView = { conversation: EMPTY, phase: "loading", error: null };
  let next = view;
  let frame = 0;

  function set(change: Partial<ConversationView>): void {
    next = { ...next, ...change };
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      view = next;
      for (const listener of listeners) listener();
    });
  }
  const fold = (change: (conversation: Conversation) => Conversation): void => set({ conversation: change(next.conversation) });

  /** Oldest first, page by page; what is already read shows. */
  async function read(): Promise<number> {
    let firstSeq: number | null = null;
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof readPage>> = await readPage(cursor);
      firstSeq ??= page.last_seq;
      const seq = firstSeq;
      cursor = page.next_cursor;
      // Only the last page completes the reading: until then the feed must not skip anything.
      fold((conversation) => hydrate(conversation, page.items, cursor === null ? seq : 0));
    } while (cursor !== null);
    return firstSeq;
  }
  const readPage = (cursor: string | null) =>
    client.call(getConversation, { params: { id }, query: { limit: 200, ...(cursor === null ? {} : { cursor }) }, signal: closed.signal });

  async function follow(fromSeq: number): Promise<void> {
    for await (const { data } of client.events(streamRoom, { params: { roomId }, query: { from_seq: fromSeq }, signal: closed.signal })) {
      fold((conversation) => event(conversation, data));
      for (const listener of eventListeners) listener(data);
      // The text of a very long message is not in its event.
      if (data.type === "message.created" && !hasText(data.data)) void read().catch(() => undefined); // Its event is here already; the next reading brings the text.
      refreshAfter(data);
    }
  }

  const due = new Set<"session" | "diff" | "approvals">();
  let timer: ReturnType<typeof setTimeout> | undefined;
  function refresh(what: "session" | "diff" | "approvals"): void {
    due.add(what);
    timer ??= setTimeout(() => {
      timer = undefined;
      if (due.has("session")) void queries.invalidateQueries({ queryKey: sessionQuery(id).queryKey, exact: true });
      if (due.has("diff")) void queries.invalidateQueries({ queryKey: ["session", id, "diff"] });
      if (due.has("approvals")) {
        refreshApprovals();
        void queries.invalidateQueries({ queryKey: ["approval"] });
      }
      due.clear();
    }, REFRESH_MS);
  }
  function refreshAfter({ type }: EventEnvelope): void {
    refresh("session");
    if (type === "session.changes_recorded" || type.startsWith("tool.") || type === "run.completed") refresh("diff");
    if (type.startsWith("approval.") || type.startsWith("invocation.")) refresh("approvals");
  }

  async function run(): Promise<void> {
    set({ phase: "loading", error: null });
    try {
      const seq = await read();
      set({ phase: "ready" });
      await follow(seq);
    } catch (error) {
      if (!closed.signal.aborted) set({ phase: "failed", error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  const endDeltas = sync.subscribe(`session:${id}`, {
    after: FROM_THE_START,
    onUpdate: ({ payload, doc_key }) => {
      const change = payload as SessionDelta;
      const epoch = doc_key.slice(doc_key.indexOf(":") + 1).split(".")[0] ?? "";
      fold((conversation) => delta(conversation, change, epoch));
      if (change.kind === "state") refresh("session");
    },
    onStale: () => fold(forgetParts),
  });
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
    retry: () => void run(),
    close() {
      closed.abort();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      endDeltas();
    },
  };
}

const hasText = (data: unknown): boolean => typeof data === "object" && data !== null && "content_md" in data;
