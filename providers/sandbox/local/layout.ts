/*
 * Where a local sandbox lives on the host.
 *
 *   <dataDir>/                       0711  others may pass, not look
 *     tools/<name>-<key>             copies or hard links of what is mounted read-only and could not be reached in place
 *     tools/etc-<hash>/              the /etc of every sandbox
 *     tools/sandboxd-<hash>/
 *     sandboxes/<id>/                0711, host-owned
 *       control/control.sock         host listens, sandboxd dials; seen read-only inside
 *       egress/egress.sock           the same for the egress proxy
 *       home/  workspace/            0700, the sandbox's uid; nothing on the host opens a path below them
 *       sandbox.json                 0600, the record, for a server that was killed before it had stored it
 *       sandbox.log                  what bubblewrap and sandboxd said
 */
import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  statSync,
} from "node:fs";
import { chmod, copyFile, link, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { rootCertificates } from "node:tls";
import { daemonVersion, writeDaemon } from "@signalbox/sandboxd/image";
import { INSIDE } from "@signalbox/sandboxd/wire";
import { seccompFilter } from "./seccomp.ts";

export type Places = {
  directory: string;
  control: string;
  egress: string;
  home: string;
  workspace: string;
  log: string;
  record: string;
};

export const CONTROL_SOCKET = basename(INSIDE.control);

export function placesOf(dataDir: string, id: string): Places {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw new Error(`a sandbox id is 1 to 64 of A-Z a-z 0-9 _ -, not ${JSON.stringify(id)}`);
  const directory = join(dataDir, "sandboxes", id);
  return {
    directory,
    control: join(directory, "control"),
    egress: join(directory, "egress"),
    home: join(directory, "home"),
    workspace: join(directory, "workspace"),
    log: join(directory, "sandbox.log"),
    record: join(directory, "sandbox.json"),
  };
}

/** Synchronous for the same reason as the uid leases: 0.3 ms instead of 2. */
export function makePlaces(places: Places, uid: number | null): void {
  mkdirSync(places.directory, { recursive: true });
  chmodSync(places.directory, 0o711);
  for (const directory of [places.control, places.egress]) {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o755);
  }
  for (const directory of [places.home, places.workspace]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (uid !== null) chownSync(directory, uid, uid);
  }
}

/** `dataDir` and `sandboxes` with the rights that another uid needs to pass through. */
export async function makeRoots(dataDir: string): Promise<void> {
  for (const directory of [dataDir, join(dataDir, "sandboxes"), join(dataDir, "tools")]) {
    await mkdir(directory, { recursive: true });
    if ((statSync(directory).mode & 0o111) !== 0o111) await chmod(directory, 0o711);
  }
}

/** The first folder above `path` that another user may not pass, or null. */
export function blockedAt(path: string): string | null {
  for (let at = dirname(resolve(path)); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return at;
    if (at === dirname(at)) return null;
  }
}

/**
 * A path of `source` that the sandbox's uid can open. The checkout may lie below a 0700 home, which bubblewrap as
 * another user cannot enter: then the file is linked (or copied) once into the data directory.
 */
export async function reachable(dataDir: string, source: string): Promise<string> {
  const file = statSync(source);
  if ((file.mode & 0o005) === 0o005 && blockedAt(source) === null) return resolve(source);
  const key = createHash("sha256")
    .update(`${resolve(source)}\0${file.size}\0${file.mtimeMs}\0${file.ino}`)
    .digest("hex")
    .slice(0, 16);
  const target = join(dataDir, "tools", `${basename(source)}-${key}`);
  if (existsSync(target)) return target;
  const partial = `${target}.${randomUUID()}.partial`;
  // A link shares its mode with the original, so it is good only where that one is readable by all.
  if ((file.mode & 0o005) === 0o005) await link(source, partial).catch(() => copyFile(source, partial, constants.COPYFILE_FICLONE));
  else await copyFile(source, partial, constants.COPYFILE_FICLONE);
  if ((file.mode & 0o005) !== 0o005) await chmod(partial, 0o755);
  await rename(partial, target);
  return target;
}

export function daemonDirectory(dataDir: string): Promise<string> {
  return publish(join(dataDir, "tools", `sandboxd-${daemonVersion()}`), writeDaemon);
}

/** A file with the filter's bytes, or null on an architecture that we have none for. */
export async function seccompFile(dataDir: string): Promise<string | null> {
  const filter = seccompFilter(process.arch);
  if (!filter) return null;
  const version = createHash("sha256").update(filter).digest("hex").slice(0, 16);
  const directory = await publish(join(dataDir, "tools", `seccomp-${version}`), (partial) =>
    writeFile(join(partial, "filter.bpf"), filter),
  );
  return join(directory, "filter.bpf");
}

/** Inside, always there: certificates of the host, or those that Node brings where the host has none. */
export const CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";
const HOST_BUNDLES = [CA_BUNDLE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/** Our own /etc: users, names, an empty resolver, certificates, git's proxy. Nothing of the host's accounts or keys. */
export async function etcDirectory(dataDir: string): Promise<string> {
  const files: { [name: string]: string | Buffer } = {
    passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\nsbx:x:1000:1000:sandbox:${INSIDE.home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n`,
    group: "root:x:0:\nsbx:x:1000:\nnogroup:x:65534:\n",
    hosts: "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 sandbox\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
    hostname: "sandbox\n",
    "host.conf": "multi on\n",
    shells: "/bin/sh\n/bin/bash\n",
    gitconfig: `[http]\n\tproxy = http://127.0.0.1:${INSIDE.proxyPort}\n[credential]\n\thelper =\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n`,
  };
  const bundle = HOST_BUNDLES.find((path) => existsSync(path));
  files["ssl/certs/ca-certificates.crt"] = bundle ? readFileSync(bundle) : `${rootCertificates.join("\n")}\n`;
  for (const name of ["ld.so.cache", "ld.so.conf", "mime.types", "protocols", "services"]) {
    if (existsSync(`/etc/${name}`)) files[name] = readFileSync(`/etc/${name}`);
  }
  // `awk`, `cc`, `editor` … are links through /etc/alternatives into /usr.
  const links = alternatives();
  const hash = createHash("sha256").update(JSON.stringify(links));
  for (const [name, content] of Object.entries(files)) hash.update(`${name}\0`).update(content).update("\0");
  return publish(join(dataDir, "tools", `etc-${hash.digest("hex").slice(0, 16)}`), async (partial) => {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(partial, name)), { recursive: true });
      await writeFile(join(partial, name), content, { mode: 0o644 });
    }
    await mkdir(join(partial, "alternatives"));
    for (const [name, target] of links) await symlink(target, join(partial, "alternatives", name));
  });
}

function alternatives(): [string, string][] {
  if (!existsSync("/etc/alternatives")) return [];
  return readdirSync("/etc/alternatives")
    .filter((name) => lstatSync(join("/etc/alternatives", name)).isSymbolicLink())
    .map((name): [string, string] => [name, readlinkSync(join("/etc/alternatives", name))])
    .filter(([, target]) => target.startsWith("/usr/"));
}

/** Makes a folder whole or not at all; a second maker finds it and leaves it. */
async function publish(target: string, fill: (partial: string) => Promise<void>): Promise<string> {
  if (existsSync(target)) return target;
  // Each maker its own: others may be at it, in this process too.
  const partial = `${target}.${randomUUID()}.partial`;
  await mkdir(partial, { recursive: true });
  try {
    await fill(partial);
    await rename(partial, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return target;
}

/** `/bin`, `/lib` and the like as this host has them. */
export function rootEntries(): { name: string; link: string | null }[] {
  const entries: { name: string; link: string | null }[] = [];
  for (const name of ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]) {
    if (!existsSync(`/${name}`)) continue;
    entries.push({ name, link: lstatSync(`/${name}`).isSymbolicLink() ? readlinkSync(`/${name}`) : null });
  }
  return entries;
}
