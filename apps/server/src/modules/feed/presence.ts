/*
 * Who follows a session, this moment: of memory only, never stored, gone with the process.
 *
 *   a socket follows session:<id> ── join ──► viewers ── leave (unsubscribed, closed, silent) ──► …
 *                                               └──► presence:<id>: the whole list, when it changed
 *
 * A viewer is a principal, however many sockets and tabs they have; `since` is the first of those that are open.
 * Another gateway's followers are not in it: with several, each knows its own.
 */
import type { Presence } from "@signalbox/contract/session-queue";
import { canonicalJson } from "@signalbox/kernel/canonical";
import type { Frame, TopicSource } from "./subscriptions.ts";

type Viewers = Presence["viewers"];

export interface PresenceBook {
  /** Returns how to leave; leaving twice is leaving once. */
  join(organizationId: string, sessionId: string, principalId: string): () => void;
  viewers(organizationId: string, sessionId: string): Promise<Viewers>;
  source(organizationId: string, sessionId: string): TopicSource;
}

interface Looked {
  readonly by: Map<string, { readonly since: string; sockets: number }>;
  /** Grows with every change; a topic's watermark. */
  version: number;
  readonly listeners: Set<() => void>;
}

export function createPresence(deps: {
  readonly now: () => string;
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly onError: (error: unknown) => void;
}): PresenceBook {
  const looked = new Map<string, Looked>();
  let version = 1;

  const keyOf = (organizationId: string, sessionId: string): string => `${organizationId} ${sessionId}`;
  function entry(key: string): Looked {
    let found = looked.get(key);
    if (found === undefined) looked.set(key, (found = { by: new Map(), version: ++version, listeners: new Set() }));
    return found;
  }
  function forget(key: string): void {
    const found = looked.get(key);
    if (found !== undefined && found.by.size === 0 && found.listeners.size === 0) looked.delete(key);
  }
  function changed(of: Looked): void {
    of.version = ++version;
    for (const tell of of.listeners) tell();
  }

  const viewers: PresenceBook["viewers"] = async (organizationId, sessionId) => {
    const here = [...(looked.get(keyOf(organizationId, sessionId))?.by ?? [])];
    if (here.length === 0) return [];
    const names = await deps.displayNames(
      organizationId,
      here.map(([id]) => id),
    );
    return here.map(([id, { since }]) => ({ principal_id: id as never, display_name: names.get(id) ?? id, since }));
  };

  return {
    viewers,

    join(organizationId, sessionId, principalId) {
      const key = keyOf(organizationId, sessionId);
      const of = entry(key);
      const known = of.by.get(principalId);
      if (known === undefined) {
        of.by.set(principalId, { since: deps.now(), sockets: 1 });
        changed(of);
      } else known.sockets += 1;
      let left = false;
      return () => {
        if (left) return;
        left = true;
        const mine = of.by.get(principalId);
        if (mine === undefined || --mine.sockets > 0) return;
        of.by.delete(principalId);
        changed(of);
        forget(key);
      };
    },

    source(organizationId, sessionId) {
      const key = keyOf(organizationId, sessionId);
      const frame = async (of: Looked): Promise<Frame> => {
        const at = of.version;
        const text = canonicalJson({ viewers: await viewers(organizationId, sessionId) });
        return { id: String(at), text, docKey: `presence/${sessionId}:${at}`, docVersion: 1 };
      };
      return {
        open(publish) {
          const of = entry(key);
          const tell = (): void => {
            const at = of.version;
            // Only the newest is worth telling: whoever came and went meanwhile is in no list.
            frame(of).then((made) => of.version === at && of.listeners.has(tell) && publish([made]), deps.onError);
          };
          of.listeners.add(tell);
          return Promise.resolve({
            head: String(of.version),
            close() {
              of.listeners.delete(tell);
              forget(key);
            },
          });
        },
        read: async (after) => {
          const of = entry(key);
          return Number(after) >= of.version ? [] : [await frame(of)];
        },
      };
    },
  };
}
