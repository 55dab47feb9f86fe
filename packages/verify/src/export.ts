/*
 * Checks an exported log with nothing but the file and the public keys.
 *
 *   header      {"kind":"header","format":"signalbox-export/1",…,"keys","rotations"}
 *   event …     {"kind":"event","position",…,"header","data","salt","prev_hash","hash"}   ascending position
 *   checkpoint… {"kind":"checkpoint","note","heads":[{stream,seq,hash}]}                  oldest first
 *   end         {"kind":"end","events":N,"checkpoints":M}
 *
 * `signalbox-export/2`, of one session, also has, among its events:
 *
 *   links       {"kind":"links","stream","from_seq","entry_hashes"}   the entry hashes (base64, 32 bytes each) of
 *               events that are not given: the chain of a stream in `parts` is followed through them
 *   blob        {"kind":"blob","sha256","base64"}                     content that events name by its hash
 *
 * Of a stream in `parts` only some events are there, each proved to stand where it says, since the
 * chain from the first of them leads to a head that a checkpoint signed. The others stay unknown.
 *
 * A complete export starts every stream at seq 1. What it proves: no event was changed, dropped,
 * added or reordered inside a stream; and up to the newest checkpoint, no tail was cut and no whole
 * stream removed. What it cannot prove: that events after the newest checkpoint are all there. Without
 * any checkpoint it would prove nothing, since whoever rewrote everything could leave them out: not valid.
 */
import { ByteTable } from "./byte-table.ts";
import { CheckpointLine } from "./checkpoint-line.ts";
import { jsonObject, link, linkEntry, linkHex, type Linked, type Mismatch } from "./chain.ts";
import { EventLine } from "./event-line.ts";
import { parseLine, type EventRecord, type Line } from "./export-lines.ts";
import { growingTree, inOrder, isBefore, type StreamHead } from "./merkle.ts";
import { openNote, type VerifierKey } from "./note.ts";
import { TrustedKeys, type Rotation } from "./keys.ts";
import { equal, fromBase64, hashBytes, hashText, hex, isHexAt, putHex, sameBytes, utf8, type Primitives } from "./primitives.ts";

export interface ExportReport {
  readonly valid: boolean;
  readonly organization_id: string | null;
  /** The one stream that a partial export holds (it says nothing of the others); null for a whole log. */
  readonly only_stream: string | null;
  readonly events: number;
  readonly streams: number;
  readonly erased: number;
  readonly checkpoints: number;
  /** Position up to which a valid checkpoint vouches; null when none does. */
  readonly covered_to: number | null;
  /** Events that no valid checkpoint vouches for. */
  readonly uncovered: number;
  /** Ids of the keys whose signatures were valid. */
  readonly signed_by: readonly string[];
  /** How the keys that were given led to those that signed. */
  readonly rotations: readonly Rotation[];
  /** What was erased on record, by whom and why. */
  readonly redactions: readonly Redaction[];
  readonly first_mismatch: Mismatch | null;
  /** Everything else that is wrong, in plain sentences, each naming its place. */
  readonly problems: readonly string[];
}

export interface Redaction {
  readonly stream: string;
  readonly seq: number;
  readonly target_event_id: string;
  readonly by: string;
  readonly at: string;
  readonly reason: string;
  readonly level: string;
  /** Content that was erased with it, by its hash. */
  readonly content: readonly string[];
}

/** One line each; or bytes, of any number of whole lines: events are then read where they lie, and nothing waits for each. */
export type Lines = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/** A stream as far as it was checked. */
interface Stream {
  seq: number;
  /** In hex. */
  hash: string;
  /** Where the first of it that is here stands. */
  readonly first: number;
  /** Where the hashes of its events are kept, from the first on. */
  readonly kept: number[];
  isBroken: boolean;
}
const GENESIS = "0".repeat(64);

/** No name holds a quote where it stands for itself. */
const BETWEEN_NAMES = '","id":"';
const REDACTED = utf8("event.redacted");
const KEY_ROTATED = utf8("checkpoint.key_rotated");
const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];
/** A byte order mark is nothing that a line of an export begins with. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const textOf = (bytes: Uint8Array, from: number, to: number): string => decoder.decode(bytes.subarray(from, to));

function numberOf(table: ByteTable, text: string): number {
  const bytes = utf8(text);
  return table.numberOf(bytes, 0, bytes.length);
}

/** Problems beyond this many are counted, not told. */
const MAX_PROBLEMS = 20;

export async function verifyExport(primitives: Primitives, lines: Lines, keys: readonly VerifierKey[]): Promise<ExportReport> {
  const streams = new Map<string, Stream>();
  const hashes = hashStore();
  const tree = growingTree(primitives);
  const ids = new ByteTable();
  const subjects = new ByteTable();
  /** By the number of the subject. */
  const versions: number[] = [];
  const erased: { stream: string; seq: number; event_id: string; event_type: string }[] = [];
  const redacted = new Set<string>();
  const problems: string[] = [];
  const signedBy = new Set<string>();
  const trusted = new TrustedKeys(primitives, keys);
  const named = new Set<string>();
  /** Where the log itself says that a key was handed over: what covers that place is no longer the old one's to sign. */
  const handedOver: { from: string; stream: string; seq: number }[] = [];
  const redactions: Redaction[] = [];
  /** Streams of which only some events are there. */
  const parts = new Set<string>();
  let isSecondFormat = false;
  let isOver = false;
  let [firstMismatch, organization, onlyStream, ended]: [Mismatch | null, string | null, string | null, boolean] = [
    null,
    null,
    null,
    false,
  ];
  let [complete, untold]: [boolean, number] = [true, 0];
  let [events, checkpoints, lastPosition, number]: [number, number, number, number] = [0, 0, 0, 0];
  let coveredTo: number | null = null;
  let coveredHeads: readonly StreamHead[] = [];
  let olderHeads: readonly StreamHead[] = [];
  let olderAreHere = false;

  const inPlace = eventsInPlace();
  const checkpointLine = new CheckpointLine();
  for await (const some of lines) {
    if (isOver) break;
    if (typeof some === "string") await read(some);
    else await readAll(some);
  }
  if (number === 0) problem("the file is empty");
  else if (!ended) problem(`the export is cut off: it stops after line ${number} without its end`);
  else if (checkpoints === 0) problem("the export has no checkpoint: nothing shows that this is what was recorded");
  for (const { stream, seq, event_id, event_type } of erased) {
    if (complete && !redacted.has(event_id)) {
      mismatch({
        stream,
        seq,
        event_id,
        event_type,
        kind: "erased_without_redaction",
        expected: "an event.redacted that names it",
        actual: null,
      });
    }
  }
  return {
    valid: firstMismatch === null && problems.length === 0,
    organization_id: organization,
    only_stream: onlyStream,
    events,
    streams: [...streams.values()].filter(({ kept }) => kept.length > 0).length,
    erased: erased.length,
    checkpoints,
    covered_to: coveredTo,
    uncovered: uncovered(),
    signed_by: [...signedBy],
    rotations: trusted.rotations,
    redactions,
    first_mismatch: firstMismatch,
    problems: untold === 0 ? problems : [...problems, `and ${untold} more`],
  };

  async function readAll(bytes: Uint8Array): Promise<void> {
    const asIs = primitives.isUtf8?.(bytes) === true;
    for (let from = 0; from < bytes.length && !isOver;) {
      let next = asIs && inPlace !== null ? inPlace(bytes, from) : -1;
      if (next < 0 && asIs && number > 0 && !ended && (next = checkpointLine.read(bytes, from)) >= 0) {
        number++;
        await checkpoint(checkpointLine.note, checkpointLine.heads);
      }
      if (next >= 0) {
        from = next;
        continue;
      }
      const end = bytes.indexOf(LINE_FEED, from);
      const to = end < 0 ? bytes.length : end;
      await read(decoder.decode(bytes.subarray(from, bytes[to - 1] === CARRIAGE_RETURN ? to - 1 : to)));
      from = to + 1;
    }
  }

  async function read(text: string): Promise<void> {
    number++;
    if (text === "") return;
    if (ended) {
      isOver = true;
      return problem(`line ${number} stands after the end of the export`);
    }
    const line = parseLine(text);
    if (line === null) return problem(`line ${number} is not a line of a Signalbox export`);
    if (number === 1 && line.kind !== "header") problem("the export does not begin with its header");
    if (number !== 1 && line.kind === "header") return problem(`line ${number} is a second header`);
    switch (line.kind) {
      case "header":
        isSecondFormat = line.format === "signalbox-export/2";
        if (line.format !== "signalbox-export/1" && !isSecondFormat) problem(`format ${line.format} is not one this verifier knows`);
        organization = line.organization_id;
        complete = line.complete;
        onlyStream = complete ? null : (line.stream ?? "");
        for (const text of line.keys ?? []) named.add(text.split("+")[1] ?? "");
        for (const note of line.rotations ?? []) await learn(note, "the header");
        if (isSecondFormat && !complete) for (const part of line.parts ?? []) if (part !== onlyStream) parts.add(part);
        break;
      case "links":
        return links(line);
      case "blob":
        if (!isSecondFormat) problem(`line ${number} is not a line of this format`);
        else if (hashText(await primitives.sha256(fromBase64(line.base64) ?? new Uint8Array())) !== line.sha256)
          problem(`line ${number}: the content is not that of ${line.sha256}`);
        break;
      case "event":
        return event(line);
      case "checkpoint":
        return checkpoint(line.note, line.heads);
      case "end":
        ended = true;
        if (line.events !== events) problem(`the export says it has ${line.events} events, but ${events} are there`);
        if (line.checkpoints !== checkpoints)
          problem(`the export says it has ${line.checkpoints} checkpoints, but ${checkpoints} are there`);
        break;
    }
  }

  /**
   * Takes an event where it lies and returns where the next line begins; -1 when it cannot, and then nothing is changed.
   * It only ever takes what is right in every respect: whatever is not, `event` looks at from the start and names.
   * 9 µs for an event of 1.4 KB on a busy machine, of which three SHA-256 are 2; by JSON.parse, strings and maps it was 20.
   */
  function eventsInPlace(): ((bytes: Uint8Array, from: number) => number) | null {
    const { sha256Hex } = primitives;
    if (sha256Hex === undefined) return null;
    const line = new EventLine();
    const names = new ByteTable();
    /** By the number of the name. */
    const named: Stream[] = [];
    let owner: Uint8Array | null = null;

    return (bytes, from) => {
      if (organization === null || !complete || ended) return -1;
      owner ??= utf8(organization);
      const next = line.read(bytes, from);
      if (next < 0 || line.position <= lastPosition) return -1;
      const { header, data } = line;
      if (!sameBytes(header, line.organizationAt, line.organizationEnd, owner)) return -1;
      if (
        sameBytes(header, line.eventTypeAt, line.eventTypeEnd, REDACTED) ||
        sameBytes(header, line.eventTypeAt, line.eventTypeEnd, KEY_ROTATED)
      )
        return -1;

      // From one to the other: both names, and what is always between them.
      const name = names.numberOf(bytes, line.typeAt, line.idEnd);
      const state = (named[name] ??= streamNamed(textOf(bytes, line.typeAt, line.idEnd).replace(BETWEEN_NAMES, ":")));
      if (state.isBroken || line.seq !== state.seq + 1 || !isHexAt(bytes, line.prevHashAt, state.hash)) return -1;
      const hash = linkHex(sha256Hex, state.hash, line.seq, sha256Hex(header.subarray(0, line.headerEnd)));
      if (!isHexAt(bytes, line.hashAt, hash)) return -1;
      if (!isHexAt(header, line.dataHashAt, sha256Hex(data.subarray(0, line.dataEnd)))) return -1;

      const subject = subjects.numberOf(header, line.subjectAt, line.subjectEnd);
      if (line.subjectVersion !== (versions[subject] ?? 0) + 1) return -1;
      const before = ids.size;
      ids.numberOf(header, line.eventIdAt, line.eventIdEnd);
      if (ids.size === before) return -1;

      versions[subject] = line.subjectVersion;
      state.seq = line.seq;
      state.hash = hash;
      state.kept.push(hashes.keep(hash));
      lastPosition = line.position;
      events++;
      number++;
      return next;
    };
  }

  function streamNamed(name: string): Stream {
    let state = streams.get(name);
    if (state === undefined) streams.set(name, (state = { seq: 0, hash: GENESIS, first: 1, kept: [], isBroken: false }));
    return state;
  }

  /** Waits only where hashes must be waited for. */
  function event(line: EventRecord): void | Promise<void> {
    events++;
    const stream = `${line.stream.type}:${line.stream.id}`;
    if (line.position <= lastPosition) problem(`${stream} ${line.seq}: position ${line.position} does not follow ${lastPosition}`);
    lastPosition = line.position;
    // Whoever flips a whole log to a partial one, to leave streams out, must also leave out all but one.
    if (onlyStream !== null && stream !== onlyStream && !parts.has(stream))
      problem(`${stream} ${line.seq}: the export says it is of ${onlyStream || "no stream"} only`);
    let state = streams.get(stream);
    if (state === undefined) streams.set(stream, (state = beginning(stream, line)));
    // After a break everything hangs in the air; one mismatch names the place.
    if (state.isBroken) return;
    const checked = link(primitives, state.seq, `sha256:${state.hash}`, line);
    return checked instanceof Promise ? checked.then((later) => take(line, stream, state, later)) : take(line, stream, state, checked);
  }

  function take(line: EventRecord, stream: string, state: Stream, checked: Linked): void | Promise<void> {
    if (!checked.ok) {
      state.isBroken = true;
      return mismatch(checked.mismatch);
    }
    state.seq = line.seq;
    state.hash = line.hash.slice(7);
    state.kept.push(hashes.keep(state.hash));
    const { event_id, type, organization_id, subject, subject_version } = checked.header;
    const place = () => ({ stream, seq: line.seq, event_id: String(event_id), event_type: String(type) });
    if (organization !== null && organization_id !== organization)
      mismatch({ ...place(), kind: "organization_mismatch", expected: organization, actual: String(organization_id) });
    const before = ids.size;
    numberOf(ids, String(event_id));
    if (ids.size === before) mismatch({ ...place(), kind: "event_id_repeated", expected: null, actual: String(event_id) });
    if (complete) {
      const known = numberOf(subjects, String(subject));
      const expected = (versions[known] ?? 0) + 1;
      if (subject_version !== expected)
        mismatch({ ...place(), kind: "subject_version_gap", expected: String(expected), actual: String(subject_version) });
      versions[known] = Number(subject_version);
    }
    if (line.data === null) erased.push(place());
    else if (type === "event.redacted") redaction(place(), jsonObject(line.header) ?? {}, jsonObject(line.data) ?? {});
    else if (type === "checkpoint.key_rotated") {
      const { from_key_id, statement } = jsonObject(line.data) ?? {};
      handedOver.push({ from: String(from_key_id), stream, seq: line.seq });
      if (typeof statement === "string") return learn(statement, `${stream} ${line.seq}`);
    }
  }

  function redaction(at: { stream: string; seq: number }, header: Record<string, unknown>, data: Record<string, unknown>): void {
    redacted.add(String(data["target_event_id"]));
    const { id } = (header["principal"] ?? {}) as { id?: unknown };
    const content = Array.isArray(data["content"]) ? data["content"].map(String) : [];
    redactions.push({
      stream: at.stream,
      seq: at.seq,
      target_event_id: String(data["target_event_id"]),
      by: String(id ?? ""),
      at: String(header["occurred_at"] ?? ""),
      reason: String(data["reason"] ?? ""),
      level: String(data["level"] ?? "full"),
      content,
    });
  }

  async function learn(note: string, where: string): Promise<void> {
    const wrong = await trusted.learn(note);
    if (wrong !== null) problem(`${where}: ${wrong}`);
  }

  /** Of a part the first event's own link is taken as given: what follows it leads to a signed head, or it is refused. */
  function beginning(stream: string, line: EventRecord): Stream {
    const isPart = parts.has(stream);
    const hash = isPart && hashBytes(line.prev_hash) !== null ? line.prev_hash.slice(7) : GENESIS;
    return { seq: isPart ? line.seq - 1 : 0, hash, first: isPart ? line.seq : 1, kept: [], isBroken: false };
  }

  async function links({ stream, from_seq, entry_hashes }: Extract<Line, { kind: "links" }>): Promise<void> {
    const entries = fromBase64(entry_hashes);
    const state = streams.get(stream);
    if (state?.isBroken === true) return;
    const begun = state !== undefined && state.kept.length > 0 && parts.has(stream);
    if (!begun || entries === null || entries.length % 32 !== 0 || state.seq + 1 !== from_seq)
      return problem(`${stream} ${from_seq}: links that continue nothing`);
    let hash = hashBytes(`sha256:${state.hash}`)!;
    for (let at = 0; at < entries.length; at += 32) {
      hash = await linkEntry(primitives, hash, ++state.seq, entries.subarray(at, at + 32));
      state.hash = hex(hash);
      state.kept.push(hashes.keep(state.hash));
    }
  }

  /** What is newer than the newest valid checkpoint, or in a stream that it does not know. */
  function uncovered(): number {
    const covered = new Map((coveredTo === null ? [] : coveredHeads).map((head) => [head.stream, head.seq]));
    let count = 0;
    for (const [stream, { seq, first, kept }] of streams)
      if (kept.length > 0) count += Math.max(0, seq - (covered.get(stream) ?? first - 1));
    return count;
  }

  async function checkpoint(note: string, stated: readonly StreamHead[]): Promise<void> {
    checkpoints++;
    const opened = await openNote(primitives, note, trusted.keys);
    const name = `checkpoint ${checkpoints}`;
    if (!opened.ok) {
      problem(
        opened.reason === "unknown_key"
          ? `${name} is signed by key ${opened.keyId ?? "?"}, which is not among the given public keys${strangerness(opened.keyId ?? "?")}`
          : opened.reason === "bad_signature"
            ? `${name} has a signature that does not fit its text (key ${opened.keyId ?? "?"})`
            : `${name} is not a signed note`,
      );
      return;
    }
    signedBy.add(opened.keyId);
    const { streams: size, rootHash, position } = opened.checkpoint;
    if (organization !== null && opened.checkpoint.origin !== `signalbox/${organization}`)
      problem(`${name} speaks for ${opened.checkpoint.origin}, not for ${organization}`);
    const heads = inOrder(stated);
    if (heads.length !== size || !equal(await tree.rootOf(heads), rootHash)) {
      problem(`${name} (position ${position}): the heads beside it are not the ones it was signed over`);
      return;
    }
    for (const { from, stream, seq } of handedOver)
      if (from === opened.keyId && (heads.find((head) => head.stream === stream)?.seq ?? 0) >= seq)
        problem(`${name} (position ${position}) is signed by key ${from}, which was handed over at ${stream} ${seq}, before it`);
    const whole = compare(name, heads);
    if (!whole) return;
    coveredTo = position;
    coveredHeads = heads;
  }

  /**
   * Whether the export has every head of a checkpoint that it can have. Both checkpoints are in the order of names, so
   * one walk looks at both, and at no more than what has moved: what the log was found to have it still has.
   */
  function compare(name: string, heads: readonly StreamHead[]): boolean {
    let [whole, old] = [true, 0];
    for (const head of heads) {
      let was = olderHeads[old];
      for (; was !== undefined && was !== head && was.stream !== head.stream && isBefore(was, head); was = olderHeads[++old])
        isShorter(was);
      if (was === head || was?.stream === head.stream) {
        old++;
        if ((was === head || (was.seq === head.seq && was.hash === head.hash)) && olderAreHere && complete) continue;
        if (head.seq < was.seq) isShorter(was);
      }
      if (!isHere(name, head)) whole = false;
    }
    for (const gone of olderHeads.slice(old)) isShorter(gone);
    olderHeads = heads;
    olderAreHere = whole;
    return whole;

    function isShorter(older: StreamHead): void {
      problem(`${name}: ${older.stream} stood at ${older.seq} in an older checkpoint and is shorter now`);
    }
  }

  /** Also true of what this export does not have, or has already called broken. */
  function isHere(name: string, head: StreamHead): boolean {
    const state = streams.get(head.stream);
    const here = hashAt(state, head.seq);
    if (here === head.hash) return true;
    // An export of one stream or session has the others' heads only as leaves of the tree.
    if (!complete && (state === undefined || state.kept.length === 0)) return true;
    // Older than the first that is here of a part.
    if (head.seq < (state?.first ?? 1)) return true;
    if (state?.isBroken === true) return true;
    const last = state?.seq ?? 0;
    if (last < head.seq)
      problem(`${head.stream} ends at ${last}, but ${name} was signed when it had ${head.seq} events: its tail was removed`);
    else problem(`${head.stream} ${head.seq}: ${name} was signed over ${head.hash}, the export has ${here}`);
    return false;
  }

  /** A key that was rotated is believed by now; what is left was put in another's place, or is of somewhere else. */
  function strangerness(id: string): string {
    const claim = trusted.claimOf(id);
    if (claim !== null) return `: ${claim}`;
    return named.has(id)
      ? ": the export names it, but no rotation leads to it from a key that is believed; it was replaced, not rotated"
      : "";
  }

  function hashAt(state: Stream | undefined, seq: number): string | null {
    if (state === undefined || seq < state.first || seq > state.seq) return null;
    return seq === state.seq ? `sha256:${state.hash}` : hashes.at(state.kept[seq - state.first]!);
  }
  function problem(text: string): void {
    if (problems.length < MAX_PROBLEMS) problems.push(text);
    else untold++;
  }
  function mismatch(found: Mismatch): void {
    if (firstMismatch === null) firstMismatch = found;
    problem(`${found.stream} ${found.seq}: ${found.kind}`);
  }
}

/** All hashes one after the other, 32 bytes each: a text or a list of bytes for every event is more work for the collector than for us. */
function hashStore() {
  let bytes = new Uint8Array(32 * 1024);
  let count = 0;
  return {
    /** In hex; where it is kept. */
    keep(hash: string): number {
      if (bytes.length < (count + 1) * 32) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      putHex(hash, 0, bytes, count * 32);
      return count++;
    },
    /** `sha256:<hex>` */
    at: (kept: number): string => hashText(bytes.subarray(kept * 32, kept * 32 + 32)),
  };
}
