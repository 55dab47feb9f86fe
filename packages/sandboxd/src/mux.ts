/*
 * Many channels over one connection, with a window per stream. Used unchanged by both ends.
 *
 * A channel has three byte streams each way (0, 1, 2), all optional, and JSON messages. A sender may have
 * `WINDOW_BYTES` of a stream unacknowledged; the receiver gives bytes back as its reader consumes them. So a
 * tool that prints 50 MB costs at most a window on either side, and a slow reader stops only its own stream:
 * in the end the kernel's pipe fills and the tool waits in write(2).
 *
 * Nothing here trusts the peer: DATA beyond the window is a violation, unknown channels are ignored (they are
 * late frames of a closed one), and only the side with `mayOpen: false` accepts OPEN.
 */
import type { Duplex, Readable, Writable } from "node:stream";
import { encodeData, encodeFrame, FRAME, FrameReader, ProtocolViolation, type Frame } from "./frame.ts";
import { InStream, OutStream } from "./streams.ts";

const STREAMS = 3;
const PING_EVERY_MS = 15_000;

export type Json = { [key: string]: unknown };

export type MuxOptions = {
  /** The host opens channels; sandboxd answers them. */
  onOpen?: ((channel: Channel, request: Json) => void) | undefined;
  onHello?: ((hello: Json) => void) | undefined;
  /** Called once, with the reason when it was not an orderly end. */
  onClose: (error: Error | null) => void;
};

export class Mux {
  readonly #socket: Duplex;
  readonly #options: MuxOptions;
  readonly #reader = new FrameReader();
  readonly #channels = new Map<number, Channel>();
  readonly #pinger: NodeJS.Timeout;
  #nextChannel = 1;
  #closed = false;
  #heard = true;

  constructor(socket: Duplex, options: MuxOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.close(error));
    socket.on("end", () => this.close(null));
    socket.on("close", () => this.close(null));
    this.#pinger = setInterval(() => {
      if (!this.#heard) return this.close(new Error("the peer has been silent for two ping intervals"));
      this.#heard = false;
      this.write(encodeFrame(FRAME.PING, 0));
    }, PING_EVERY_MS);
    this.#pinger.unref();
  }

  get closed(): boolean {
    return this.#closed;
  }

  hello(body: Json): void {
    this.write(encodeFrame(FRAME.HELLO, 0, Buffer.from(JSON.stringify(body))));
  }

  open(request: Json): Channel {
    if (this.#closed) throw new Error("the connection to the sandbox is closed");
    const frame = encodeFrame(FRAME.OPEN, this.#nextChannel, Buffer.from(JSON.stringify(request)));
    const channel = new Channel(this, this.#nextChannel++);
    this.#channels.set(channel.id, channel);
    this.write(frame);
    return channel;
  }

  /** For `Channel`. */
  write(frame: Buffer): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(frame);
  }

  /** For `Channel`. */
  forget(channel: Channel): void {
    this.#channels.delete(channel.id);
  }

  close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#pinger);
    this.#socket.destroy();
    const reason = error ?? new Error("the connection to the sandbox was closed");
    for (const channel of this.#channels.values()) channel.lost(reason);
    this.#channels.clear();
    this.#options.onClose(error);
  }

  #receive(chunk: Buffer): void {
    this.#heard = true;
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (this.#closed) return;
        this.#handle(frame);
      }
    } catch (error) {
      // Whatever the peer sent, the harm ends with its connection.
      this.close(error instanceof Error ? error : new ProtocolViolation(String(error)));
    }
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case FRAME.HELLO:
        return this.#options.onHello?.(parse(frame.payload));
      case FRAME.PING:
        return this.write(encodeFrame(FRAME.PONG, 0));
      case FRAME.PONG:
        return;
      case FRAME.OPEN: {
        if (!this.#options.onOpen) throw new ProtocolViolation("this side does not accept channels");
        if (this.#channels.has(frame.channel)) throw new ProtocolViolation(`channel ${frame.channel} is open already`);
        const channel = new Channel(this, frame.channel);
        this.#channels.set(frame.channel, channel);
        return this.#options.onOpen(channel, parse(frame.payload));
      }
      default:
        return this.#channels.get(frame.channel)?.handle(frame);
    }
  }
}

export class Channel {
  readonly id: number;
  readonly #mux: Mux;
  readonly #in: (InStream | undefined)[] = [];
  readonly #out: (OutStream | undefined)[] = [];
  #onMessage: ((message: Json) => void) | null = null;
  #unheard: Json[] = [];
  #onGone: ((error: Error | null) => void) | null = null;
  #gone: { error: Error | null } | null = null;

  constructor(mux: Mux, id: number) {
    this.#mux = mux;
    this.id = id;
  }

  send(message: Json): void {
    if (!this.#gone) this.#mux.write(encodeFrame(FRAME.MESSAGE, this.id, Buffer.from(JSON.stringify(message))));
  }

  /** Messages that came before are delivered at once. */
  onMessage(listener: (message: Json) => void): void {
    this.#onMessage = listener;
    for (const message of this.#unheard.splice(0)) listener(message);
  }

  /** Called once: with null after an orderly close by the peer, with an error when the connection was lost. */
  onGone(listener: (error: Error | null) => void): void {
    if (this.#gone) listener(this.#gone.error);
    else this.#onGone = listener;
  }

  readable(stream: number): Readable {
    return (this.#in[stream] ??= new InStream((credit) => this.#grant(stream, credit)));
  }

  writable(stream: number): Writable {
    return (this.#out[stream] ??= new OutStream(
      (bytes) => this.#mux.write(encodeData(this.id, stream, bytes)),
      () => this.#mux.write(encodeFrame(FRAME.END, this.id, Buffer.from([stream]))),
    ));
  }

  close(): void {
    if (this.#gone) return;
    this.#mux.write(encodeFrame(FRAME.CLOSE, this.id));
    this.#leave(null);
  }

  /** For `Mux`. */
  lost(error: Error): void {
    this.#leave(error);
  }

  /** For `Mux`. */
  handle(frame: Frame): void {
    switch (frame.type) {
      case FRAME.MESSAGE: {
        const message = parse(frame.payload);
        if (this.#onMessage) this.#onMessage(message);
        else if (this.#unheard.push(message) > 1000) throw new ProtocolViolation("messages before anybody listens");
        return;
      }
      case FRAME.DATA: {
        const into = this.readable(streamOf(frame)) as InStream;
        // Copied: the slice would keep the whole received buffer alive for as long as the reader is slow.
        return into.receive(Buffer.from(frame.payload.subarray(1)));
      }
      case FRAME.WINDOW: {
        if (frame.payload.length !== 5) throw new ProtocolViolation("WINDOW of another size");
        const out = this.writable(streamOf(frame)) as OutStream;
        return out.grant(frame.payload.readUInt32BE(1));
      }
      case FRAME.END:
        return (this.readable(streamOf(frame)) as InStream).end();
      case FRAME.CLOSE:
        return this.#leave(null);
      default:
        throw new ProtocolViolation(`frame ${frame.type} on a channel`);
    }
  }

  #grant(stream: number, credit: number): void {
    if (this.#gone) return;
    const payload = Buffer.allocUnsafe(5);
    payload.writeUInt8(stream, 0);
    payload.writeUInt32BE(credit, 1);
    this.#mux.write(encodeFrame(FRAME.WINDOW, this.id, payload));
  }

  #leave(error: Error | null): void {
    if (this.#gone) return;
    this.#gone = { error };
    this.#mux.forget(this);
    // An orderly close leaves what was already received to its reader; a lost connection must not look like an end.
    for (const stream of this.#in) {
      if (error) stream?.destroy(error);
      else stream?.end();
    }
    for (const stream of this.#out) stream?.destroy(error ?? undefined);
    this.#onGone?.(error);
  }
}

function streamOf(frame: Frame): number {
  const stream = frame.payload[0];
  if (stream === undefined || stream >= STREAMS) throw new ProtocolViolation(`stream ${stream}`);
  return stream;
}

function parse(payload: Buffer): Json {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch (cause) {
    throw new ProtocolViolation("a message that is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ProtocolViolation("a message that is not an object");
  return value as Json;
}
