/*
 * Cuts a server-sent event stream into whole events without changing a byte of it. A part of an
 * event is held back until the rest is there, so that what a client has seen is always whole and an
 * error can follow it. Lines end in LF or CRLF, as every model API writes them.
 */
export interface SseEvent {
  /** As it came, with the empty line that ends it. */
  readonly raw: Buffer;
  readonly event: string | null;
  readonly data: string;
}

/** No honest event is larger; beyond it the stream is not server-sent events. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

export class SseSplitter {
  #held: Buffer = Buffer.alloc(0);
  #scanned = 0;
  #lineStart = 0;

  /** The events that `chunk` completes. */
  push(chunk: Uint8Array): SseEvent[] {
    this.#held =
      this.#held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([this.#held, chunk]);
    const events: SseEvent[] = [];
    let start = 0;
    for (let at = this.#scanned; at < this.#held.length; at++) {
      if (this.#held[at] !== LF) continue;
      const isEmpty = at === this.#lineStart || (at === this.#lineStart + 1 && this.#held[this.#lineStart] === CR);
      this.#lineStart = at + 1;
      if (!isEmpty) continue;
      events.push(parse(this.#held.subarray(start, at + 1)));
      start = at + 1;
    }
    this.#held = this.#held.subarray(start);
    this.#scanned = this.#held.length;
    this.#lineStart -= start;
    if (this.#held.length > MAX_EVENT_BYTES) throw new Error(`an event is larger than ${MAX_EVENT_BYTES} bytes`);
    return events;
  }

  /** What is left when the stream has ended: an event without its empty line, or nothing. */
  end(): Buffer {
    return this.#held;
  }
}

function parse(raw: Buffer): SseEvent {
  let event: string | null = null;
  const data: string[] = [];
  for (const line of raw.toString("utf8").split("\n")) {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text.startsWith("data:")) data.push(text.slice(text[5] === " " ? 6 : 5));
    else if (text.startsWith("event:")) event = text.slice(6).trim();
  }
  return { raw, event, data: data.join("\n") };
}
