/*
 * Backup while the server runs, restore into what is empty.
 *
 *   backup    snapshot of the database ─► content, which is there before anything that names it ─► keys ─► manifest
 *   restore   refuse what cannot be: the target is not empty, or too small, another backup, a newer version
 *             ─► check every byte ─► mark ─► files ─► migrations of then ─► rows, checked, in one transaction ─► unmark
 *
 * A restore that is killed leaves its mark (`restore.incomplete`): no server starts there, and the next
 * restore asks for an empty directory. Projections are made from the log by the next start.
 */
import { connectionsOf, type ConnectionFor } from "@signalbox/eventlog/roles";
import { filesOf, migrate } from "@signalbox/eventlog/migrate";
import { type Blobs, keyOf, nameOf } from "@signalbox/providers/blob/port";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { chmod, mkdir, open, readdir, rm, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { Client } from "pg";
import { DataDirInUse, lockDataDir } from "../postgres/data-dir-lock.ts";
import { runningEmbedded, startEmbeddedPostgres } from "../postgres/embedded.ts";
import { MIGRATION_SETS } from "../postgres/schema.ts";
import { BackupError, checkArchive, type Manifest, peekManifest, readArchive, writeArchive } from "./archive.ts";
import { isHalfRestored, MARK } from "./mark.ts";
import { dumpDatabase, loadDatabase, refuseNewer } from "./database.ts";

export interface BackupOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  /** Of the configuration: from where content is taken, or to where it is put. */
  readonly blobs: Blobs;
  /** Content is not kept in the data directory. */
  readonly blobsElsewhere: boolean;
  readonly version: string;
  readonly now: string;
  readonly progress: (text: string) => void;
}
export interface BackupReport {
  readonly file: string;
  readonly position: number;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  /** Of the manifest: whoever keeps it elsewhere can tell this backup from one that was changed. */
  readonly digest: string;
}

/** What of the data directory is backed up besides the database and the contents. */
const KEYS = "keys";
const FILES = ["git-credentials"] as const;

export async function backup(output: string, options: BackupOptions): Promise<BackupReport> {
  const dataDir = path.resolve(options.dataDir);
  if (options.databaseUrl === undefined && !existsSync(path.join(dataDir, "postgres/data/PG_VERSION")))
    throw new BackupError(`There is no Signalbox in ${dataDir}.`, "Name its directory with --data-dir, or its database with DATABASE_URL.");
  if (isHalfRestored(dataDir)) throw halfRestored(dataDir);
  const postgres = await openDatabase(options, dataDir);
  const archive = writeArchive(output);
  const client = new Client(postgres.connection("admin"));
  try {
    await client.connect();
    options.progress("the database …");
    const database = await dumpDatabase(client, archive.add);
    let files = 0;
    options.progress("content …");
    for await (const { organizationId, sha256, sizeBytes } of options.blobs.list()) {
      const content = await options.blobs.stream(organizationId, sha256);
      if (content === null) continue; // erased meanwhile
      await archive.addStream(`blobs/${keyOf(organizationId, sha256)}`, sizeBytes, 0o600, content);
      files++;
    }
    options.progress("keys …");
    for await (const file of filesBelow(path.join(dataDir, KEYS))) {
      await archive.addFile(path.relative(dataDir, file).split(path.sep).join("/"), file);
      files++;
    }
    for (const name of FILES) if (existsSync(path.join(dataDir, name))) await archive.addFile(name, path.join(dataDir, name));
    const digest = await archive.finish({ version: options.version, created_at: options.now, ...database });
    return {
      file: output,
      position: database.position,
      tables: database.tables.length,
      rows: database.tables.reduce((sum, { rows }) => sum + rows, 0),
      files,
      bytes: (await stat(output)).size,
      digest: `sha256:${digest}`,
    };
  } catch (error) {
    await archive.abandon();
    throw error;
  } finally {
    await client.end();
    await postgres.close();
  }
}

export async function restore(file: string, options: BackupOptions & { readonly expect?: string | undefined }): Promise<BackupReport> {
  const dataDir = path.resolve(options.dataDir);
  if (!existsSync(file)) throw new BackupError(`${file} is not there.`, "Name the file that `signalbox backup` wrote.");
  refuseUsed(dataDir);
  if (options.databaseUrl !== undefined) await refuseUsedUrl(options.databaseUrl);
  const peeked = await peekManifest(file);
  if (peeked !== null) await refuse(peeked, dataDir, options);
  options.progress("checking every byte of the backup …");
  const checked = await checkArchive(file);
  const { manifest, digest } = checked;
  if (peeked === null) await refuse(checked, dataDir, options);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const postgres = await openTarget(options, dataDir);
  const client = new Client(postgres.connection("admin"));
  try {
    await client.connect();
    await refuseUsedDatabase(client);
    writeFileSync(path.join(dataDir, MARK), "A restore was begun here and has not ended.\n", { mode: 0o600 });
    await migrate(postgres.connection, MIGRATION_SETS, { only: manifest.migrations });
    const load = loadDatabase(client, manifest);
    await load.begin();
    let files = 0;
    options.progress("database, content and keys …");
    await readArchive(file, manifest, async (entry, content) => {
      const table = /^database\/([a-z0-9_]+)\//.exec(entry.name)?.[1];
      if (table !== undefined) return load.part(table, content);
      const blob = entry.name.startsWith("blobs/") ? nameOf(entry.name.slice("blobs/".length)) : null;
      if (blob !== null) {
        const { sha256 } = await options.blobs.put(blob.organizationId, content, { maxBytes: entry.size });
        if (sha256 !== blob.sha256) throw new BackupError(`${entry.name} is not what its name says.`, "Use another backup.");
      } else await writeFileDurably(path.join(dataDir, entry.name), entry.mode, content);
      files++;
    });
    options.progress("verifying the log …");
    await load.end();
    await rm(path.join(dataDir, MARK));
    return {
      file,
      position: manifest.position,
      tables: manifest.tables.length,
      rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
      files,
      bytes: (await stat(file)).size,
      digest: `sha256:${digest}`,
    };
  } finally {
    await client.end().catch(() => undefined); // what went wrong first is what counts
    await postgres.close();
  }
}

/** Before anything is read or written: what the backup says of itself is not for here. */
async function refuse(
  { manifest, digest }: { readonly manifest: Manifest; readonly digest: string },
  dataDir: string,
  { expect, databaseUrl, blobsElsewhere }: BackupOptions & { readonly expect?: string | undefined },
): Promise<void> {
  if (expect !== undefined && expect.replace(/^sha256:/, "") !== digest)
    throw new BackupError(`This is another backup: its digest is sha256:${digest}.`, "Restore the file whose digest you kept.");
  refuseNewer(manifest, filesOf, MIGRATION_SETS);
  const here = manifest.entries.filter(
    ({ name }) => !(databaseUrl !== undefined && name.startsWith("database/")) && !(blobsElsewhere && name.startsWith("blobs/")),
  );
  // Rows as text take about what they take as rows: with indexes and projections it will be more, never much less.
  const needed = here.reduce((sum, { size }) => sum + size, 0);
  const { bavail, bsize } = await statfs(nearest(dataDir));
  if (bavail * bsize >= needed) return;
  throw new BackupError(
    `There is no room for it in ${dataDir}: it unpacks to ${gib(needed)}, and ${gib(bavail * bsize)} are free.`,
    "Restore to a larger disk with --data-dir, or make room: about twice of that is used in the end.",
  );
}
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
const nearest = (directory: string): string => (existsSync(directory) ? directory : nearest(path.dirname(directory)));

async function refuseUsedUrl(databaseUrl: string): Promise<void> {
  const client = new Client(connectionsOf(databaseUrl)("admin"));
  await client.connect();
  try {
    await refuseUsedDatabase(client);
  } finally {
    await client.end();
  }
}

interface Opened {
  readonly connection: ConnectionFor;
  close(): Promise<void>;
}

/** The database of a server that runs, or of one that does not. */
async function openDatabase({ databaseUrl }: BackupOptions, dataDir: string): Promise<Opened> {
  if (databaseUrl !== undefined) return { connection: connectionsOf(databaseUrl), close: () => Promise.resolve() };
  try {
    const own = await startEmbeddedPostgres({ dataDir });
    return { connection: own.connection, close: () => own.stop() };
  } catch (error) {
    if (!(error instanceof DataDirInUse)) throw error;
    return { connection: runningEmbedded(dataDir), close: () => Promise.resolve() };
  }
}

async function openTarget({ databaseUrl }: BackupOptions, dataDir: string): Promise<Opened> {
  if (databaseUrl === undefined) {
    const own = await startEmbeddedPostgres({ dataDir });
    return { connection: own.connection, close: () => own.stop() };
  }
  const unlock = lockDataDir(dataDir);
  return { connection: connectionsOf(databaseUrl), close: async () => unlock() };
}

function refuseUsed(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  if (isHalfRestored(dataDir)) throw halfRestored(dataDir);
  const used = readdirSync(dataDir).filter((name) => !["cache", "lost+found"].includes(name));
  if (used.length === 0) return;
  throw new BackupError(
    `${dataDir} is not empty: it has ${used.slice(0, 5).join(", ")}.`,
    "Restore into an empty directory with --data-dir, or move this one away first.",
  );
}

const halfRestored = (dataDir: string): BackupError =>
  new BackupError(
    `A restore into ${dataDir} did not end.`,
    "Remove that directory (and empty the database, if DATABASE_URL names one), then restore again.",
  );

async function refuseUsedDatabase(client: Client): Promise<void> {
  const { rows } = await client.query<{ used: boolean }>("select to_regclass('public.sb_migrations') is not null as used");
  if (rows[0]?.used !== true) return;
  throw new BackupError("The database is not empty: a Signalbox has been there.", "Restore into a new database.");
}

async function* filesBelow(directory: string): AsyncGenerator<string> {
  if (!existsSync(directory)) return;
  for (const entry of (await readdir(directory, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(file);
    else if (entry.isFile()) yield file;
  }
}

async function writeFileDurably(file: string, mode: number, content: AsyncIterable<Buffer>): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(file, "wx", 0o600);
  try {
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(file, mode);
}
