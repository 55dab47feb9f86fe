/* One batch of units as the append functions take it: rows turned to columns, and the chain as this process expects it. */
import { createHash } from "node:crypto";
import { hashText } from "./envelope.ts";
import type { Recorded } from "./log.ts";
import type { StagedUnit } from "./waiting.ts";

export interface Head {
  readonly seq: number;
  readonly hash: Buffer;
}

const CHAIN_TAG = Buffer.from([0x01]);
/** Between headers and between data; JSON text has no raw control characters. */
const SEPARATOR = "\u001F";

export function streamsOf(units: readonly StagedUnit[]): readonly string[] {
  const keys = new Set<string>();
  for (const { entries } of units) for (const { streamKey } of entries) keys.add(streamKey);
  return [...keys].toSorted();
}

const columnsOf = (streams: readonly string[]): string[][] => {
  const parts = streams.map((key) => key.split("\n"));
  return [0, 1, 2].map((n) => parts.map((part) => part[n] ?? ""));
};

/** Parameters of `evt_prepare`; units are numbered from 1. */
export function prepareValues(units: readonly StagedUnit[], streams: readonly string[]): unknown[] {
  const checks = units.flatMap(({ expected }, i) => expected.map((check) => ({ unit: i + 1, ...check })));
  const keys = units.flatMap(({ key }, i) => (key === undefined ? [] : [{ unit: i + 1, ...key }]));
  return [
    ...columnsOf(streams),
    checks.map((c) => c.unit),
    checks.map((c) => c.organizationId),
    checks.map((c) => c.subject),
    checks.map((c) => c.version),
    keys.map((k) => k.unit),
    keys.map((k) => k.organizationId),
    keys.map((k) => k.principalId),
    keys.map((k) => k.key),
  ];
}

export interface Chained {
  /** As inline projections see them: without a position. In the order of the units' entries. */
  readonly recorded: readonly Recorded[];
  readonly headsAfter: ReadonlyMap<string, Head>;
  /** Parameters of `evt_claim` and `evt_insert`. */
  readonly claim: readonly unknown[];
  readonly insert: readonly unknown[];
}

/** Continues `heads` (one for every stream) with all entries of the units. The database makes the same chain and compares. */
export function chain(
  units: readonly StagedUnit[],
  streams: readonly string[],
  heads: ReadonlyMap<string, Head>,
  recordedAt: string,
): Chained {
  const after = new Map(heads);
  const place = new Map(streams.map((key, i) => [key, i + 1]));
  const entries = units.flatMap((unit) => unit.entries);
  const streamNumbers: number[] = [];
  const hashes: Buffer[] = [];
  const recorded = entries.map((entry): Recorded => {
    const key = entry.streamKey;
    const head = headOf(after, key);
    const seq = head.seq + 1;
    const hash = chainHash(head.hash, seq, entry.entryHash);
    after.set(key, { seq, hash });
    streamNumbers.push(place.get(key) ?? 0);
    hashes.push(hash);
    return { ...entry.draft, seq, recordedAt, prevHash: hashText(head.hash), hash: hashText(hash) };
  });
  const keys = units.flatMap(({ key, entries: own }) =>
    key === undefined ? [] : [{ ...key, events: `{${own.map((entry) => entry.eventId).join(",")}}` }],
  );
  const columns = columnsOf(streams);
  const hashesBefore = Buffer.concat(streams.map((key) => headOf(heads, key).hash));
  const seqsAfter = streams.map((key) => headOf(after, key).seq);
  const claim = [
    ...columns,
    streams.map((key) => headOf(heads, key).seq),
    hashesBefore,
    seqsAfter,
    Buffer.concat(streams.map((key) => headOf(after, key).hash)),
    keys.map((k) => k.organizationId),
    keys.map((k) => k.principalId),
    keys.map((k) => k.key),
    keys.map((k) => k.bodyHash),
    keys.map((k) => k.outcome),
    keys.map((k) => k.events),
  ];
  const insert = [
    ...columns,
    hashesBefore,
    // What other processes are told: which streams grew, and how far.
    JSON.stringify(streams.map((key, i) => [...key.split("\n"), seqsAfter[i]])),
    streamNumbers,
    recorded.map((event) => event.seq),
    Buffer.concat(hashes),
    entries.map((entry) => entry.eventId),
    entries.map((entry) => entry.event.type),
    entries.map((entry) => entry.subject),
    entries.map((entry) => entry.subjectVersion),
    entries.map((entry) => entry.draft.runId ?? null),
    entries.map((entry) => entry.draft.correlationId),
    entries.map((entry) => entry.header).join(SEPARATOR),
    entries.map((entry) => entry.data).join(SEPARATOR),
    Buffer.concat(entries.map((entry) => entry.salt)),
    recordedAt,
  ];
  return { recorded, headsAfter: after, claim, insert };
}

export function chainHash(prev: Buffer, seq: number, entryHash: Buffer): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(seq));
  return createHash("sha256").update(CHAIN_TAG).update(prev).update(number).update(entryHash).digest();
}

function headOf(heads: ReadonlyMap<string, Head>, key: string): Head {
  const head = heads.get(key);
  if (head === undefined) throw new Error(`no head is known for ${key.replaceAll("\n", "/")}`);
  return head;
}

const params = (types: readonly string[]): string => types.map((type, i) => `$${i + 1}::${type}`).join(",");
export const PREPARE = `select * from public.evt_prepare(${params(["text[]", "text[]", "text[]", "int[]", "text[]", "text[]", "bigint[]", "int[]", "text[]", "text[]", "text[]"])})`;
export const CLAIM = `select public.evt_claim(${params([
  "text[]",
  "text[]",
  "text[]",
  "bigint[]",
  "bytea",
  "bigint[]",
  "bytea",
  "text[]",
  "text[]",
  "text[]",
  "text[]",
  "text[]",
  "text[]",
])})`;
export const INSERT = `select public.evt_insert(${params([
  "text[]",
  "text[]",
  "text[]",
  "bytea",
  "text",
  "int[]",
  "bigint[]",
  "bytea",
  "uuid[]",
  "text[]",
  "text[]",
  "bigint[]",
  "text[]",
  "text[]",
  "text",
  "text",
  "bytea",
  "timestamptz",
])}) as first`;
