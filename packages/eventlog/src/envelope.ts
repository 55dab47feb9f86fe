/*
 * From what a decider says to what the log keeps, and the hashes that bind it.
 *
 *   data_hash  = sha256(salt ‖ canonical data)                         salt: 32 random bytes
 *   entry_hash = sha256(0x00 ‖ RFC 8785(header))                       header: the envelope without seq, position,
 *                                                                      recorded_at, prev_hash, hash, data; with data_hash
 *   hash       = sha256(0x01 ‖ prev_hash ‖ seq, 8 bytes BE ‖ entry_hash)   made in the database (0025-insert-by-subscript.sql)
 *
 * The header's and data's text are stored as hashed and never made again. What is read of them is in today's shape
 * (`upcast` in the contract): `recordedOf` and the fold of a subject (postgres-log.ts) are the places where it is brought there.
 */
import { hash } from "node:crypto";
import { type EventVersions, upcast, versionOf } from "@signalbox/contract/event-versions";
import { canonicalJson, wellFormed } from "@signalbox/kernel/canonical";
import { randomView, uuidv7 } from "@signalbox/kernel/id";
import type { Scanner } from "./dlp.ts";
import { SCANNER_VERSION } from "./dlp.ts";
import { translated } from "./foreign.ts";
import type { DomainEvent, Origin, Recorded, StreamRef } from "./log.ts";

/** An event that is ready to be chained. */
export interface Entry {
  readonly eventId: string;
  readonly event: DomainEvent;
  readonly organizationId: string;
  readonly stream: StreamRef;
  /** Organization, type and id in one: the streams of a batch are told apart by it. */
  readonly streamKey: string;
  readonly subject: string;
  readonly subjectVersion: number;
  readonly header: string;
  readonly data: string;
  readonly salt: Buffer;
  /** Hex. */
  readonly entryHash: string;
  /** Everything of `Recorded` that is known before the append. */
  readonly draft: Omit<Recorded, "seq" | "position" | "recordedAt" | "prevHash" | "hash">;
}

export interface EntryInput {
  readonly organizationId: string;
  readonly stream: StreamRef;
  readonly subject: string;
  readonly subjectVersion: number;
  readonly event: DomainEvent;
  readonly origin: Origin;
  readonly correlationId: string;
  readonly occurredAt: string;
  readonly idempotencyKey?: string | undefined;
}

export interface Sealed {
  readonly entry: Entry;
  /** Rules of the secrets that were replaced. */
  readonly rules: readonly string[];
}

const ENTRY_TAG = 0x00;
const CHAIN_TAG = 0x01;

export function seal(scanner: Scanner, input: EntryInput, versions?: EventVersions): Sealed {
  const { organizationId, stream, subject, subjectVersion, origin } = input;
  const { data, rules: found } = scanner.clean(organizationId, input.event.data);
  const rules = [...found];
  // Callers choose these texts, so they may hold a secret as well as data does.
  const text = (raw: string | undefined): string | undefined => {
    if (raw === undefined) return undefined;
    const scan = scanner.scanText(organizationId, wellFormed(raw));
    if (scan.rules.length > 0) rules.push(...scan.rules);
    return scan.text;
  };
  const event: DomainEvent = { type: input.event.type, data };
  const dataText = canonicalJson(data);
  // A copy: the view's bytes are handed out again a few kilobytes later.
  const salt = Buffer.from(randomView(32));
  const eventId = uuidv7();
  const version = versionOf(event.type, versions);
  const context = {
    room_id: text(origin.roomId),
    thread_id: text(origin.threadId),
    session_id: text(origin.sessionId),
    run_id: text(origin.runId),
    step_id: text(origin.stepId),
    correlation_id: text(input.correlationId) ?? "",
    causation_id: text(origin.causationId),
    idempotency_key: text(input.idempotencyKey),
  };
  const zone = origin.zone ?? "supervised";
  const redaction = rules.length > 0 ? "partial" : "none";
  const { id, type, impersonatedBy } = origin.principal;
  const principal = { id, type, ...(impersonatedBy === undefined ? {} : { impersonatedBy: text(impersonatedBy)! }) };
  const header = headerText({
    ...context,
    event_id: eventId,
    type: event.type,
    version,
    organization_id: organizationId,
    stream,
    subject,
    subject_version: subjectVersion,
    occurred_at: input.occurredAt,
    principal,
    zone,
    redaction,
    data_hash: `sha256:${dataHash(salt, dataText)}`,
  });
  return {
    rules,
    entry: {
      eventId,
      event,
      organizationId,
      stream,
      subject,
      subjectVersion,
      header,
      data: dataText,
      salt,
      streamKey: `${organizationId}\n${stream.type}\n${stream.id}`,
      entryHash: entryHash(header),
      draft: {
        eventId,
        event,
        version,
        organizationId,
        stream,
        subject,
        subjectId: subjectIdOf(subject),
        subjectVersion,
        occurredAt: input.occurredAt,
        principal,
        zone,
        correlationId: context.correlation_id,
        redaction,
        ...present({
          causationId: context.causation_id,
          idempotencyKey: context.idempotency_key,
          roomId: context.room_id,
          threadId: context.thread_id,
          sessionId: context.session_id,
          runId: context.run_id,
          stepId: context.step_id,
        }),
      },
    },
  };
}

type HeaderInput = Omit<Header, "causation_id" | "idempotency_key" | "room_id" | "thread_id" | "session_id" | "run_id" | "step_id"> & {
  readonly data_hash: string;
} & {
  readonly [K in "causation_id" | "idempotency_key" | "room_id" | "thread_id" | "session_id" | "run_id" | "step_id"]: string | undefined;
};

/** RFC 8785 of the header. Written out in its order: sorting the same twenty names for every event cost as much as all its hashes. */
function headerText(h: HeaderInput): string {
  const q = JSON.stringify;
  const some = (name: string, value: string | undefined) => (value === undefined ? "" : `"${name}":${q(value)},`);
  return (
    `{${some("causation_id", h.causation_id)}"correlation_id":${q(h.correlation_id)},"data_hash":"${h.data_hash}","event_id":"${h.event_id}",` +
    `${some("idempotency_key", h.idempotency_key)}"occurred_at":${q(h.occurred_at)},"organization_id":${q(h.organization_id)},` +
    `"principal":{"id":${q(h.principal.id)},${some("impersonated_by", h.principal.impersonatedBy)}"type":"${h.principal.type}"},"redaction":"${h.redaction}",` +
    `${some("room_id", h.room_id)}${some("run_id", h.run_id)}${some("session_id", h.session_id)}${some("step_id", h.step_id)}` +
    `"stream":{"id":${q(h.stream.id)},"type":"${h.stream.type}"},"subject":${q(h.subject)},"subject_version":${h.subject_version},` +
    `${some("thread_id", h.thread_id)}"type":${q(h.type)},"version":${h.version},"zone":"${h.zone}"}`
  );
}

/*
 * Hashes as hex, of bytes put together in one place: in one call, and without making a buffer of the answer, it is
 * 0.6 µs for 600 bytes; with `createHash` it was 1.5, three times for every event.
 */
let together = Buffer.allocUnsafe(16 * 1024);

/** A UTF-16 code unit is at most three bytes of UTF-8. */
function room(text: string): void {
  if (together.length < 32 + text.length * 3) together = Buffer.allocUnsafe(32 + text.length * 3);
}

function dataHash(salt: Buffer, data: string): string {
  room(data);
  salt.copy(together);
  return hash("sha256", together.subarray(0, 32 + together.write(data, 32)), "hex");
}

function entryHash(header: string): string {
  room(header);
  together[0] = ENTRY_TAG;
  return hash("sha256", together.subarray(0, 1 + together.write(header, 1)), "hex");
}

/** `prev` and `entry` are hex, as the answer is. */
export function chainHash(prev: string, seq: number, entry: string): string {
  together[0] = CHAIN_TAG;
  together.write(prev, 1, "hex");
  together.writeUInt32BE(Math.floor(seq / 0x1_0000_0000), 33);
  together.writeUInt32BE(seq >>> 0, 37);
  together.write(entry, 41, "hex");
  return hash("sha256", together.subarray(0, 73), "hex");
}

export const subjectIdOf = (subject: string): string => subject.slice(subject.indexOf(":") + 1);

/** The two records that go with every redaction, caused by the redacted event and in its stream. */
export function redactionRecords(sealed: Sealed): readonly DomainEvent[] {
  const target_event_id = sealed.entry.eventId;
  return [
    {
      type: "secret.leaked.detected",
      data: {
        target_event_id,
        source_type: sealed.entry.event.type,
        scanner_version: SCANNER_VERSION,
        match_count: sealed.rules.length,
        rule_ids: [...new Set(sealed.rules)].toSorted(),
      },
    },
    { type: "event.redacted", data: { target_event_id, reason: "dlp_secret_detected", level: "partial" } },
  ];
}

function present<T extends Record<string, string | undefined>>(members: T): { [K in keyof T]?: string } {
  const out: Record<string, string> = {};
  // Without an array of them: this is a part of every event that is made or read.
  for (const key in members) if (members[key] !== undefined) out[key] = members[key];
  return out;
}

/** A row as `STORED_COLUMNS` selects it. */
export interface StoredRow {
  readonly position: string;
  readonly seq: string;
  readonly recorded_at: Date;
  readonly header: string;
  readonly prev_hash: Buffer;
  readonly hash: Buffer;
  /** Null once erased. */
  readonly data: string | null;
  /** Null but for what was imported. */
  readonly import_id: string | null;
  readonly organization_id: string;
}

/**
 * Whoever reads pages by position joins `p.position > …` as well: an outer join does not carry the condition over, and
 * every page of a log that is read from its middle then begins at the first payload (100 events at position 40,000 took
 * 40,100 payloads). With filters, or downwards: `EACH_PAYLOAD`.
 */
export const STORED_COLUMNS = "e.position, e.seq, e.recorded_at, e.header, e.prev_hash, e.hash, p.data, e.import_id, e.organization_id";

/**
 * Behind `(select … from evt_events e … limit n) e`: the page first, then one look-up for each of its rows, whatever
 * Postgres takes the tables for. Joined first and then cut off, 101 events before position 20,000 took 19,999 payloads
 * of a log that was restored a moment ago and not analyzed yet. Archived events have none: `log.hydrate`.
 */
export const EACH_PAYLOAD =
  "left join lateral (select of.data, of.salt from evt_payloads of where of.position = e.position offset 0) p on true";

/**
 * For those who read a few columns of many events: select `VERSION_COLUMN as version`, and what they read is in
 * today's shape. Never of data that was cut in the database: an upcaster sees what was written.
 */
export const VERSION_COLUMN = `substring(e.header from '"version":([0-9]+),"zone"')`;

export const dataRead = (row: { readonly type: string; readonly version: string | null; readonly data: string | null }): object =>
  row.data === null ? {} : upcast(row.type, Number(row.version ?? 1), JSON.parse(row.data) as object);

interface Header {
  event_id: string;
  type: string;
  version: number;
  organization_id: string;
  stream: StreamRef;
  subject: string;
  subject_version: number;
  occurred_at: string;
  principal: Recorded["principal"];
  zone: Recorded["zone"];
  redaction: Recorded["redaction"];
  correlation_id: string;
  causation_id?: string;
  idempotency_key?: string;
  room_id?: string;
  thread_id?: string;
  session_id?: string;
  run_id?: string;
  step_id?: string;
}

export type StoredHeader = Omit<Header, "principal"> & {
  readonly principal: { readonly id: string; readonly type: Recorded["principal"]["type"]; readonly impersonated_by?: string };
};

/** An erased event reads with empty data and redaction `full`; its header, and so its hash, stay as they were. */
export const recordedOf = (row: StoredRow, versions?: EventVersions): Recorded =>
  recordedOfParsed(
    JSON.parse(row.header) as StoredHeader,
    row.data === null ? null : (JSON.parse(row.data) as object),
    {
      seq: Number(row.seq),
      position: Number(row.position),
      recordedAt: row.recorded_at.toISOString(),
      prevHash: hashText(row.prev_hash),
      hash: hashText(row.hash),
      importId: row.import_id,
      organizationId: row.organization_id,
    },
    versions,
  );

/** What the database adds to header and data. `organizationId`: of whose log it is; only looked at with an `importId`. */
interface Place extends Pick<Recorded, "seq" | "position" | "recordedAt" | "prevHash" | "hash"> {
  readonly importId: string | null;
  readonly organizationId: string | null;
}

/** For those who have read header and data already. `data`: null once erased. */
export function recordedOfParsed(
  h: StoredHeader,
  data: object | null,
  { importId, organizationId, seq, position, recordedAt, prevHash, hash: ownHash }: Place,
  versions?: EventVersions,
): Recorded {
  const { impersonated_by, ...principal } = h.principal;
  const event: Recorded = {
    eventId: h.event_id,
    event: { type: h.type, data: data === null ? {} : upcast(h.type, h.version, data, versions) },
    version: versionOf(h.type, versions),
    organizationId: h.organization_id,
    stream: h.stream,
    seq,
    position,
    subject: h.subject,
    subjectId: subjectIdOf(h.subject),
    subjectVersion: h.subject_version,
    occurredAt: h.occurred_at,
    recordedAt,
    principal: impersonated_by === undefined ? principal : { ...principal, impersonatedBy: impersonated_by },
    zone: h.zone,
    correlationId: h.correlation_id,
    redaction: data === null ? "full" : h.redaction,
    prevHash,
    hash: ownHash,
    ...present({
      causationId: h.causation_id,
      idempotencyKey: h.idempotency_key,
      roomId: h.room_id,
      threadId: h.thread_id,
      sessionId: h.session_id,
      runId: h.run_id,
      stepId: h.step_id,
    }),
  };
  return importId === null ? event : translated(event, { organizationId: organizationId ?? "", importId });
}

export const hashText = (hash: Buffer): string => `sha256:${hash.toString("hex")}`;
