/*
 * Exports: everything an offline verifier needs, one JSON line each. The format is documented where
 * it is checked: `packages/verify/src/export.ts`.
 *
 *   whole log     every stream of ours, from its first event
 *   one stream    that stream
 *   one session   its room's stream, and of the ledger and the organization what shows its cost and who
 *                 is who, proved by links over what lies between, with the content that events name
 *   an import     exactly as it came
 */
import { sha256 } from "@signalbox/kernel/canonical";
import type { EventLog, StreamRef } from "@signalbox/eventlog/log";
import { sql, type Kysely } from "kysely";
import type pg from "pg";
import type { Blobs } from "@signalbox/providers/blob/port";
import type { StreamFrame } from "../../http/handle.ts";
import type { Database } from "../../module.ts";
import { storedImport, storedLog, storedParts, storedStream, type StoredEvent } from "./chain-reader.ts";
import { checkpoint } from "./checkpoint.ts";
import { ringOf } from "./key-ring.ts";
import type { SigningKeys } from "./signing-key.ts";

const CHECKPOINT_PAGE = 20;
const LINKS_PAGE = 5000;
/** Larger content is left out: what it was is still proved by its hash. */
const MAX_BLOB_BYTES = 8 * 1024 * 1024;
const MAX_BLOBS_BYTES = 64 * 1024 * 1024;

export interface ExportDeps {
  readonly db: Database;
  readonly log: Pick<EventLog, "hydrate">;
  readonly logPool: pg.Pool;
  readonly keys: SigningKeys;
  readonly blobs: Blobs;
}

const line = (value: object): StreamFrame => ({ text: JSON.stringify(value) });

export function createExports({ db, log, logPool, keys, blobs }: ExportDeps) {
  /** Up to and with `last`, oldest first, in small pages: each holds the heads of all streams. */
  async function* checkpoints(organizationId: string, last: number): AsyncGenerator<StreamFrame> {
    for (let after = 0; ;) {
      const from = after;
      const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
        sql<{ note: string; heads: string; position: string }>`select note, audit_heads(c) as heads, position from audit_checkpoints c
          where organization_id = ${organizationId} and position > ${from} and position <= ${last} order by position limit ${CHECKPOINT_PAGE}`.execute(
          tx,
        ),
      );
      for (const row of rows) yield { text: `{"kind":"checkpoint","note":${JSON.stringify(row.note)},"heads":${row.heads}}` };
      if (rows.length < CHECKPOINT_PAGE) return;
      after = Number(rows.at(-1)!.position);
    }
  }

  async function newestCheckpoint(organizationId: string, last: number): Promise<StreamFrame[]> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<{ note: string; heads: string }>`select note, audit_heads(c) as heads from audit_checkpoints c
        where organization_id = ${organizationId} and position = ${last}`.execute(tx),
    );
    return rows.map((row) => ({ text: `{"kind":"checkpoint","note":${JSON.stringify(row.note)},"heads":${row.heads}}` }));
  }

  /** A checkpoint now, so that the export's own end is vouched for. */
  const signedUpTo = async (organizationId: string, now: string): Promise<number> =>
    (await checkpoint(logPool, keys, organizationId, now))?.position ?? 0;

  /** Every public key, and what leads from one to the next, so that the first alone is enough. */
  async function keysOf(organizationId: string): Promise<{ keys: string[]; rotations?: string[] }> {
    const ring = await ringOf(logPool, organizationId, keys);
    const rotations = ring.flatMap(({ statement }) => (statement === null ? [] : [statement]));
    return { keys: ring.map(({ key }) => key.text), ...(rotations.length === 0 ? {} : { rotations }) };
  }

  async function* whole(organizationId: string, stream: StreamRef | null, now: string): AsyncGenerator<StreamFrame> {
    const last = await signedUpTo(organizationId, now);
    yield line({
      kind: "header",
      format: "signalbox-export/1",
      organization_id: organizationId,
      exported_at: now,
      complete: stream === null,
      ...(stream === null ? {} : { stream: `${stream.type}:${stream.id}` }),
      ...(await keysOf(organizationId)),
    });
    let events = 0;
    const source = stream === null ? storedLog(db, log, organizationId, last) : storedStream(db, log, organizationId, stream, 0);
    for await (const event of source) {
      if (event.position > last) break;
      events++;
      yield line({ kind: "event", ...event });
    }
    let count = 0;
    for await (const one of checkpoints(organizationId, last)) {
      count++;
      yield one;
    }
    yield line({ kind: "end", events, checkpoints: count });
  }

  async function* session(organizationId: string, roomId: string, sessionId: string, now: string): AsyncGenerator<StreamFrame> {
    const last = await signedUpTo(organizationId, now);
    const room = { type: "room", id: roomId };
    const parts = await storedParts(db, log, organizationId, roomId, sessionId, last);
    yield line({
      kind: "header",
      format: "signalbox-export/2",
      organization_id: organizationId,
      exported_at: now,
      complete: false,
      stream: `room:${roomId}`,
      session_id: sessionId,
      parts: [...new Set(parts.map(({ stream }) => `${stream.type}:${stream.id}`))],
      ...(await keysOf(organizationId)),
    });
    let events = 0;
    const told = new Set<string>();
    const at = new Map<string, { stream: StoredEvent["stream"]; seq: number }>();
    let left = MAX_BLOBS_BYTES;
    async function* tell(event: StoredEvent): AsyncGenerator<StreamFrame> {
      if (event.stream.type !== "room") {
        const name = `${event.stream.type}:${event.stream.id}`;
        const before = at.get(name);
        if (before !== undefined) yield* links(organizationId, event.stream, before.seq, event.seq - 1);
        at.set(name, { stream: event.stream, seq: event.seq });
      }
      events++;
      yield line({ kind: "event", ...event });
      const named = contentOf(event);
      if (named === null || told.has(named)) return;
      told.add(named);
      const size = await blobs.sizeOf(organizationId, named);
      const bytes = size === null || size > Math.min(MAX_BLOB_BYTES, left) ? null : await blobs.get(organizationId, named);
      if (bytes === null) return;
      left -= bytes.length;
      yield line({ kind: "blob", sha256: named, base64: bytes.toString("base64") });
    }
    let next = 0;
    for await (const event of storedStream(db, log, organizationId, room, 0)) {
      if (event.position > last) break;
      while (parts[next] !== undefined && parts[next]!.position < event.position) yield* tell(parts[next++]!);
      yield* tell(event);
    }
    while (parts[next] !== undefined) yield* tell(parts[next++]!);
    // To where the checkpoint signed: what lies behind the last event that is told.
    for (const { stream, seq } of at.values()) yield* links(organizationId, stream, seq, await headAt(organizationId, stream, last));
    // One is enough: older ones say nothing more about a stream that is told from its beginning.
    const signed = await newestCheckpoint(organizationId, last);
    yield* signed;
    yield line({ kind: "end", events, checkpoints: signed.length });
  }

  async function headAt(organizationId: string, stream: StoredEvent["stream"], last: number): Promise<number> {
    const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<{ seq: string }>`select seq from evt_events where organization_id = ${organizationId} and stream_type = ${stream.type}
        and stream_id = ${stream.id} and position <= ${last} order by seq desc limit 1`.execute(tx),
    );
    return Number(rows[0]?.seq ?? 0);
  }

  /** From after `from` up to and with `to`. */
  async function* links(organizationId: string, stream: StoredEvent["stream"], from: number, to: number): AsyncGenerator<StreamFrame> {
    for (let after = from; after < to; after += LINKS_PAGE) {
      const first = after;
      const { rows } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
        sql<{ entry: Buffer }>`select sha256('\\x00'::bytea || convert_to(header, 'UTF8')) as entry from evt_events
          where organization_id = ${organizationId} and stream_type = ${stream.type} and stream_id = ${stream.id}
            and seq > ${first} and seq <= ${Math.min(first + LINKS_PAGE, to)} order by seq`.execute(tx),
      );
      yield line({
        kind: "links",
        stream: `${stream.type}:${stream.id}`,
        from_seq: first + 1,
        entry_hashes: Buffer.concat(rows.map((row) => row.entry)).toString("base64"),
      });
    }
  }

  async function* imported(organizationId: string, importId: string): AsyncGenerator<StreamFrame> {
    const { rows: lines } = await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
      sql<{ line: string; before: string | null }>`select line, before_position as before from evt_import_lines
        where organization_id = ${organizationId} and import_id = ${importId} order by n`.execute(tx),
    );
    let next = 0;
    for await (const event of storedImport(db, organizationId, importId)) {
      for (; lines[next] !== undefined && lines[next]!.before !== null && Number(lines[next]!.before) <= event.position; next++)
        yield { text: lines[next]!.line };
      yield line({ kind: "event", ...event });
    }
    for (const { line: text } of lines.slice(next)) yield { text };
  }

  return { whole, session, imported };
}
export type Exports = ReturnType<typeof createExports>;

/** The hash under which content of an event was put aside, if it was. */
function contentOf({ data, header }: StoredEvent): string | null {
  if (data === null || !/"type":"(artifact\.created|message\.created|message\.edited)"/.test(header)) return null;
  const { sha256: artifact, text, content_sha256: message } = JSON.parse(data) as Record<string, string | undefined>;
  if (message !== undefined) return message;
  return artifact === undefined || (text !== undefined && sha256(text) === artifact) ? null : artifact;
}
