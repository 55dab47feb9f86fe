/*
 * Many WebSockets that only listen, for `sync.ts`: a process of its own, on sockets of `node:net`, so that neither
 * the server nor what it is compared with waits for a client's library. Told what to do by lines of JSON, it answers
 * each with one.
 *
 *   {"do":"open", group, count, port, path, hello, at_once}  all of them, until each has caught up (with `hello`: an
 *                                                            update_batch says so; without: the handshake is done)
 *   {"do":"take", group}                                     what came since the last time
 *   {"do":"close", group}
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

interface Group {
  readonly sockets: Set<Socket>;
  /** Milliseconds from `recorded_at`, of every frame at every client. */
  delays: number[];
  /** Milliseconds from the first client that got the same frame. */
  spreads: number[];
  readonly firstAt: Map<string, number>;
  bytes: number;
  retries: number;
}
type Order =
  | { do: "open"; group: string; count: number; port: number; path: string; hello: string | null; at_once: number }
  | { do: "take" | "close"; group: string };

const groups = new Map<string, Group>();
/** Read into by every socket, one after the other. */
const shared = Buffer.allocUnsafe(256 * 1024);

/** A client's frame, masked with zeros: what is measured is the server. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** Length of the frame that begins there, head included; 0 when that cannot be told yet. */
function frameLength(data: Buffer, at: number): number {
  if (data.length < at + 2) return 0;
  const short = data[at + 1];
  if (short < 126) return 2 + short;
  if (short === 126) return data.length < at + 4 ? 0 : 4 + data.readUInt16BE(at + 2);
  return data.length < at + 10 ? 0 : 10 + Number(data.readBigUInt64BE(at + 2));
}

/** As a client does: whoever is cut off before having caught up comes again. */
async function open(group: Group, order: Extract<Order, { do: "open" }>): Promise<void> {
  for (;;) {
    try {
      return await once(group, order);
    } catch (error) {
      group.retries++;
      console.error(`again: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function once(group: Group, order: Extract<Order, { do: "open" }>): Promise<void> {
  const request =
    `GET ${order.path} HTTP/1.1\r\nHost: 127.0.0.1:${order.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`;
  const hello = order.hello === null ? null : masked(order.hello);
  return new Promise((resolve, reject) => {
    let isOpen = false;
    let rest: Buffer | null = null;
    function frame(data: Buffer, from: number, to: number): void {
      // Only what is near an end says anything; the middle of a page of history need not be looked at.
      if (hello !== null && data.latin1Slice(Math.max(from, to - 200), to).includes('"replay_complete":true')) resolve();
      const at = data.indexOf('"recorded_at":"', from, "latin1");
      if (at === -1 || at >= to) return;
      group.bytes = to - from;
      const recordedAt = data.latin1Slice(at + 15, at + 39);
      const now = performance.now();
      const first = group.firstAt.get(recordedAt);
      if (first === undefined) group.firstAt.set(recordedAt, now);
      group.delays.push(Date.now() - Date.parse(recordedAt));
      group.spreads.push(now - (first ?? now));
    }
    function read(given: Buffer): void {
      let data = rest === null ? given : Buffer.concat([rest, given]);
      rest = null;
      if (!isOpen) {
        const end = data.indexOf("\r\n\r\n");
        if (end !== -1) {
          isOpen = true;
          if (!data.latin1Slice(0, 12).endsWith("101")) return reject(new Error(data.latin1Slice(0, 200)));
          if (hello === null) resolve();
          else socket.write(hello);
          data = data.subarray(end + 4);
        }
      }
      let at = 0;
      if (isOpen)
        for (;;) {
          const length = frameLength(data, at);
          if (length === 0 || at + length > data.length) break;
          frame(data, at, at + length);
          at += length;
        }
      if (at < data.length) rest = Buffer.from(data.subarray(at));
    }
    const socket = connect({
      host: "127.0.0.1",
      port: order.port,
      noDelay: true,
      onread: { buffer: shared, callback: (size: number) => (read(shared.subarray(0, size)), true) },
    });
    group.sockets.add(socket);
    socket.on("connect", () => socket.write(request));
    socket.on("error", reject);
    socket.on("close", () => {
      group.sockets.delete(socket);
      reject(new Error("the server closed it"));
    });
  });
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN;
}

async function obey(order: Order): Promise<object> {
  const group = groups.get(order.group) ?? {
    sockets: new Set(),
    delays: [],
    spreads: [],
    firstAt: new Map<string, number>(),
    bytes: 0,
    retries: 0,
  };
  groups.set(order.group, group);
  switch (order.do) {
    case "open": {
      const from = performance.now();
      for (let done = 0; done < order.count; done += order.at_once)
        await Promise.all(Array.from({ length: Math.min(order.at_once, order.count - done) }, () => open(group, order)));
      group.delays = [];
      group.spreads = [];
      return { ms: Math.round(performance.now() - from), retries: group.retries };
    }
    case "take": {
      const { delays, spreads, bytes } = group;
      group.delays = [];
      group.spreads = [];
      return { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99), spread: quantile(spreads, 0.5), got: delays.length, bytes };
    }
    case "close":
      for (const socket of group.sockets) socket.removeAllListeners("close").resetAndDestroy();
      groups.delete(order.group);
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await obey(JSON.parse(line) as Order)));
process.exit(0);
