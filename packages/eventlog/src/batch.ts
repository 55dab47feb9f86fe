/* One batch of units as the append functions take it: rows turned to columns, and the chain as this process expects it. */
import { int4Array, int8Array, textArray, uuidArray } from "./array-parameter.ts";
import { chainHash } from "./envelope.ts";
import type { Recorded } from "./log.ts";
import type { StagedUnit } from "./waiting.ts";

export interface Head {
  readonly seq: number;
  /** Hex. */
  readonly hash: string;
}

const hashBytes = (hashes: readonly string[]): Buffer => Buffer.from(hashes.join(""), "hex");

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
  const places = new Map(streams.map((key, i) => [key, { stream: i + 1, ...headOf(heads, key), last: 0 }]));
  const entries = units.flatMap((unit) => unit.entries);
  const streamNumbers: number[] = [];
  const after: number[] = [];
  const hashes: string[] = [];
  const recorded = entries.map((entry, i): Recorded => {
    const place = places.get(entry.streamKey)!;
    const prev = place.hash;
    const hash = chainHash(prev, place.seq + 1, entry.entryHash);
    streamNumbers.push(place.stream);
    after.push(place.last);
    hashes.push(hash);
    place.seq += 1;
    place.hash = hash;
    place.last = i + 1;
    return { ...entry.draft, seq: place.seq, recordedAt, prevHash: `sha256:${prev}`, hash: `sha256:${hash}` };
  });
  const keys = units.flatMap(({ key, entries: own }) =>
    key === undefined ? [] : [{ ...key, events: `{${own.map((entry) => entry.eventId).join(",")}}` }],
  );
  const columns = columnsOf(streams).map(textArray);
  const before = streams.map((key) => headOf(heads, key));
  const seqsBefore = int8Array(before.map(({ seq }) => seq));
  const hashesBefore = hashBytes(before.map(({ hash }) => hash));
  const headsAfter = new Map([...places].map(([key, { seq, hash }]): [string, Head] => [key, { seq, hash }]));
  const seqsAfter = [...headsAfter.values()].map(({ seq }) => seq);
  const claim = [
    ...columns,
    seqsBefore,
    hashesBefore,
    int8Array(seqsAfter),
    hashBytes([...headsAfter.values()].map(({ hash }) => hash)),
    textArray(keys.map((k) => k.organizationId)),
    textArray(keys.map((k) => k.principalId)),
    textArray(keys.map((k) => k.key)),
    textArray(keys.map((k) => k.bodyHash)),
    textArray(keys.map((k) => k.outcome)),
    textArray(keys.map((k) => k.events)),
  ];
  const insert = [
    ...columns,
    seqsBefore,
    hashesBefore,
    // What other processes are told: which streams grew, and how far.
    JSON.stringify(streams.map((key, i) => [...key.split("\n"), seqsAfter[i]])),
    int4Array(streamNumbers),
    int8Array(recorded.map((event) => event.seq)),
    int4Array(after),
    hashBytes(hashes),
    uuidArray(entries.map((entry) => entry.eventId)),
    textArray(entries.map((entry) => entry.event.type)),
    textArray(entries.map((entry) => entry.subject)),
    int8Array(entries.map((entry) => entry.subjectVersion)),
    textArray(entries.map((entry) => entry.draft.runId ?? null)),
    textArray(entries.map((entry) => entry.draft.correlationId)),
    textArray(entries.map((entry) => entry.header)),
    textArray(entries.map((entry) => entry.data)),
    Buffer.concat(entries.map((entry) => entry.salt)),
    recordedAt,
  ];
  return { recorded, headsAfter, claim, insert };
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
  "bigint[]",
  "bytea",
  "text",
  "int[]",
  "bigint[]",
  "int[]",
  "bytea",
  "uuid[]",
  "text[]",
  "text[]",
  "bigint[]",
  "text[]",
  "text[]",
  "text[]",
  "text[]",
  "bytea",
  "timestamptz",
])}) as first`;
