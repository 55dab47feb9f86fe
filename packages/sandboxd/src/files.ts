/*
 * Reading and writing single files from inside, so that links are followed where they can only reach the sandbox.
 * Trees go through `tar` as an ordinary process.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
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
  mkdir(dirname(path), { recursive: true })
    .then(() => pipeline(channel.readable(0), createWriteStream(path, { mode })))
    .then(
      () => {
        tell(channel, { type: "done" });
        channel.close();
      },
      (error: NodeJS.ErrnoException) => fail(channel, error.code ?? "write_failed", error.message),
    );
}
