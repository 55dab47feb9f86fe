import type { SearchKind } from "@signalbox/contract/search";
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection, Recorded, Tx } from "@signalbox/eventlog/log";

interface Entry {
  readonly kind: SearchKind;
  readonly title: string | null;
  readonly body?: string | null | undefined;
}

const TYPES = [
  "session.created",
  "session.renamed",
  "room.created",
  "room.renamed",
  "message.created",
  "message.edited",
  "run.created",
  "artifact.created",
  "session.deleted",
] as const;
const BODY_LENGTH = 8000;
const TITLE_LENGTH = 200;

/** What an event says of a thing that can be found; null when it says nothing, or no longer does. */
function entryOf({ event: { type, data }, redaction }: Recorded): Entry | null {
  if (redaction === "full") return null;
  const text = (key: string): string | null => {
    const value = (data as Record<string, unknown>)[key];
    return typeof value === "string" ? value : null;
  };
  switch (type) {
    case "session.created": {
      const { source } = data as { source?: { url?: string } };
      return { kind: "session", title: text("title"), body: source?.url };
    }
    case "session.renamed":
      return { kind: "session", title: text("title") };
    case "room.created":
      // A session's room goes by its session.
      return (data as { session_id?: string }).session_id === undefined ? { kind: "room", title: text("title") } : null;
    case "room.renamed":
      return { kind: "room", title: text("title") };
    case "message.created":
    case "message.edited":
      return { kind: "message", title: "", body: text("content_md") };
    case "run.created":
      return { kind: "run", title: text("title") ?? text("goal")?.split("\n")[0] ?? null, body: text("goal") };
    case "approval.requested":
      return { kind: "approval", title: text("title"), body: text("action") };
    case "artifact.created":
      return { kind: "artifact", title: text("name") };
    default:
      return null;
  }
}

export const searchIndex: Projection = {
  name: "search",
  types: [...TYPES, "approval.requested"],
  imported: TYPES,
  tables: ["proj_search"],

  async project(tx, batch) {
    const rows = new Map<string, { readonly r: Recorded; readonly entry: Entry }>();
    for (const r of batch) {
      const entry = entryOf(r);
      if (entry === null) continue;
      const key = `${r.organizationId} ${entry.kind} ${idOf(r)}`;
      const before = rows.get(key);
      rows.set(key, { r, entry: { ...entry, body: entry.body ?? before?.entry.body } });
    }
    await write(tx, [...rows.values()]);
    for (const r of batch) {
      if (r.event.type === "session.deleted")
        await tx.query("delete from proj_search where organization_id = $1 and session_id = $2", [r.organizationId, r.subjectId]);
    }
  },
};

/** An artifact stands under its own id, in the subject of its run. What belongs to a deleted session is not found again. */
export const ERASED_ENTRIES = {
  forget: ["delete from proj_search where organization_id = $1 and (id = $2 or kind = 'artifact' and run_id = $2)"],
  after: [
    `delete from proj_search s where s.organization_id = $1 and (s.id = $2 or s.kind = 'artifact' and s.run_id = $2)
        and exists (select from public.evt_events d where d.organization_id = $1 and d.type = 'session.deleted' and d.subject = 'session:' || s.session_id)`,
  ],
};

export const importedSearch = importProjection({
  name: "search.imported",
  tables: ["proj_search"],
  end: [],
  remove: ["delete from proj_search s using import i where s.organization_id = i.organization_id and s.room_id = any(i.rooms)"],
});

/** An artifact is recorded in its run's subject, which may have many. */
const idOf = (r: Recorded): string =>
  r.event.type === "artifact.created" ? (r.event.data as { artifact_id: string }).artifact_id : r.subjectId;

async function write(tx: Tx, rows: readonly { readonly r: Recorded; readonly entry: Entry }[]): Promise<void> {
  if (rows.length === 0) return;
  const columns: unknown[][] = Array.from({ length: 12 }, () => []);
  for (const { r, entry } of rows) {
    const data = r.event.data as { session_id?: string; run_id?: string; thread_id?: string };
    [
      r.organizationId,
      entry.kind,
      idOf(r),
      r.roomId ?? (r.stream.type === "room" ? r.stream.id : null),
      entry.kind === "session" ? r.subjectId : (r.sessionId ?? data.session_id ?? null),
      data.thread_id ?? r.threadId ?? null,
      entry.kind === "run" ? r.subjectId : (r.runId ?? data.run_id ?? null),
      (entry.title ?? "").slice(0, TITLE_LENGTH),
      entry.body?.slice(0, BODY_LENGTH) ?? null,
      r.occurredAt,
      r.eventId,
      r.seq,
    ].forEach((value, i) => columns[i]!.push(value));
  }
  await tx.query(
    `insert into proj_search as s (organization_id, kind, id, room_id, session_id, thread_id, run_id, title, body, at, event_id, seq)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::uuid[], $12::bigint[])
     on conflict (organization_id, kind, id) do update
        set title = excluded.title, body = coalesce(excluded.body, s.body), event_id = excluded.event_id, seq = excluded.seq where s.seq < excluded.seq`,
    columns,
  );
}
