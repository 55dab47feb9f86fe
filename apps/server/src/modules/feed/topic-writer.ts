/*
 * Counts and keeps the updates of topics that are no stream of the log.
 *
 *   log ──reader `feed.topics`──► documents moved ──► feed_updates, counters ──NOTIFY──► gateways
 *
 * The reader's transaction moves its checkpoint and writes the updates, so that each change is told once, whichever
 * process dies when. One process writes at a time; a person's own acts that are no events (`tell`) take the counter's
 * row for as long. A document is read after the events that moved it are visible, so an update never says less than
 * they do; of documents that can be read over HTTP, what says nothing new is left out.
 *
 * `members` counts the changes of membership seen so far, in the order of the log: an update that was caused after
 * somebody left a room carries a count that includes their leaving, and a gateway that knows less asks again before
 * it delivers.
 */
import type { EventLog, Recorded, Tx } from "@signalbox/eventlog/log";
import { type Reader, startReader } from "@signalbox/eventlog/reader";
import { canonicalJson, sha256 } from "@signalbox/kernel/canonical";
import type { Clock } from "@signalbox/kernel/clock";
import type pg from "pg";
import type { TopicDocument, TopicDocuments } from "./topics.ts";

/** The name under which changes of membership are counted; no client can name it. */
export const MEMBERS = "members";
export const WAKE_CHANNEL = "feed_topics";
const MEMBER_TYPES: readonly string[] = ["room.member_added", "room.member_removed"];
const READER = "feed.topics";
const EXPIRE_BATCH = 5000;

export interface TopicWriter {
  /** Of something that is no event. */
  tell(organizationId: string, topic: string, document: TopicDocument): Promise<void>;
  /** Drops what is older than the retention. */
  expire(): Promise<void>;
  /** Resolves when everything in the log at the time of the call has been told. */
  caughtUp(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface WriterDeps {
  readonly log: Pick<EventLog, "onAppended">;
  /** As `sb_log`. */
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly topics: readonly TopicDocuments[];
  readonly retentionMs: number;
  readonly onError: (error: unknown) => void;
}

export function createTopicWriter({ log, pool, clock, topics, retentionMs, onError }: WriterDeps): TopicWriter {
  const types = new Set([...topics.flatMap((topic) => topic.types), ...MEMBER_TYPES, "event.redacted"]);
  let reader: Reader | undefined;

  async function handle(tx: Tx, events: readonly Recorded[]): Promise<void> {
    const organizations = Map.groupBy(events, (r) => r.organizationId);
    for (const [organizationId, theirs] of organizations) {
      const changes = theirs.filter((r) => MEMBER_TYPES.includes(r.event.type)).length;
      const members = await advance(tx, organizationId, MEMBERS, changes);
      for (const topic of topics) {
        const moving = theirs.filter((r) => topic.types.includes(r.event.type));
        if (moving.length > 0) await write(tx, organizationId, topic.topic, await topic.moved(organizationId, moving), members);
      }
      if (theirs.some((r) => r.event.type === "event.redacted")) await forget(tx, organizationId, theirs);
      await tx.query(`select pg_notify('${WAKE_CHANNEL}', $1)`, [organizationId]);
    }
  }

  /** Where the counter stands afterwards. */
  async function advance(tx: Tx, organizationId: string, topic: string, by: number): Promise<number> {
    const { rows } = await tx.query<{ head: string }>(
      `insert into feed_topics as t (organization_id, topic, head, floor) values ($1, $2, $3, 0)
       on conflict (organization_id, topic) do update set head = t.head + $3 returning head`,
      [organizationId, topic, by],
    );
    return Number(rows[0]!.head);
  }

  async function write(tx: Tx, organizationId: string, topic: string, documents: readonly TopicDocument[], members: number): Promise<void> {
    if (documents.length === 0) return;
    const { rows: known } = await tx.query<{ doc_key: string; payload_hash: string }>(
      `select distinct on (doc_key) doc_key, payload_hash from feed_updates
        where organization_id = $1 and topic = $2 and doc_key = any($3::text[]) order by doc_key, watermark desc`,
      [organizationId, topic, documents.map((document) => document.key)],
    );
    const hashes = new Map(known.map((row) => [row.doc_key, row.payload_hash]));
    const isKept = topics.find((one) => one.topic === topic)?.hydration !== undefined;
    const news = documents.flatMap((document) => {
      const payload = canonicalJson(document.payload);
      const hash = sha256(payload);
      if (isKept && hashes.get(document.key) === hash) return [];
      hashes.set(document.key, hash);
      return [{ document, payload, hash }];
    });
    if (news.length === 0) return;
    const head = await advance(tx, organizationId, topic, news.length);
    await tx.query(
      `insert into feed_updates (organization_id, topic, watermark, doc_key, doc_version, payload, payload_hash, rooms, audience, principal_id, members, at)
       select $1, $2, $3 + u.ordinality, k, v, p, h, case when r is null then null else string_to_array(r, ' ') end, a, i, $4, $5
         from unnest($6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) with ordinality as u (k, v, p, h, r, a, i)`,
      [
        organizationId,
        topic,
        head - news.length,
        members,
        clock.now(),
        news.map(({ document }) => document.key),
        news.map(({ document }) => document.version),
        news.map(({ payload }) => payload),
        news.map(({ hash }) => hash),
        news.map(({ document }) => document.audience.rooms?.join(" ") ?? null),
        news.map(({ document }) => document.audience.kind),
        news.map(({ document }) => document.audience.principalId),
      ],
    );
  }

  /** What was said before an event was erased may have quoted it: of each document only the newest update stays, said anew. */
  async function forget(tx: Tx, organizationId: string, events: readonly Recorded[]): Promise<void> {
    const erased = events.flatMap((r) =>
      r.event.type === "event.redacted" ? [(r.event.data as { target_event_id?: string }).target_event_id ?? ""] : [],
    );
    const { rows } = await tx.query<StoredSubject>(
      `select event_id, type, subject, recorded_at from public.evt_events where organization_id = $1 and event_id = any($2::uuid[])`,
      [organizationId, erased.filter((id) => id !== "")],
    );
    for (const topic of topics) {
      const moving = rows.filter((row) => topic.types.includes(row.type));
      if (moving.length === 0) continue;
      const documents = await topic.moved(organizationId, moving.map(asMoved(organizationId)));
      await write(tx, organizationId, topic.topic, documents, await advance(tx, organizationId, MEMBERS, 0));
      await tx.query(
        `delete from feed_updates u where organization_id = $1 and topic = $2 and doc_key = any($3::text[])
            and exists (select from feed_updates n where n.organization_id = u.organization_id and n.topic = u.topic and n.doc_key = u.doc_key and n.watermark > u.watermark)`,
        [organizationId, topic.topic, documents.map((document) => document.key)],
      );
    }
  }

  return {
    async tell(organizationId, topic, document) {
      const client = await pool.connect();
      const tx = client as unknown as Tx;
      try {
        await client.query("begin");
        await write(tx, organizationId, topic, [document], await advance(tx, organizationId, MEMBERS, 0));
        await client.query(`select pg_notify('${WAKE_CHANNEL}', $1)`, [organizationId]);
        await client.query("commit");
      } catch (error) {
        await client.query("rollback").catch(() => undefined); // the connection is gone, and the transaction with it
        throw error;
      } finally {
        client.release();
      }
    },

    async expire() {
      const before = new Date(clock.nowMs() - retentionMs);
      for (;;) {
        const { rows } = await pool.query<{ dropped: string }>(
          `with old as (select organization_id, topic, watermark from feed_updates where at < $1 order by at limit ${EXPIRE_BATCH}),
                gone as (delete from feed_updates u using old o
                          where u.organization_id = o.organization_id and u.topic = o.topic and u.watermark = o.watermark
                      returning u.organization_id, u.topic, u.watermark),
                raised as (update feed_topics t set floor = greatest(t.floor, g.top)
                             from (select organization_id, topic, max(watermark) as top from gone group by 1, 2) g
                            where t.organization_id = g.organization_id and t.topic = g.topic)
           select count(*) as dropped from gone`,
          [before],
        );
        if (Number(rows[0]!.dropped) < EXPIRE_BATCH) return;
      }
    },

    caughtUp: () => reader?.caughtUp() ?? Promise.resolve(),
    async start() {
      // Before anybody is served: what happens after they read must be told.
      await pool.query(
        "insert into public.evt_readers (name, position) select $1, (select coalesce(max(position), 0) from public.evt_events) on conflict do nothing",
        [READER],
      );
      reader = startReader({
        name: READER,
        pool,
        log,
        types: [...types],
        handle,
        onError,
      });
    },
    async stop() {
      await reader?.stop();
    },
  };
}

interface StoredSubject {
  event_id: string;
  type: string;
  subject: string;
  recorded_at: Date;
}

/** As far as `moved` looks: which thing an erased event was about, and when. */
const asMoved =
  (organizationId: string) =>
  (row: StoredSubject): Recorded =>
    ({
      eventId: row.event_id,
      event: { type: row.type, data: {} },
      organizationId,
      subject: row.subject,
      subjectId: row.subject.slice(row.subject.indexOf(":") + 1),
      recordedAt: row.recorded_at.toISOString(),
    }) as Recorded;
