import { randomBytes } from "node:crypto";
import { duplexPair, type Duplex, type Readable } from "node:stream";
import { expect, test } from "vitest";
import { encodeData, encodeFrame, FRAME } from "./frame.ts";
import { ChannelSocket } from "./channel-socket.ts";
import { Mux, type Channel, type Json } from "./mux.ts";
import { WINDOW_BYTES } from "./streams.ts";

type Pair = { host: Mux; peer: Mux; opened: Promise<{ channel: Channel; request: Json }>; wire: Duplex; ended: Promise<Error | null> };

/** Two ends over an in-memory connection; `wire` is the far end's raw socket. */
function pair(): Pair {
  const [near, far] = duplexPair();
  let gotOpen: ((value: { channel: Channel; request: Json }) => void) | undefined;
  const opened = new Promise<{ channel: Channel; request: Json }>((resolve) => (gotOpen = resolve));
  let gotEnd: ((error: Error | null) => void) | undefined;
  const ended = new Promise<Error | null>((resolve) => (gotEnd = resolve));
  const host = new Mux(near, { onClose: (error) => gotEnd?.(error) });
  const peer = new Mux(far, { onOpen: (channel, request) => gotOpen?.({ channel, request }), onClose: () => undefined });
  return { host, peer, opened, wire: far, ended };
}

/** A host whose peer is this test, byte by byte. */
function hostAlone(): { host: Mux; wire: Duplex; ended: Promise<Error | null> } {
  const [near, far] = duplexPair();
  let gotEnd: ((error: Error | null) => void) | undefined;
  const ended = new Promise<Error | null>((resolve) => (gotEnd = resolve));
  far.resume();
  return { host: new Mux(near, { onClose: (error) => gotEnd?.(error) }), wire: far, ended };
}

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("three streams and messages of a channel arrive whole, in both directions at once", async () => {
  const { host, opened } = pair();
  const near = host.open({ kind: "test" });
  const { channel: far, request } = await opened;
  expect(request).toEqual({ kind: "test" });
  const payloads = [0, 1, 2].map(() => randomBytes(WINDOW_BYTES * 3 + 17));
  for (const stream of [0, 1, 2]) {
    near.writable(stream).end(payloads[stream]);
    far.writable(stream).end(payloads[stream]);
  }
  near.send({ hello: "far" });
  const message = new Promise<Json>((resolve) => far.onMessage(resolve));
  for (const stream of [0, 1, 2]) {
    const [a, b] = await Promise.all([bytesOf(near.readable(stream)), bytesOf(far.readable(stream))]);
    expect(a.equals(payloads[stream]!) && b.equals(payloads[stream]!)).toBe(true);
  }
  expect(await message).toEqual({ hello: "far" });
});

test("a sender stops at the window until the reader reads, and other channels go on", async () => {
  const { host, opened } = pair();
  const slow = host.open({});
  const { channel: far } = await opened;
  let written = 0;
  const out = far.writable(1);
  const pump = (): void =>
    void out.write(Buffer.alloc(10_000), () => {
      written += 10_000;
      if (written < WINDOW_BYTES * 5) setImmediate(pump);
    });
  pump();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(written).toBeLessThanOrEqual(WINDOW_BYTES);
  slow.readable(1).resume();
  await expect.poll(() => written).toBeGreaterThan(WINDOW_BYTES * 4);
});

test("a reader that begins late gets everything, also when it reads in bits", async () => {
  const { host, opened } = pair();
  const near = host.open({});
  const { channel: far } = await opened;
  const payload = randomBytes(WINDOW_BYTES * 2);
  far.writable(0).end(payload);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const stream = near.readable(0);
  const got: Buffer[] = [];
  await new Promise<void>((resolve) => {
    stream.on("readable", () => {
      for (let bit = stream.read(1000) as Buffer | null; bit; bit = stream.read(1000) as Buffer | null) got.push(bit);
      const rest = stream.read() as Buffer | null;
      if (rest) got.push(rest);
    });
    stream.on("end", resolve);
  });
  expect(Buffer.concat(got).equals(payload)).toBe(true);
});

test("an orderly close leaves what was sent before it to the reader", async () => {
  const { host, opened } = pair();
  const near = host.open({});
  const { channel: far } = await opened;
  far.writable(0).end("last words");
  far.close();
  const gone = new Promise<Error | null>((resolve) => near.onGone(resolve));
  expect(String(await bytesOf(near.readable(0)))).toBe("last words");
  expect(await gone).toBeNull();
});

test("a lost connection is an error to readers, writers and whoever waits, never an end", async () => {
  const { host, opened, wire, ended } = pair();
  const near = host.open({});
  await opened;
  const gone = new Promise<Error | null>((resolve) => near.onGone(resolve));
  const reading = bytesOf(near.readable(0));
  wire.end();
  await expect(reading).rejects.toThrow();
  expect(await gone).toBeInstanceOf(Error);
  await ended;
  expect(() => host.open({})).toThrow(/closed/);
});

test.each([
  [
    "more data than the window holds",
    (wire: Duplex) => {
      for (let i = 0; i < 5; i++) wire.write(encodeData(1, 0, Buffer.alloc(64 * 1024)));
    },
  ],
  ["a stream that does not exist", (wire: Duplex) => wire.write(encodeData(1, 9, Buffer.alloc(1)))],
  ["a message that is not JSON", (wire: Duplex) => wire.write(encodeFrame(FRAME.MESSAGE, 1, Buffer.from("{")))],
  ["a message that is no object", (wire: Duplex) => wire.write(encodeFrame(FRAME.MESSAGE, 1, Buffer.from("[1]")))],
  ["a channel opened from the wrong side", (wire: Duplex) => wire.write(encodeFrame(FRAME.OPEN, 2, Buffer.from("{}")))],
  ["a frame of 4 GiB", (wire: Duplex) => wire.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 1]))],
  [
    "endless messages that nobody reads",
    (wire: Duplex) => {
      for (let i = 0; i < 1100; i++) wire.write(encodeFrame(FRAME.MESSAGE, 1, Buffer.from("{}")));
    },
  ],
])("%s ends the connection, not the host", async (_what, misbehave) => {
  const { host, wire, ended } = hostAlone();
  host.open({});
  misbehave(wire);
  expect(await ended).toMatchObject({ name: "ProtocolViolation" });
});

test("frames of a channel that was closed are late, not wrong", async () => {
  const { host, wire } = hostAlone();
  host.open({}).close();
  wire.write(encodeData(1, 0, Buffer.from("late")));
  await new Promise((resolve) => setImmediate(resolve));
  expect(host.closed).toBe(false);
});

test("a channel as a socket passes bytes, half-closes and closes", async () => {
  const { host, opened } = pair();
  const socket = new ChannelSocket(host.open({}));
  const { channel: far } = await opened;
  socket.end("question");
  expect(String(await bytesOf(far.readable(0)))).toBe("question");
  far.writable(0).end("answer");
  expect(String(await bytesOf(socket))).toBe("answer");
  far.close();
  await expect.poll(() => socket.destroyed).toBe(true);
});
