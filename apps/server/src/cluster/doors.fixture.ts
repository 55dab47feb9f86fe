/* Everything that somebody can keep open at a gateway, each with when it ended. */
import { WebSocket } from "ws";

export interface Doors {
  /** When each of them was over, by `performance.now()`. */
  readonly ended: Readonly<Record<string, Promise<number>>>;
  close(): void;
}

/** Resolves when every one of them is open. */
export async function openDoors(of: {
  readonly gatewayUrl: string;
  readonly roomId: string;
  readonly terminalId: string;
  /** What proves who they are: `authorization` or `cookie`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly syncToken: string;
}): Promise<Doors> {
  const { gatewayUrl, roomId, headers, syncToken } = of;
  const ended: Record<string, Promise<number>> = {};
  const abort = new AbortController();
  const sockets: WebSocket[] = [];
  const opened: Promise<unknown>[] = [];

  function stream(name: string, path: string): void {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    opened.push(promise);
    ended[name] = (async () => {
      const answer = await fetch(gatewayUrl + path, { headers, signal: abort.signal });
      if (answer.status !== 200) {
        reject(new Error(`${name}: ${answer.status} ${await answer.text()}`));
        return Number.NaN;
      }
      try {
        for await (const _chunk of answer.body!) resolve();
      } catch (error) {
        if (abort.signal.aborted) throw error;
        // Cut rather than ended.
      }
      return performance.now();
    })();
  }
  function socket(name: string, path: string, hello: object | null, isOpen: (text: string) => boolean): void {
    const ws = new WebSocket(`${gatewayUrl.replace("http", "ws")}${path}`);
    sockets.push(ws);
    opened.push(
      new Promise<void>((resolve, reject) => {
        ws.on("error", reject);
        ws.on("open", () => hello !== null && ws.send(JSON.stringify(hello)));
        ws.on("message", (data: Buffer) => isOpen(data.toString()) && resolve());
      }),
    );
    ended[name] = new Promise((resolve) => {
      ws.on("close", () => resolve(performance.now()));
      // Out of the room the topic ends, and the socket goes on.
      ws.on("message", (data: Buffer) => data.toString().includes('"forbidden_topic"') && resolve(performance.now()));
    });
  }

  stream("event stream", `/v1/streams/rooms/${roomId}?from_seq=0`);
  stream("durable stream", `/v1/durable/rooms/${roomId}?offset=-1&live=sse`);
  ended["long poll"] = fetch(`${gatewayUrl}/v1/durable/rooms/${roomId}?offset=now&live=long-poll`, { headers, signal: abort.signal }).then(
    () => performance.now(),
  );
  const topic = `room:${roomId}`;
  socket("sync socket", `/v1/sync?token=${syncToken}`, { type: "subscribe", topics: [topic] }, (text) =>
    text.includes('"replay_complete":true'),
  );
  socket("terminal", `/v1/terminals/socket?token=${syncToken}&terminal=${of.terminalId}`, null, (text) => text.includes('"ready"'));
  for (const one of Object.values(ended)) one.catch(() => undefined);
  await Promise.all(opened);
  return {
    ended,
    close() {
      abort.abort();
      for (const ws of sockets) ws.terminate();
    },
  };
}
