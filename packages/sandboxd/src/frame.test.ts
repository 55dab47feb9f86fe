import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeData, encodeFrame, FRAME, FrameReader, MAX_FRAME_BYTES, ProtocolViolation, type Frame } from "./frame.ts";

const read = (reader: FrameReader, bytes: Buffer): Frame[] =>
  [...reader.push(bytes)].map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) }));

test("frames come out whole and in order however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ type: fc.constantFrom(...Object.values(FRAME)), channel: fc.nat(), payload: fc.uint8Array({ maxLength: 300 }) }),
        { maxLength: 20 },
      ),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (frames, cuts) => {
        const wire = Buffer.concat(frames.map((frame) => encodeFrame(frame.type, frame.channel, Buffer.from(frame.payload))));
        const reader = new FrameReader();
        const got: Frame[] = [];
        for (let at = 0, i = 0; at < wire.length; i++) {
          const next = Math.min(wire.length, at + cuts[i % cuts.length]!);
          got.push(...read(reader, wire.subarray(at, next)));
          at = next;
        }
        expect(got).toEqual(frames.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) })));
      },
    ),
  );
});

test("data carries its stream and any bytes", () => {
  const [frame] = read(new FrameReader(), encodeData(7, 2, Buffer.from([0xff, 0x00, 0xc3, 0x28])));
  expect(frame).toEqual({ type: FRAME.DATA, channel: 7, payload: Buffer.from([2, 0xff, 0x00, 0xc3, 0x28]) });
});

test.each([
  ["a length beyond the limit", Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ["a length that cannot hold a header", Buffer.from([0, 0, 0, 4, 0, 0, 0, 0])],
  ["a type that does not exist", encodeFrameOfType(99)],
])("%s is a violation before anything is allocated for it", (_what, bytes) => {
  expect(() => read(new FrameReader(), bytes)).toThrow(ProtocolViolation);
});

test("a frame over the limit cannot be made", () => {
  expect(() => encodeFrame(FRAME.MESSAGE, 1, Buffer.alloc(MAX_FRAME_BYTES))).toThrow(RangeError);
});

function encodeFrameOfType(type: number): Buffer {
  const frame = encodeFrame(FRAME.PING, 0);
  frame.writeUInt8(type, 4);
  return frame;
}
