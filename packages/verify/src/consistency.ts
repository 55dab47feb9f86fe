/*
 * Whether an export continues what an older checkpoint was signed over: every head of it recurs in its
 * chain at its seq. Kept elsewhere, a checkpoint so proves that nothing before it was removed or
 * changed later, also by whoever holds the key.
 *
 * What was kept may be the bare signed note, or a line with the heads beside it, as exports and anchors
 * have it (`{"note", "heads"}`). Of a bare note the heads are made from the export itself: they must
 * give the root that was signed. With the heads the place of what is missing is named as well.
 */
import { jsonObject } from "./chain.ts";
import type { ExportReport } from "./export-report.ts";
import { verifyExport } from "./export.ts";
import { TrustedKeys } from "./keys.ts";
import { rootOf, type StreamHead } from "./merkle.ts";
import { openNote, type VerifierKey } from "./note.ts";
import { equal, type Primitives } from "./primitives.ts";

export interface KeptCheckpoint {
  readonly note: string;
  readonly heads: readonly StreamHead[] | null;
}
export interface ConsistencyReport {
  readonly valid: boolean;
  readonly export: ExportReport;
  readonly against: readonly { readonly position: number | null; readonly time: string | null; readonly consistent: boolean }[];
  readonly problems: readonly string[];
}

/** Reads what was kept: one signed note, or lines of JSON with a `note` (and `heads`) each, or CloudEvents of an anchor. Null for anything else. */
export function keptCheckpoints(text: string): KeptCheckpoint[] | null {
  if (!text.trimStart().startsWith("{")) return /\n\n— /.test(text) ? [{ note: text, heads: null }] : null;
  const kept: KeptCheckpoint[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const said = jsonObject(line) ?? {};
    // A webhook's receiver keeps the message as it came: the note is in its `data`.
    const { note, heads } = "specversion" in said ? ((said["data"] ?? {}) as Record<string, unknown>) : said;
    if (typeof note !== "string") return null;
    kept.push({ note, heads: Array.isArray(heads) && heads.every(isHead) ? heads : null });
  }
  return kept.length === 0 ? null : kept;
}
const isHead = (head: unknown): head is StreamHead => {
  const { stream, seq, hash } = (head ?? {}) as Record<string, unknown>;
  return typeof stream === "string" && Number.isSafeInteger(seq) && typeof hash === "string";
};

interface Seen {
  readonly seq: number;
  readonly hash: string;
}

export async function verifyExportAgainst(
  primitives: Primitives,
  lines: AsyncIterable<string> | Iterable<string>,
  keys: readonly VerifierKey[],
  kept: readonly KeptCheckpoint[],
): Promise<ConsistencyReport> {
  const trusted = new TrustedKeys(primitives, keys);
  const positions = kept.map(({ note }) => Number(/\nposition (\d{1,15})\n/.exec(note)?.[1] ?? Number.NaN));
  /** As of each kept checkpoint's position: the heads that the export has. */
  const standing = kept.map(() => new Map<string, Seen>());
  /** Hashes at the places that kept heads name. */
  const wanted = new Map<string, Map<number, string | null>>();
  for (const { heads } of kept)
    for (const { stream, seq } of heads ?? []) {
      const places = wanted.get(stream) ?? new Map<number, string | null>();
      wanted.set(stream, places.set(seq, null));
    }
  const ends = new Map<string, number>();
  let lastPosition = 0;
  let stated = new Map<string, readonly StreamHead[]>();

  async function* watched(): AsyncGenerator<string> {
    for await (const text of lines) {
      yield text;
      const line = jsonObject(text);
      if (line === null) continue;
      if (line["kind"] === "header" && Array.isArray(line["rotations"]))
        for (const note of line["rotations"]) if (typeof note === "string") await trusted.learn(note);
      if (line["kind"] === "checkpoint" && typeof line["note"] === "string" && Array.isArray(line["heads"]) && line["heads"].every(isHead))
        if (kept.some(({ note }) => note === line["note"])) stated = stated.set(line["note"], line["heads"]);
      if (line["kind"] !== "event") continue;
      const { position, seq, hash } = line as { position?: unknown; seq?: unknown; hash?: unknown };
      const { type, id } = (line["stream"] ?? {}) as { type?: unknown; id?: unknown };
      if (typeof position !== "number" || typeof seq !== "number" || typeof hash !== "string") continue;
      const stream = `${String(type)}:${String(id)}`;
      lastPosition = Math.max(lastPosition, position);
      ends.set(stream, seq);
      const places = wanted.get(stream);
      if (places?.has(seq) === true) places.set(seq, hash);
      positions.forEach((until, i) => {
        if (position <= until) standing[i]!.set(stream, { seq, hash });
      });
    }
  }

  const report = await verifyExport(primitives, watched(), keys);
  const problems = [...report.problems];
  const against: { position: number | null; time: string | null; consistent: boolean }[] = [];
  for (const [i, one] of kept.entries()) {
    const name = kept.length === 1 ? "the kept checkpoint" : `kept checkpoint ${i + 1}`;
    const opened = await openNote(primitives, one.note, trusted.keys);
    if (!opened.ok) {
      problems.push(
        opened.reason === "unknown_key"
          ? `${name} is signed by key ${opened.keyId ?? "?"}, which is not among the given public keys`
          : opened.reason === "bad_signature"
            ? `${name} has a signature that does not fit its text: it is forged or was changed (key ${opened.keyId ?? "?"})`
            : `${name} is not a signed note`,
      );
      against.push({ position: null, time: null, consistent: false });
      continue;
    }
    const found = await compare(name, one, i, opened.checkpoint);
    problems.push(...found);
    against.push({ position: opened.checkpoint.position, time: opened.checkpoint.time, consistent: report.valid && found.length === 0 });
  }
  return { valid: report.valid && problems.length === 0, export: report, against, problems };

  async function compare(
    name: string,
    one: KeptCheckpoint,
    i: number,
    signed: {
      readonly origin: string;
      readonly streams: number;
      readonly rootHash: Uint8Array;
      readonly position: number;
      readonly time: string;
    },
  ): Promise<string[]> {
    if (report.organization_id !== null && signed.origin !== `signalbox/${report.organization_id}`)
      return [`${name} speaks for ${signed.origin}, not for ${report.organization_id}`];
    const heads = one.heads ?? stated.get(one.note) ?? null;
    if (heads !== null) {
      if (heads.length !== signed.streams || !equal(await rootOf(primitives, heads), signed.rootHash))
        return [`${name} (position ${signed.position}): the heads beside it are not the ones it was signed over`];
      const found: string[] = [];
      for (const { stream, seq, hash } of heads) {
        // Of one stream's or one session's export the other streams are not there to be looked at.
        if (report.only_stream !== null && stream !== report.only_stream) continue;
        const here = wanted.get(stream)?.get(seq) ?? (standing[i]!.get(stream)?.seq === seq ? standing[i]!.get(stream)!.hash : null);
        const end = ends.get(stream);
        if (end === undefined) found.push(`${stream} is gone: ${name} was signed when it had ${seq} events`);
        else if (end < seq) found.push(`${stream} ends at ${end}, but ${name} was signed when it had ${seq} events: its tail was removed`);
        else if (here !== hash) found.push(`${stream} ${seq}: ${name} was signed over ${hash}, the export has ${here ?? "nothing"} there`);
      }
      return found;
    }
    if (report.only_stream !== null)
      return [
        `${name} has no heads beside it, and the export is of ${report.only_stream || "one stream"} only: export the whole log, or keep the heads too`,
      ];
    const here = [...standing[i]!].map(([stream, { seq, hash }]) => ({ stream, seq, hash }));
    if (here.length === signed.streams && equal(await rootOf(primitives, here), signed.rootHash)) return [];
    if (lastPosition < signed.position)
      return [`the log ends at position ${lastPosition}, but ${name} was signed at position ${signed.position}: its tail was removed`];
    if (here.length !== signed.streams)
      return [`up to position ${signed.position} the log has ${here.length} streams, but ${name} was signed over ${signed.streams}`];
    return [`what stands up to position ${signed.position} is not what ${name} was signed over on ${signed.time}`];
  }
}
