/*
 * The gateway's side of topics that are no stream of the log: reads what the writer kept (`topic-writer.ts`), once
 * for all followers of a topic of an organization, and gives each what they may see.
 *
 *   NOTIFY, reconnected, every 5 s ──► pump of (organization, topic): rows after its position ──► each viewer's source
 *
 * What one may see is asked once and remembered with the count of changes of membership that it includes. A row that
 * was written after more of them, or a counter that has moved on, makes it asked again before anything is delivered;
 * when their rooms are others than before, their followers are cut off as stale: they read the documents anew.
 */
import type pg from "pg";
import type { Notices } from "./notices.ts";
import type { Frame, Page, TopicSource } from "./subscriptions.ts";
import { MEMBERS, WAKE_CHANNEL } from "./topic-writer.ts";
import { admits, type Audience, type Viewer } from "./topics.ts";

const PAGE = 500;
const RETRY_MS = 250;

interface Row {
  watermark: string;
  doc_key: string;
  doc_version: string;
  payload: string;
  rooms: string[] | null;
  audience: Audience["kind"];
  principal_id: string | null;
  members: string;
}
interface Entry {
  readonly frame: Frame;
  readonly audience: Audience;
  readonly members: number;
}
/** The followers of one viewer, of one topic. */
interface Looking {
  deliver(entries: readonly Entry[], upTo: string, members: number): Promise<void>;
}
interface Pump {
  position: number;
  readonly looking: Set<Looking>;
  wake(): void;
  close(): void;
}

export interface TopicSources {
  source(organizationId: string, topic: string, who: { readonly principalId: string; readonly role: string }): TopicSource;
  /** Where the topic stands: everything up to it is in what is read afterwards. */
  head(organizationId: string, topic: string): Promise<string>;
  close(): void;
}

interface SourceDeps {
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  readonly notices: Notices;
  readonly viewerOf: (organizationId: string, who: { readonly principalId: string; readonly role: string }) => Promise<Viewer>;
  readonly onError: (error: unknown) => void;
}

export function createTopicSources({ pool, notices, viewerOf, onError }: SourceDeps): TopicSources {
  const pumps = new Map<string, Pump>();

  const keyOf = (organizationId: string, topic: string): string => `${organizationId} ${topic}`;
  function wake(organizationId?: string): void {
    for (const [key, pump] of pumps) if (organizationId === undefined || key.startsWith(`${organizationId} `)) pump.wake();
  }

  async function counters(organizationId: string, topic: string): Promise<{ head: number; floor: number; members: number }> {
    const { rows } = await pool.query<{ topic: string; head: string; floor: string }>({
      name: "feed_counters",
      text: "select topic, head, floor from feed_topics where organization_id = $1 and topic = any($2::text[])",
      values: [organizationId, [topic, MEMBERS]],
    });
    const of = (name: string) => rows.find((row) => row.topic === name);
    return { head: Number(of(topic)?.head ?? 0), floor: Number(of(topic)?.floor ?? 0), members: Number(of(MEMBERS)?.head ?? 0) };
  }

  async function read(organizationId: string, topic: string, after: number, limit: number): Promise<Entry[]> {
    const { rows } = await pool.query<Row>({
      name: "feed_updates",
      text: `select watermark, doc_key, doc_version, payload, rooms, audience, principal_id, members from feed_updates
              where organization_id = $1 and topic = $2 and watermark > $3 order by watermark limit $4`,
      values: [organizationId, topic, after, limit],
    });
    return rows.map((row) => ({
      frame: { id: row.watermark, text: row.payload, docKey: row.doc_key, docVersion: Number(row.doc_version) },
      audience: { rooms: row.rooms, kind: row.audience, principalId: row.principal_id },
      members: Number(row.members),
    }));
  }

  async function pumpOf(organizationId: string, topic: string): Promise<Pump> {
    const key = keyOf(organizationId, topic);
    const known = pumps.get(key);
    if (known !== undefined) return known;
    let { head: position, members } = await counters(organizationId, topic);
    const other = pumps.get(key);
    if (other !== undefined) return other;
    let running = false;
    let again = false;
    async function pull(): Promise<void> {
      if (running) {
        again = true;
        return;
      }
      running = true;
      try {
        do {
          again = false;
          // The counters first: rows up to `head` are there when it is.
          const now = await counters(organizationId, topic);
          if (now.head <= pump.position && now.members === members) continue;
          const entries = now.head > pump.position ? await read(organizationId, topic, pump.position, PAGE) : [];
          const upTo =
            entries.length === PAGE ? Number(entries.at(-1)!.frame.id) : Math.max(now.head, Number(entries.at(-1)?.frame.id ?? 0));
          pump.position = upTo;
          members = now.members;
          again ||= entries.length === PAGE;
          for (const looking of pump.looking) await looking.deliver(entries, String(upTo), members);
        } while (again && pump.looking.size > 0);
      } finally {
        running = false;
      }
    }
    const pump: Pump = {
      position,
      looking: new Set(),
      // The notice that led to a read that failed will not come again.
      wake: () =>
        void pull().catch((error: unknown) => {
          onError(error);
          setTimeout(() => pumps.get(key) === pump && pump.wake(), RETRY_MS).unref();
        }),
      close: () => pumps.get(key) === pump && pumps.delete(key),
    };
    pumps.set(key, pump);
    return pump;
  }

  function source(organizationId: string, topic: string, who: { readonly principalId: string; readonly role: string }): TopicSource {
    let seen: { readonly viewer: Viewer; readonly members: number } | undefined;

    /** As of at least so many changes of membership; `changed` when their rooms are others than when it was last asked. */
    async function viewer(members: number): Promise<{ readonly viewer: Viewer; readonly changed: boolean }> {
      if (seen !== undefined && seen.members >= members) return { viewer: seen.viewer, changed: false };
      const before = seen;
      const now = await viewerOf(organizationId, who);
      seen = { viewer: now, members };
      return {
        viewer: now,
        changed: before !== undefined && (!isSame(before.viewer.rooms, now.rooms) || !isSame(before.viewer.deciding, now.deciding)),
      };
    }
    async function visible(
      entries: readonly Entry[],
      members: number,
    ): Promise<{ readonly frames: readonly Frame[]; readonly changed: boolean }> {
      const needed = entries.reduce((most, entry) => Math.max(most, entry.members), members);
      const now = await viewer(needed);
      return { frames: entries.filter((entry) => admits(entry.audience, now.viewer)).map((entry) => entry.frame), changed: now.changed };
    }

    return {
      async open(publish, cut) {
        // First: what they may see from here on is compared with this.
        await viewer((await counters(organizationId, topic)).members);
        let pump = await pumpOf(organizationId, topic);
        while (pumps.get(keyOf(organizationId, topic)) !== pump) pump = await pumpOf(organizationId, topic);
        let over = false;
        const looking: Looking = {
          async deliver(entries, upTo, members) {
            const { frames, changed } = await visible(entries, members);
            if (over) return;
            if (changed) cut("stale");
            else publish(frames, upTo);
          },
        };
        pump.looking.add(looking);
        return {
          head: String(pump.position),
          close() {
            over = true;
            pump.looking.delete(looking);
            if (pump.looking.size === 0) pump.close();
          },
        };
      },
      async read(after): Promise<Page | "stale"> {
        const now = await counters(organizationId, topic);
        const cursor = Number(after);
        if (!Number.isSafeInteger(cursor) || cursor < now.floor || cursor > now.head) return "stale";
        const entries = await read(organizationId, topic, cursor, PAGE);
        const upTo = entries.length === PAGE ? entries.at(-1)!.frame.id : String(Math.max(now.head, Number(entries.at(-1)?.frame.id ?? 0)));
        const { frames, changed } = await visible(entries, now.members);
        return changed ? "stale" : { frames, upTo };
      },
    };
  }

  const leave = notices.subscribe(WAKE_CHANNEL, wake);

  return {
    source,
    head: async (organizationId, topic) => String((await counters(organizationId, topic)).head),
    close: leave,
  };
}

const isSame = (a: ReadonlySet<string> | null, b: ReadonlySet<string> | null): boolean =>
  a === null || b === null ? a === b : a.size === b.size && [...a].every((one) => b.has(one));
