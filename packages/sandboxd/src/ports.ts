/*
 * What listens inside: the kernel's tables of TCP sockets, and whose descriptor each is.
 *
 * Not through `ss` or `lsof`, which need not be in a sandbox's tools.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { PortState } from "./wire.ts";

const LISTEN = "0A";
/** Little-endian words, as the kernel prints addresses: 127.0.0.0/8, ::1 and 127.0.0.0/8 in IPv6's form. */
const LOOPBACK = /^(.{6}7F|0{24}01000000|0{16}FFFF0000.{6}7F)$/;

/** Without those of `sandboxd` itself. `spawned`: names by pid of the processes that the host started. */
export function listeningPorts(spawned: ReadonlyMap<number, string>): PortState[] {
  const byInode = new Map<string, { port: number; loopback: boolean }>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of lines(table).slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      if (state === LISTEN) byInode.set(inode, { port: Number.parseInt(port, 16), loopback: LOOPBACK.test(address) });
    }
  }
  const owners = byInode.size === 0 ? new Map<string, number>() : ownersOf(byInode);
  const ports = new Map<number, PortState>();
  for (const [inode, { port, loopback }] of byInode) {
    const pid = owners.get(inode) ?? null;
    if (pid === process.pid) continue;
    const known = ports.get(port);
    // The same server on IPv4 and IPv6 is one port.
    if (known) known.loopback &&= loopback;
    else
      ports.set(port, { port, loopback, process: pid === null ? null : nameOf(pid), spawned: (pid !== null && spawned.get(pid)) || null });
  }
  return [...ports.values()].sort((a, b) => a.port - b.port);
}

function ownersOf(inodes: ReadonlyMap<string, unknown>): Map<string, number> {
  const owners = new Map<string, number>();
  for (const pid of entries("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of entries(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${descriptor}`))?.[1];
      // A server that forks workers shares the socket: the eldest is the one that people know.
      if (inode !== undefined && inodes.has(inode) && !owners.has(inode)) owners.set(inode, Number(pid));
      if (owners.size === inodes.size) return owners;
    }
  }
  return owners;
}

/** Its program, without the folder: a main thread's own name (`MainThread`) says nothing. */
function nameOf(pid: number): string | null {
  const [program = ""] = lines(`/proc/${pid}/cmdline`).join("\n").split("\0");
  const name = program.slice(program.lastIndexOf("/") + 1) || lines(`/proc/${pid}/comm`)[0];
  return name ? name.slice(0, 100) : null;
}

/** Processes come and go while one looks: what is gone has nothing to say. */
function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return []; // gone, or IPv6 is off
  }
}
function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // gone
  }
}
function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // gone
  }
}
