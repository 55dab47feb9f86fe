/*
 * A topic's documents, kept up to date by themselves.
 *
 *   hydrating ──pages read──► following ──stale──► hydrating …
 *       └──failed──► waits, longer each time
 *
 * Following begins at the watermark of the first page, so nothing that changed while the pages were read is missed; a
 * document is only ever replaced by a greater version of itself. `onChange` gets all of them, at most once a turn of
 * the event loop.
 */
import { listDocuments, type Collection, type SyncDocument, type Topic } from "@signalbox/contract/sync";
import { ApiError, backoff, pause, type Client } from "./client.ts";
import type { Sync } from "./sync.ts";

export interface DocumentsOptions {
  readonly client: Pick<Client, "call">;
  readonly sync: Sync;
  readonly collection: Collection;
  /** How many at most, newest first; default 200. Those that come later are added all the same. */
  readonly most?: number | undefined;
  /** By document key. */
  onChange(documents: ReadonlyMap<string, Pick<SyncDocument, "doc_version" | "payload">>): void;
  /** It will not be served; nothing more comes. */
  onRefused?(code: string, message: string): void;
}

/** Returns how to stop. */
export function followDocuments({ client, sync, collection, most = 200, onChange, onRefused }: DocumentsOptions): () => void {
  const stopped = new AbortController();
  let documents = new Map<string, Pick<SyncDocument, "doc_version" | "payload">>();
  let unsubscribe: (() => void) | undefined;
  let isDue = false;

  function changed(): void {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      if (!stopped.signal.aborted) onChange(documents);
    });
  }

  function put(into: typeof documents, key: string, { doc_version, payload }: Pick<SyncDocument, "doc_version" | "payload">): void {
    if ((into.get(key)?.doc_version ?? -1) < doc_version) into.set(key, { doc_version, payload });
  }

  async function hydrate(): Promise<void> {
    const next: typeof documents = new Map();
    let first: { topic: Topic; watermark: string } | undefined;
    let cursor: string | undefined;
    do {
      const limit = Math.min(200, most - next.size);
      const page = await client.call(listDocuments, { params: { collection }, query: { limit, cursor }, signal: stopped.signal });
      first ??= page;
      for (const item of page.items) put(next, item.doc_key, item);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined && next.size < most);
    if (stopped.signal.aborted) return;
    documents = next;
    changed();
    unsubscribe?.();
    unsubscribe = sync.subscribe(first.topic, {
      after: first.watermark,
      onUpdate(update) {
        put(documents, update.doc_key, update);
        changed();
      },
      onStale: () => void run(),
      onRefused: (code, message) => onRefused?.(code, message),
    });
  }

  async function run(): Promise<void> {
    for (let failures = 1; !stopped.signal.aborted; failures++) {
      try {
        return await hydrate();
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (error instanceof ApiError && (error.status === 401 || error.status === 403 || error.status === 404))
          return onRefused?.(error.code, error.message);
        await pause(backoff(failures), stopped.signal);
      }
    }
  }

  void run();
  return () => {
    stopped.abort();
    unsubscribe?.();
  };
}
