/*
 * Messages on their way: each is sent with a key of its own, so that the same words sent again by a shaky
 * connection are one prompt, and stays here until the server has taken it.
 */
import { promptSession } from "@signalbox/contract/sessions";
import type { SessionId } from "@signalbox/contract/primitives";
import { useRef, useState } from "react";
import { client, queries } from "../../data/api.ts";
import { sessionQuery } from "../../data/queries.ts";
import { promptsKey } from "../session-source.ts";

export interface Sending {
  readonly key: string;
  readonly content: string;
  /** null while it is on its way. */
  readonly error: Error | null;
}

export interface Outbox {
  readonly items: readonly Sending[];
  send(content: string): void;
  retry(key: string): void;
  drop(key: string): void;
}

export function useOutbox(sessionId: SessionId): Outbox {
  const [items, setItems] = useState<readonly Sending[]>([]);
  // One after the other: two messages keep the order in which they were written.
  const chain = useRef<Promise<void>>(Promise.resolve());
  const patch = (key: string, change: Partial<Sending>): void =>
    setItems((before) => before.map((item) => (item.key === key ? { ...item, ...change } : item)));

  function transmit({ key, content }: Pick<Sending, "key" | "content">): void {
    chain.current = chain.current.then(async () => {
      try {
        await client.call(promptSession, { params: { id: sessionId }, body: { content_md: content }, idempotencyKey: key });
        setItems((before) => before.filter((item) => item.key !== key));
        void queries.invalidateQueries({ queryKey: sessionQuery(sessionId).queryKey, exact: true });
        void queries.invalidateQueries({ queryKey: promptsKey(sessionId) });
      } catch (error) {
        patch(key, { error: error instanceof Error ? error : new Error(String(error)) });
      }
    });
  }
  return {
    items,
    send(content) {
      const item = { key: crypto.randomUUID(), content, error: null };
      setItems((before) => [...before, item]);
      transmit(item);
    },
    retry(key) {
      const item = items.find((each) => each.key === key);
      if (item === undefined) return;
      patch(key, { error: null });
      transmit(item);
    },
    drop: (key) => setItems((before) => before.filter((item) => item.key !== key)),
  };
}
