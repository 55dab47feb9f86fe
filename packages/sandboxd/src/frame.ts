/*
 * Frames of the sandboxd connection: the bytes on the wire, and nothing about their meaning.
 *
 *   ┌──────────────┬─────────┬──────────────┬─────────────┐
 *   │ length  u32  │ type u8 │ channel  u32 │ payload …   │   big-endian; length counts all that follows it
 *   └──────────────┴─────────┴──────────────┴─────────────┘
 *
 *   HELLO   channel 0   JSON                 first frame of either side
 *   OPEN    new channel JSON request         host → sandboxd only
 *   MESSAGE channel     JSON                 either way
 *   DATA    channel     u8 stream, bytes     costs as many bytes of the stream's window
 *   WINDOW  channel     u8 stream, u32       gives that many bytes back
 *   END     channel     u8 stream            no more DATA on this stream from this side
 *   CLOSE   channel     (empty)              the channel is forgotten by both
 *   PING / PONG  0      (empty)
 *
 * The peer of the host is a sandbox and may send anything: a frame longer than `MAX_FRAME_BYTES`
 * or of an unknown type is a protocol violation that ends the connection, never an allocation.
 */

export const FRAME = { HELLO: 0, OPEN: 1, MESSAGE: 2, DATA: 3, WINDOW: 4, END: 5, CLOSE: 6, PING: 7, PONG: 8 } as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

const HIGHEST_TYPE = FRAME.PONG;
const HEADER_BYTES = 9;
export const MAX_FRAME_BYTES = 1024 * 1024;
/** DATA is cut to this, so that one busy stream cannot hold up the others for long. */
export const MAX_DATA_BYTES = 64 * 1024;

export type Frame = { type: FrameType; channel: number; payload: Buffer };

export class ProtocolViolation extends Error {
  override name = "ProtocolViolation";
}

export function encodeFrame(type: FrameType, channel: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  if (payload.length + 5 > MAX_FRAME_BYTES)
    throw new RangeError(`a frame of ${payload.length} bytes is over the limit of ${MAX_FRAME_BYTES}`);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUInt32BE(payload.length + 5, 0);
  frame.writeUInt8(type, 4);
  frame.writeUInt32BE(channel, 5);
  payload.copy(frame, HEADER_BYTES);
  return frame;
}

export function encodeData(channel: number, stream: number, bytes: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + 1 + bytes.length);
  frame.writeUInt32BE(bytes.length + 6, 0);
  frame.writeUInt8(FRAME.DATA, 4);
  frame.writeUInt32BE(channel, 5);
  frame.writeUInt8(stream, 9);
  bytes.copy(frame, 10);
  return frame;
}

/** Turns arbitrary slices of the byte stream into frames; keeps at most one incomplete frame. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #held = 0;
  #need = 4;

  *push(chunk: Buffer): Generator<Frame> {
    this.#pieces.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= this.#need) {
      // One concat per chunk that completes something, not one per chunk: a 1 MiB frame in 64 KiB slices is copied once.
      const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#held);
      let at = 0;
      this.#need = 4;
      while (all.length - at >= 4) {
        const length = all.readUInt32BE(at);
        if (length < 5 || length > MAX_FRAME_BYTES) throw new ProtocolViolation(`frame length ${length}`);
        if (all.length - at < 4 + length) {
          this.#need = 4 + length;
          break;
        }
        const type = all.readUInt8(at + 4);
        if (type > HIGHEST_TYPE) throw new ProtocolViolation(`frame type ${type}`);
        yield { type: type as FrameType, channel: all.readUInt32BE(at + 5), payload: all.subarray(at + 9, at + 4 + length) };
        at += 4 + length;
      }
      const rest = all.subarray(at);
      this.#pieces = rest.length > 0 ? [rest] : [];
      this.#held = rest.length;
    }
  }
}
