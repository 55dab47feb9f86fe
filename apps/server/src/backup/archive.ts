/*
 * A backup is one file: tar in zstd, so that `tar --zstd -tf` shows what is in it.
 *
 *   database/<table>/<part>     rows as COPY writes them
 *   blobs/… keys/… …            files of the data directory
 *   manifest.json               last: what the others are, each with its sha256
 *   ─── behind the tar          the manifest once more, in a frame that zstd and tar skip:
 *                               magic, length, manifest, its length, "sbmanif1"
 *
 * What stands at the end is found without reading the rest, so that a backup that cannot be restored is refused at once.
 * Then it is read twice: once to check every byte against the manifest, and only then to use it.
 * Format 1 had no manifest at the end.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { extract, pack } from "tar-stream";
import { z } from "zod";

const FORMAT = "signalbox-backup/2";
const MANIFEST = "manifest.json";

export const Manifest = z.object({
  format: z.enum(["signalbox-backup/1", FORMAT]),
  version: z.string(),
  created_at: z.string(),
  /** Everything up to here is in it. */
  position: z.int(),
  /** sha256 over the heads of all streams. */
  heads: z.string(),
  migrations: z.array(z.object({ set: z.string(), number: z.int(), name: z.string(), hash: z.string() })),
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()), rows: z.int() })),
  sequences: z.array(z.object({ name: z.string(), last: z.string() })),
  entries: z.array(z.object({ name: z.string(), size: z.int(), sha256: z.string(), mode: z.int() })),
});
export type Manifest = z.infer<typeof Manifest>;
type Entry = Manifest["entries"][number];

/** What is wrong, and what to do about it. */
export class BackupError extends Error {
  override name = "BackupError";
  readonly fix: string;
  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options);
    this.fix = fix;
  }
}

export interface ArchiveWriter {
  add(name: string, bytes: Buffer): Promise<void>;
  addFile(name: string, file: string): Promise<void>;
  /** As long as it is said to be, or the archive is no good. */
  addStream(name: string, size: number, mode: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Durable, under its name, once it resolves; the manifest's sha256. */
  finish(manifest: Omit<Manifest, "format" | "entries">): Promise<string>;
  abandon(): Promise<void>;
}

export function writeArchive(output: string): ArchiveWriter {
  const draft = `${output}.partial`;
  const tar = pack();
  const entries: Entry[] = [];
  // With zstd's own checksum: the manifest names the sha256 of everything but itself.
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  // 0600: it holds the private keys.
  const written = pipeline(tar, zstd, createWriteStream(draft, { mode: 0o600, flags: "w" }));
  written.catch(() => undefined); // told by `finish`
  let failed: Error | undefined;
  written.catch((error: Error) => (failed = error));
  const put = (name: string, bytes: Buffer, mode = 0o600): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failed !== undefined) return reject(failed);
      tar.entry({ name, size: bytes.length, mode }, bytes, (error) => (error == null ? resolve() : reject(error)));
    });
  return {
    async add(name, bytes) {
      entries.push({ name, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex"), mode: 0o600 });
      await put(name, bytes);
    },
    async addFile(name, file) {
      const { size, mode } = await stat(file);
      // As long as it was when its header was written: what grows meanwhile is no key.
      await this.addStream(name, size, mode & 0o777, createReadStream(file, { end: Math.max(0, size - 1) }));
    },
    async addStream(name, size, mode, content) {
      const hash = createHash("sha256");
      const into = tar.entry({ name, size, mode });
      if (size === 0) into.end(null);
      else
        await pipeline(
          content,
          new Transform({
            transform(chunk: Buffer, _, done) {
              hash.update(chunk);
              done(null, chunk);
            },
          }),
          into,
        );
      entries.push({ name, size, sha256: hash.digest("hex"), mode });
    },
    async finish(manifest) {
      const text = Buffer.from(`${JSON.stringify({ format: FORMAT, ...manifest, entries }, null, 1)}\n`);
      await put(MANIFEST, text);
      tar.finalize();
      await written;
      const file = await open(draft, "a");
      await file.writeFile(endOf(text));
      await file.sync();
      await file.close();
      await rename(draft, output);
      const home = await open(path.dirname(path.resolve(output)), "r");
      await home.sync();
      await home.close();
      return createHash("sha256").update(text).digest("hex");
    },
    async abandon() {
      tar.destroy(new Error("the backup was abandoned"));
      await written.catch(() => undefined); // it was abandoned
      await rm(draft, { force: true });
    },
  };
}

const NAME = /^(database\/[a-z0-9_]+\/\d{6}|(blobs|keys)(\/[0-9A-Za-z_.-]+)+|git-credentials)$/;
/** Tables' parts and keys are small; content is not kept in memory. */
type Visit = (entry: Entry, content: AsyncIterable<Buffer>) => Promise<void>;

/** One of zstd's numbers for frames that decoders skip. */
const SKIPPED = 0x184d2a5b;
const END = Buffer.from("sbmanif1");

function endOf(manifest: Buffer): Buffer {
  const [head, length] = [Buffer.alloc(8), Buffer.alloc(4)];
  head.writeUInt32LE(SKIPPED, 0);
  head.writeUInt32LE(manifest.length + length.length + END.length, 4);
  length.writeUInt32LE(manifest.length);
  return Buffer.concat([head, manifest, length, END]);
}

/** The manifest at the end, and where the tar before it ends. Null: there is none (format 1, or not as it was written). */
async function readEnd(file: string): Promise<{ readonly bytes: Buffer; readonly tarBytes: number } | null> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(4 + END.length);
    if (size < 8 + tail.length) return null;
    await handle.read(tail, 0, tail.length, size - tail.length);
    const length = tail.readUInt32LE(0);
    const tarBytes = size - tail.length - length - 8;
    if (!tail.subarray(4).equals(END) || tarBytes < 0) return null;
    const frame = Buffer.alloc(8 + length);
    await handle.read(frame, 0, frame.length, tarBytes);
    if (frame.readUInt32LE(0) !== SKIPPED || frame.readUInt32LE(4) !== length + tail.length) return null;
    return { bytes: frame.subarray(8), tarBytes };
  } finally {
    await handle.close();
  }
}

/** What a backup says of itself, without reading it. Null: one that says so only when it was read. */
export async function peekManifest(file: string): Promise<{ readonly manifest: Manifest; readonly digest: string } | null> {
  const end = await readEnd(file);
  return end === null ? null : manifestOf(end.bytes);
}

function manifestOf(bytes: Buffer): { readonly manifest: Manifest; readonly digest: string } {
  const parsed = Manifest.safeParse(jsonOf(bytes));
  if (!parsed.success)
    throw new BackupError("The manifest is not one that this version can read.", "Restore with the version that made the backup.");
  return { manifest: parsed.data, digest: createHash("sha256").update(bytes).digest("hex") };
}

/** Calls `visit` for everything but the manifest, in order, and returns what the manifest says. */
async function read(file: string, visit: (name: string, content: AsyncIterable<Buffer>) => Promise<void>): Promise<Buffer> {
  const end = await readEnd(file);
  const tar = extract();
  const source = pipeline(createReadStream(file, end === null ? {} : { end: Math.max(0, end.tarBytes - 1) }), createZstdDecompress(), tar);
  source.catch(() => undefined); // told below
  let manifest: Buffer | null = null;
  try {
    for await (const entry of tar) {
      if (manifest !== null) throw new BackupError(`${entry.header.name} stands after the manifest.`, FIX);
      if (entry.header.name === MANIFEST) {
        const chunks: Buffer[] = [];
        for await (const chunk of entry) chunks.push(chunk as Buffer);
        manifest = Buffer.concat(chunks);
        continue;
      }
      if (entry.header.type !== "file" || !NAME.test(entry.header.name) || entry.header.name.includes(".."))
        throw new BackupError(`${JSON.stringify(entry.header.name)} has no place in a backup.`, FIX);
      await visit(entry.header.name, entry as AsyncIterable<Buffer>);
      entry.resume();
    }
    await source;
  } catch (error) {
    tar.destroy(error as Error);
    await source.catch(() => undefined); // the first fault is the one that is told
    if (error instanceof BackupError || (error as { code?: string }).code === "ENOENT") throw error;
    throw new BackupError(`${file} cannot be read to its end: it is cut off, or not a backup.`, FIX, { cause: error });
  }
  if (manifest === null) throw new BackupError(`${file} has no manifest: it is cut off.`, FIX);
  if (end === null ? manifestOf(manifest).manifest.format === FORMAT : !end.bytes.equals(manifest))
    throw new BackupError(`${file} does not end with the manifest that is in it: it is cut off, or was changed.`, FIX);
  return manifest;
}
const FIX = "Use another backup: this one is not as it was written.";

/** Checks every byte. Names the first file that is not what the manifest says. */
export async function checkArchive(file: string): Promise<{ readonly manifest: Manifest; readonly digest: string }> {
  const found = new Map<string, { size: number; sha256: string }>();
  const bytes = await read(file, async (name, content) => {
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of content) {
      hash.update(chunk);
      size += chunk.length;
    }
    if (found.has(name)) throw new BackupError(`${name} is in the backup twice.`, FIX);
    found.set(name, { size, sha256: hash.digest("hex") });
  });
  const said = manifestOf(bytes);
  for (const { name, size, sha256 } of said.manifest.entries) {
    const here = found.get(name);
    if (here === undefined) throw new BackupError(`${name} is missing from the backup.`, FIX);
    if (here.size !== size || here.sha256 !== sha256)
      throw new BackupError(`${name} is not what was backed up: its sha256 is another.`, FIX);
    found.delete(name);
  }
  const [stray] = found.keys();
  if (stray !== undefined) throw new BackupError(`${stray} is in the backup, and its manifest does not name it.`, FIX);
  return said;
}

/** After `checkArchive`. */
export async function readArchive(file: string, manifest: Manifest, visit: Visit): Promise<void> {
  const known = new Map(manifest.entries.map((entry) => [entry.name, entry]));
  await read(file, async (name, content) => {
    const entry = known.get(name);
    if (entry === undefined) throw new BackupError(`${name} is in the backup, and its manifest does not name it.`, FIX);
    await visit(entry, content);
  });
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null; // The caller says what was expected.
  }
}
