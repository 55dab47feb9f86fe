/* A client of `sync:v1` as tests want one: everything that came, and how to wait for it. */
import type { ServerFrame, SyncUpdate } from "@signalbox/contract/sync";
import { expect } from "vitest";
import { WebSocket } from "ws";

export interface TestSocket {
  readonly frames: ServerFrame[];
  readonly updates: SyncUpdate[];
  readonly closed: Promise<number>;
  /** The connection itself, for tests of what a client may do to it. */
  readonly ws: WebSocket;
  send(frame: unknown): void;
  until(predicate: () => boolean): Promise<void>;
  error(code: string): Promise<Extract<ServerFrame, { type: "error" }>>;
  caughtUp(topic: string): Promise<void>;
  close(): void;
}

export function openSocket(port: number, token: string): Promise<TestSocket> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/sync?token=${token}`);
    const frames: ServerFrame[] = [];
    const updates: SyncUpdate[] = [];
    const closed = new Promise<number>((done) => ws.on("close", done));
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as ServerFrame;
      frames.push(frame);
      if (frame.type === "update_batch") updates.push(...frame.updates);
    });
    ws.on("error", reject);
    ws.on("open", () => {
      const until = async (predicate: () => boolean) => expect.poll(predicate, { timeout: 20_000, interval: 5 }).toBe(true);
      const errors = () => frames.filter((frame) => frame.type === "error");
      let from = 0;
      resolve({
        frames,
        updates,
        closed,
        ws,
        until,
        send: (frame) => {
          from = frames.length;
          ws.send(typeof frame === "string" ? frame : JSON.stringify(frame));
        },
        async error(code) {
          await until(() => errors().some((frame) => frame.code === code));
          return errors().find((frame) => frame.code === code)!;
        },
        caughtUp: (topic) =>
          until(() => frames.slice(from).some((f) => f.type === "update_batch" && f.replay_complete && topic in f.head_watermarks)),
        close: () => ws.close(),
      });
    });
  });
}
