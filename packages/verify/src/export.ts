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
 *
 *   lines ─► event, as bytes ─► event-in-place.ts ─► right in every respect ───► ExportState (export-state.ts)
 *     │                              └─► anything else ─► event-checks.ts ─────►   │      └─► Findings (export-report.ts)
 *     └────► checkpoint ───────────────────────────────► checkpoint-checks.ts ◄────┘             ▲  of both checks
 */
import { createCheckpointChecks } from "./checkpoint-checks.ts";
import { CheckpointLine } from "./checkpoint-line.ts";
import { createEventChecks } from "./event-checks.ts";
import { eventsInPlace } from "./event-in-place.ts";
import { parseLine, type Line } from "./export-lines.ts";
import { Findings, type ExportReport } from "./export-report.ts";
import { ExportState } from "./export-state.ts";
import { TrustedKeys } from "./keys.ts";
import type { VerifierKey } from "./note.ts";
import { fromBase64, hashText, type Primitives } from "./primitives.ts";

/** One line each; or bytes, of any number of whole lines: events are then read where they lie, and nothing waits for each. */
export type Lines = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];
/** A byte order mark is nothing that a line of an export begins with. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export async function verifyExport(primitives: Primitives, lines: Lines, keys: readonly VerifierKey[]): Promise<ExportReport> {
  const state = new ExportState();
  const findings = new Findings();
  const trusted = new TrustedKeys(primitives, keys);
  const named = new Set<string>();
  const events = createEventChecks(primitives, state, findings, learn);
  const checkpoints = createCheckpointChecks(primitives, state, findings, trusted, { named, handedOver: events.handedOver });
  const inPlace = eventsInPlace(primitives, state);
  const checkpointLine = new CheckpointLine();
  let isSecondFormat = false;
  let isOver = false;

  for await (const some of lines) {
    if (isOver) break;
    if (typeof some === "string") await read(some);
    else await readAll(some);
  }
  if (state.lines === 0) findings.problem("the file is empty");
  else if (!state.isEnded) findings.problem(`the export is cut off: it stops after line ${state.lines} without its end`);
  else if (checkpoints.count() === 0) findings.problem("the export has no checkpoint: nothing shows that this is what was recorded");
  events.end();
  return {
    valid: findings.isNone(),
    organization_id: state.organization,
    only_stream: state.onlyStream,
    events: state.events,
    streams: [...state.streams.values()].filter(({ kept }) => kept.length > 0).length,
    erased: events.erased.length,
    checkpoints: checkpoints.count(),
    covered_to: checkpoints.coveredTo(),
    uncovered: checkpoints.uncovered(),
    signed_by: [...checkpoints.signedBy],
    rotations: trusted.rotations,
    redactions: events.redactions,
    first_mismatch: findings.firstMismatch,
    problems: findings.told(),
  };

  async function readAll(bytes: Uint8Array): Promise<void> {
    const asIs = primitives.isUtf8?.(bytes) === true;
    for (let from = 0; from < bytes.length && !isOver;) {
      let next = asIs && inPlace !== null ? inPlace(bytes, from) : -1;
      if (next < 0 && asIs && state.lines > 0 && !state.isEnded && (next = checkpointLine.read(bytes, from)) >= 0) {
        state.lines++;
        await checkpoints.checkpoint(checkpointLine.note, checkpointLine.heads);
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
    const number = ++state.lines;
    if (text === "") return;
    if (state.isEnded) {
      isOver = true;
      return findings.problem(`line ${number} stands after the end of the export`);
    }
    const line = parseLine(text);
    if (line === null) return findings.problem(`line ${number} is not a line of a Signalbox export`);
    if (number === 1 && line.kind !== "header") findings.problem("the export does not begin with its header");
    if (number !== 1 && line.kind === "header") return findings.problem(`line ${number} is a second header`);
    switch (line.kind) {
      case "header":
        return header(line);
      case "links":
        return events.links(line);
      case "blob":
        if (!isSecondFormat) findings.problem(`line ${number} is not a line of this format`);
        else if (hashText(await primitives.sha256(fromBase64(line.base64) ?? new Uint8Array())) !== line.sha256)
          findings.problem(`line ${number}: the content is not that of ${line.sha256}`);
        break;
      case "event":
        return events.event(line);
      case "checkpoint":
        return checkpoints.checkpoint(line.note, line.heads);
      case "end":
        state.isEnded = true;
        if (line.events !== state.events) findings.problem(`the export says it has ${line.events} events, but ${state.events} are there`);
        if (line.checkpoints !== checkpoints.count())
          findings.problem(`the export says it has ${line.checkpoints} checkpoints, but ${checkpoints.count()} are there`);
        break;
    }
  }

  async function header(line: Extract<Line, { kind: "header" }>): Promise<void> {
    isSecondFormat = line.format === "signalbox-export/2";
    if (line.format !== "signalbox-export/1" && !isSecondFormat) findings.problem(`format ${line.format} is not one this verifier knows`);
    state.organization = line.organization_id;
    state.isComplete = line.complete;
    state.onlyStream = line.complete ? null : (line.stream ?? "");
    for (const text of line.keys ?? []) named.add(text.split("+")[1] ?? "");
    for (const note of line.rotations ?? []) await learn(note, "the header");
    if (isSecondFormat && !line.complete) for (const part of line.parts ?? []) if (part !== state.onlyStream) state.parts.add(part);
  }

  async function learn(note: string, where: string): Promise<void> {
    const wrong = await trusted.learn(note);
    if (wrong !== null) findings.problem(`${where}: ${wrong}`);
  }
}
