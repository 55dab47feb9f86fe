/*
 * Listening in a host-owned folder that is bound into a sandbox.
 *
 * A Unix socket's path has 107 bytes, and a data directory below a home with a long name uses most of them. The limit
 * is on what is passed to the kernel, not on where it leads: through a descriptor of the folder any depth will do.
 */
import { chmodSync, closeSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";

const PATH_BYTES = 107;
const O_PATH = 0o10000000;
const O_DIRECTORY = 0o200000;

/**
 * Bound under a name of its own and renamed: a server that closes removes the socket by the name that it was bound
 * with, and when a sandbox is handed over to another process, that one's socket has the final name by then. Under that
 * name it is removed only while it is still the same socket.
 *
 * Replaces whatever a killed server left under that name. Anyone may connect who can reach it, which is the sandbox
 * that has the folder and nobody else: the folder of a sandbox is no secret, but only its own namespace leads there.
 */
export async function listenInFolder(server: Server, folder: string, name: string): Promise<void> {
  const draft = `${name}.${process.pid}`;
  const path = join(folder, draft);
  rmSync(path, { force: true });
  if (Buffer.byteLength(path) <= PATH_BYTES) {
    await listen(server, path);
  } else {
    const descriptor = openSync(folder, O_PATH | O_DIRECTORY);
    // The server removes its socket when it closes, by the path that it was given: until then that must lead there.
    server.once("close", () => closeSync(descriptor));
    await listen(server, `/proc/self/fd/${descriptor}/${draft}`);
  }
  chmodSync(path, 0o666);
  const ours = statSync(path).ino;
  const final = join(folder, name);
  renameSync(path, final);
  server.once("close", () => {
    if (statSync(final, { throwIfNoEntry: false })?.ino === ours) rmSync(final, { force: true });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
