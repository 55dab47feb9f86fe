/*
 * The bytes of `sync:v1`: built once per frame and per publication, however many sockets they go to. Whole WebSocket
 * frames (RFC 6455, text, unmasked, unextended), so that a socket's share of an update is one write of bytes that are
 * there already: framing it anew for each of 5,000 took `ws` longer than the kernel took to send it.
 */
import { SYNC_LIMITS } from "@signalbox/contract/sync";
import { sha256 } from "@signalbox/kernel/canonical";
import type { Frame } from "./subscriptions.ts";

const updates = new WeakMap<Frame, string>();
/** Live ones, and pages of history, which many may come back for at once. */
const batches = { live: new WeakMap<readonly Frame[], readonly Buffer[]>(), history: new WeakMap<readonly Frame[], readonly Buffer[]>() };

/** One update. What exceeds the limit is announced without its payload; the reader fetches it over HTTP. */
function updateText(topic: string, frame: Frame): string {
  let text = updates.get(frame);
  if (text === undefined) {
    text = assemble(topic, frame, frame.text);
    if (Buffer.byteLength(text) > SYNC_LIMITS.bytesPerUpdate) text = assemble(topic, frame, withoutData(frame.text));
    updates.set(frame, text);
  }
  return text;
}

function assemble(topic: string, frame: Frame, payload: string): string {
  return (
    `{"topic":${JSON.stringify(topic)},"doc_key":${JSON.stringify(frame.docKey)},"doc_version":${frame.docVersion},` +
    `"payload":${payload},"payload_hash":"${sha256(payload)}","watermark":"${frame.id}"}`
  );
}

/** Keeps the envelope; a delta that large has nothing worth keeping but its part. */
function withoutData(text: string): string {
  const { delta: _delta, text: _text, arguments: _arguments, ...rest } = JSON.parse(text) as Record<string, unknown>;
  return sortedJson({ ...rest, data: { omitted: "too_large", bytes: Buffer.byteLength(text) } });
}

const sortedJson = (value: Record<string, unknown>): string =>
  JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );

/** `update_batch` frames for these, cut at every limit. The last one says whether history ends here. */
export function batchFrames(
  topic: string,
  frames: readonly Frame[],
  options: { readonly complete: boolean; readonly perBatch: number },
): readonly Buffer[] {
  const cache = options.complete ? batches.live : batches.history;
  const cacheable = options.perBatch === SYNC_LIMITS.updatesPerBatch;
  const known = cacheable ? cache.get(frames) : undefined;
  if (known !== undefined) return known;
  const made: Buffer[] = [];
  let open: string[] = [];
  let bytes = 0;
  frames.forEach((frame, i) => {
    const text = updateText(topic, frame);
    const size = Buffer.byteLength(text) + 1;
    if (open.length > 0 && (open.length >= options.perBatch || bytes + size > SYNC_LIMITS.bytesPerBatch - ENVELOPE_BYTES)) {
      made.push(batch(topic, open, false, frames[i - 1]!.id));
      open = [];
      bytes = 0;
    }
    open.push(text);
    bytes += size;
  });
  made.push(batch(topic, open, options.complete, frames.at(-1)?.id));
  if (cacheable) cache.set(frames, made);
  return made;
}

/** What a batch is beside its updates, generously. */
const ENVELOPE_BYTES = 1024;

function batch(topic: string, open: readonly string[], complete: boolean, head: string | undefined): Buffer {
  const heads = head === undefined ? "{}" : `{${JSON.stringify(topic)}:"${head}"}`;
  return textFrame(`{"type":"update_batch","updates":[${open.join(",")}],"replay_complete":${complete},"head_watermarks":${heads}}`);
}

/** What was said last, by topic: of a thousand who come back at once each is told the same. */
let lastCaughtUp: { readonly topic: string; readonly head: string; readonly frame: Buffer } | undefined;
/** History ends here, and this is where the topic stands. */
export function caughtUpFrame(topic: string, head: string): Buffer {
  if (lastCaughtUp?.topic !== topic || lastCaughtUp.head !== head) lastCaughtUp = { topic, head, frame: batch(topic, [], true, head) };
  return lastCaughtUp.frame;
}

const FINAL_TEXT = 0x81;

function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = FINAL_TEXT;
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127;
  if (head === 4) frame.writeUInt16BE(length, 2);
  if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.write(text, head);
  return frame;
}
