/*
 * The two ends of one byte stream of a channel, and the window between them.
 */
import { Readable, Writable } from "node:stream";
import { MAX_DATA_BYTES, ProtocolViolation } from "./frame.ts";

/** What a sender may have unacknowledged. */
export const WINDOW_BYTES = 256 * 1024;

export class InStream extends Readable {
  readonly #grant: (credit: number) => void;
  #outstanding = WINDOW_BYTES;
  #ended = false;
  #settling = false;

  constructor(grant: (credit: number) => void) {
    super({ highWaterMark: WINDOW_BYTES });
    this.#grant = grant;
    // A stream that nobody reads may fail; whoever reads it has a listener of their own.
    this.on("error", () => undefined);
  }

  receive(bytes: Buffer): void {
    if (bytes.length > this.#outstanding) throw new ProtocolViolation("DATA beyond the window");
    this.#outstanding -= bytes.length;
    if (this.#ended || this.destroyed) {
      this.#giveBack(bytes.length);
      return;
    }
    if (bytes.length > 0) this.push(bytes);
  }

  end(): void {
    if (this.#ended || this.destroyed) return;
    this.#ended = true;
    this.push(null);
  }

  override _read(): void {
    if (this.#settling) return;
    this.#settling = true;
    // Node asks before it takes the bytes out of its buffer: only a microtask later is it known what was consumed.
    queueMicrotask(() => {
      this.#settling = false;
      if (this.#ended || this.destroyed) return;
      const credit = WINDOW_BYTES - this.readableLength - this.#outstanding;
      // Node does not ask again before the next push, so with nothing outstanding even a crumb must be given.
      if (credit >= WINDOW_BYTES / 4 || (this.#outstanding === 0 && credit > 0)) this.#giveBack(credit);
    });
  }

  #giveBack(credit: number): void {
    this.#outstanding += credit;
    this.#grant(credit);
  }
}

export class OutStream extends Writable {
  readonly #send: (bytes: Buffer) => void;
  readonly #sendEnd: () => void;
  #credit = WINDOW_BYTES;
  #waiting: { bytes: Buffer; done: (error?: Error | null) => void } | null = null;

  constructor(send: (bytes: Buffer) => void, sendEnd: () => void) {
    super({ highWaterMark: MAX_DATA_BYTES });
    this.#send = send;
    this.#sendEnd = sendEnd;
    this.on("error", () => undefined);
  }

  grant(credit: number): void {
    this.#credit = Math.min(this.#credit + credit, WINDOW_BYTES);
    const waiting = this.#waiting;
    if (!waiting) return;
    this.#waiting = null;
    this.#push(waiting.bytes, waiting.done);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#push(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sendEnd();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.done(error ?? new Error("the channel was closed"));
    done(error);
  }

  #push(bytes: Buffer, done: (error?: Error | null) => void): void {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, this.#credit, MAX_DATA_BYTES);
      if (length === 0) {
        this.#waiting = { bytes: bytes.subarray(at), done };
        return;
      }
      this.#credit -= length;
      this.#send(bytes.subarray(at, at + length));
      at += length;
    }
    done();
  }
}
