/*
 * Looking at the files of a folder (the workspace) from inside, for people: a directory's entries, a file's beginning.
 *
 * Names are bytes here and travel as base64: an agent may make any. What a path leads to is decided by the kernel of
 * the sandbox (`realpath`), and must lie in the folder. An agent that swaps a link in between wins the race and gains
 * nothing: whatever is opened here is a file of its own sandbox. A FIFO or a device is never opened for reading, since
 * that could wait for ever.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, opendir, read, realpathSync } from "node:fs";
import type { Channel } from "./mux.ts";
import { fail, tell } from "./processes.ts";
import type { ListRequest, OpenRequest } from "./wire.ts";

/** Names of a directory that are looked at before they are sorted and cut. */
const MOST_NAMES = 100_000;
const SLASH = Buffer.from("/");

type Listed = { name: Buffer; directory: boolean; sort: string };

export function listInto(channel: Channel, request: ListRequest): void {
  names(request).then(
    ({ directory, found, more }) => {
      // Not before somebody asks: the collator takes milliseconds to make.
      const { compare } = new Intl.Collator("en", { numeric: true });
      found.sort((a, b) => Number(b.directory) - Number(a.directory) || compare(a.sort, b.sort));
      const entries = found.slice(0, request.limit).flatMap(({ name }) => {
        const stat = lstatSync(Buffer.concat([directory, SLASH, name]), { throwIfNoEntry: false });
        if (stat === undefined) return [];
        const type = stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : stat.isFile() ? "file" : "other";
        return [{ name: name.toString("base64"), type, size: stat.size, modifiedMs: Math.round(stat.mtimeMs) }];
      });
      tell(channel, { type: "ready" });
      channel.writable(0).end(JSON.stringify({ entries, truncated: more || found.length > request.limit }), () => channel.close());
    },
    (error: NodeJS.ErrnoException) => fail(channel, error.code ?? "list_failed", "the directory cannot be listed"),
  );
}

async function names(request: ListRequest): Promise<{ directory: Buffer; found: Listed[]; more: boolean }> {
  const directory = within(request.root, request.path);
  const found: Listed[] = [];
  const handle = await new Promise<AsyncIterable<{ name: unknown; isDirectory(): boolean }> & { close(): Promise<void> }>(
    (resolve, reject) =>
      opendir(directory, { encoding: "buffer" as never, bufferSize: 512 }, (error, opened) => (error ? reject(error) : resolve(opened))),
  );
  for await (const entry of handle) {
    if (found.length === MOST_NAMES) return { directory, found, more: true };
    const name = entry.name as Buffer;
    found.push({ name, directory: entry.isDirectory(), sort: name.toString("utf8") });
  }
  return { directory, found, more: false };
}

export function openInto(channel: Channel, request: OpenRequest): void {
  let descriptor: number;
  let size: number;
  let modifiedMs: number;
  try {
    const path = within(request.root, request.path);
    if (!lstatSync(path).isFile()) return fail(channel, "not_a_file", "only ordinary files can be read");
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    ({ size, mtimeMs: modifiedMs } = fstatSync(descriptor));
  } catch (error) {
    return fail(channel, (error as NodeJS.ErrnoException).code ?? "open_failed", "the file cannot be opened");
  }
  tell(channel, { type: "file", size, modifiedMs: Math.round(modifiedMs) });
  const out = channel.writable(0);
  const done = (): void => {
    closeSync(descriptor);
    out.end(() => channel.close());
  };
  const buffer = Buffer.allocUnsafe(64 * 1024);
  const next = (at: number): void => {
    const want = Math.min(buffer.length, request.maxBytes - at);
    if (want === 0) return done();
    read(descriptor, buffer, 0, want, at, (error, got) => {
      if (error || got === 0) return done();
      out.write(Buffer.from(buffer.subarray(0, got)), (failed) => (failed ? done() : next(at + got)));
    });
  };
  next(0);
}

/** Where `path` (base64, relative) leads; throws `outside` when that is not in `root`. */
function within(root: string, path: string): Buffer {
  const folder = realpathSync(root, { encoding: "buffer" });
  const bytes = Buffer.from(path, "base64");
  const found = bytes.length === 0 ? folder : realpathSync.native(Buffer.concat([folder, SLASH, bytes]), { encoding: "buffer" });
  if (found.equals(folder) || found.subarray(0, folder.length + 1).equals(Buffer.concat([folder, SLASH]))) return found;
  throw Object.assign(new Error("the path leads out of the folder"), { code: "outside" });
}
