/*
 * The slow way: an event as JSON.parse reads it, each of its claims looked at by itself, so that the first one that does
 * not hold is named. Here is also what an event says to the verifier: what was erased, and which key was handed over.
 */
import { jsonObject, link, linkEntry, type Linked } from "./chain.ts";
import type { EventRecord, Line } from "./export-lines.ts";
import type { Findings, Redaction } from "./export-report.ts";
import { numberOf, streamFrom, type ExportState, type Stream } from "./export-state.ts";
import { fromBase64, hashBytes, hex, type Primitives } from "./primitives.ts";

/** What the log itself says of a key: what covers that place is no longer its to sign. */
export interface HandedOver {
  readonly from: string;
  readonly stream: string;
  readonly seq: number;
}
type Place = { readonly stream: string; readonly seq: number; readonly event_id: string; readonly event_type: string };

export interface EventChecks {
  /** Waits only where hashes must be waited for. */
  event(line: EventRecord): void | Promise<void>;
  links(line: Extract<Line, { kind: "links" }>): Promise<void>;
  /** When all of them were read. */
  end(): void;
  readonly erased: readonly Place[];
  readonly redactions: readonly Redaction[];
  readonly handedOver: readonly HandedOver[];
}

/** `learn` is given each statement of a rotation, and where it stands. */
export function createEventChecks(
  primitives: Primitives,
  state: ExportState,
  findings: Findings,
  learn: (statement: string, where: string) => Promise<void>,
): EventChecks {
  const erased: Place[] = [];
  const redacted = new Set<string>();
  const redactions: Redaction[] = [];
  const handedOver: HandedOver[] = [];

  function event(line: EventRecord): void | Promise<void> {
    state.events++;
    const name = `${line.stream.type}:${line.stream.id}`;
    if (line.position <= state.lastPosition)
      findings.problem(`${name} ${line.seq}: position ${line.position} does not follow ${state.lastPosition}`);
    state.lastPosition = line.position;
    // Whoever flips a whole log to a partial one, to leave streams out, must also leave out all but one.
    if (state.onlyStream !== null && name !== state.onlyStream && !state.parts.has(name))
      findings.problem(`${name} ${line.seq}: the export says it is of ${state.onlyStream || "no stream"} only`);
    let stream = state.streams.get(name);
    if (stream === undefined) state.streams.set(name, (stream = beginning(name, line)));
    // After a break everything hangs in the air; one mismatch names the place.
    if (stream.isBroken) return;
    const checked = link(primitives, stream.seq, `sha256:${stream.hash}`, line);
    return checked instanceof Promise ? checked.then((later) => take(line, name, stream, later)) : take(line, name, stream, checked);
  }

  /** Of a part the first event's own link is taken as given: what follows it leads to a signed head, or it is refused. */
  function beginning(name: string, line: EventRecord): Stream {
    if (!state.parts.has(name)) return streamFrom(1);
    return hashBytes(line.prev_hash) === null ? streamFrom(line.seq) : streamFrom(line.seq, line.prev_hash.slice(7));
  }

  function take(line: EventRecord, name: string, stream: Stream, checked: Linked): void | Promise<void> {
    if (!checked.ok) {
      stream.isBroken = true;
      return findings.mismatch(checked.mismatch);
    }
    state.advance(stream, line.seq, line.hash.slice(7));
    const { event_id, type, organization_id, subject, subject_version } = checked.header;
    const place = (): Place => ({ stream: name, seq: line.seq, event_id: String(event_id), event_type: String(type) });
    if (state.organization !== null && organization_id !== state.organization)
      findings.mismatch({ ...place(), kind: "organization_mismatch", expected: state.organization, actual: String(organization_id) });
    const before = state.eventIds.size;
    numberOf(state.eventIds, String(event_id));
    if (state.eventIds.size === before)
      findings.mismatch({ ...place(), kind: "event_id_repeated", expected: null, actual: String(event_id) });
    if (state.isComplete) {
      const known = numberOf(state.subjects, String(subject));
      const expected = (state.versions[known] ?? 0) + 1;
      if (subject_version !== expected)
        findings.mismatch({ ...place(), kind: "subject_version_gap", expected: String(expected), actual: String(subject_version) });
      state.versions[known] = Number(subject_version);
    }
    if (line.data === null) erased.push(place());
    else if (type === "event.redacted") redaction(place(), jsonObject(line.header) ?? {}, jsonObject(line.data) ?? {});
    else if (type === "checkpoint.key_rotated") {
      const { from_key_id, statement } = jsonObject(line.data) ?? {};
      handedOver.push({ from: String(from_key_id), stream: name, seq: line.seq });
      if (typeof statement === "string") return learn(statement, `${name} ${line.seq}`);
    }
  }

  function redaction(at: Place, header: Record<string, unknown>, data: Record<string, unknown>): void {
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

  /** The chain of a part goes on through events that are not given. */
  async function links({ stream: name, from_seq, entry_hashes }: Extract<Line, { kind: "links" }>): Promise<void> {
    const entries = fromBase64(entry_hashes);
    const stream = state.streams.get(name);
    if (stream?.isBroken === true) return;
    const begun = stream !== undefined && stream.kept.length > 0 && state.parts.has(name);
    if (!begun || entries === null || entries.length % 32 !== 0 || stream.seq + 1 !== from_seq)
      return findings.problem(`${name} ${from_seq}: links that continue nothing`);
    let hash = hashBytes(`sha256:${stream.hash}`)!;
    for (let at = 0; at < entries.length; at += 32) {
      const seq = stream.seq + 1;
      hash = await linkEntry(primitives, hash, seq, entries.subarray(at, at + 32));
      state.advance(stream, seq, hex(hash));
    }
  }

  function end(): void {
    if (!state.isComplete) return;
    for (const place of erased)
      if (!redacted.has(place.event_id))
        findings.mismatch({ ...place, kind: "erased_without_redaction", expected: "an event.redacted that names it", actual: null });
  }

  return { event, links, end, erased, redactions, handedOver };
}
