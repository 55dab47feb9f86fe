import { Duplex, type Readable, type Writable } from "node:stream";
import type { Channel } from "./mux.ts";

/**
 * Stream 0 of a channel as a socket. The no-op methods are the ones that `node:http` and undici call on
 * whatever `createConnection` hands them.
 */
export class ChannelSocket extends Duplex {
  readonly #channel: Channel;
  readonly #from: Readable;
  readonly #to: Writable;

  constructor(channel: Channel) {
    super({ allowHalfOpen: true });
    this.#channel = channel;
    this.#from = channel.readable(0);
    this.#to = channel.writable(0);
    this.#from.on("data", (bytes: Buffer) => {
      if (!this.push(bytes)) this.#from.pause();
    });
    this.#from.on("end", () => this.push(null));
    channel.onGone((error) => {
      if (error) this.destroy(error);
      else if (!this.#from.readableEnded) this.#from.once("end", () => this.end());
    });
  }

  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  override _read(): void {
    this.#from.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#to.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#to.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#channel.close();
    done(error);
  }
}
