/*
 * Reading and writing single files from inside, so that links are followed where they can only reach the sandbox.
 * Trees go through `tar` as an ordinary process.
 */
import { createReadStream, createWriteStream, mkdir } from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Channel } from "./mux.ts";
import { fail, tell } from "./processes.ts";

export function readInto(channel: Channel, path: string): void {
  const file = createReadStream(path);
  file.once("open", () => tell(channel, { type: "ready" }));
  pipeline(file, channel.writable(0)).then(
    () => channel.close(),
    (error: NodeJS.ErrnoException) => fail(channel, error.code ?? "read_failed", error.message),
  );
}

export function writeFrom(channel: Channel, path: string, mode: number): void {
  const failed = (error: NodeJS.ErrnoException): void => fail(channel, error.code ?? "write_failed", error.message);
  mkdir(dirname(path), { recursive: true }, (error) => {
    if (error) return failed(error);
    pipeline(channel.readable(0), createWriteStream(path, { mode })).then(() => {
      tell(channel, { type: "done" });
      channel.close();
    }, failed);
  });
}
