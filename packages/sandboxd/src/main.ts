/*
 * sandboxd: the first process inside every sandbox.
 *
 *   host                            sandbox (own network namespace, loopback only)
 *   control.sock  ◄──── dials ────  sandboxd ── spawns ──► agent, tools
 *   egress.sock   ◄──── dials ────  sandboxd ◄── 127.0.0.1:3128 ── anything that honours HTTP(S)_PROXY
 *
 * It always dials out and never listens where the host would connect: the host follows no path that the sandbox
 * can write. When the host goes away it dials on; processes go on running, their output waits (`processes.ts`).
 * The socket directories are bound, not the sockets, because a bound socket file is dead once its server restarts.
 *
 * Nothing here is a security boundary. Everything inside a sandbox runs as one uid, so the agent could stop or
 * imitate sandboxd; the host gives what comes through the control socket no more trust than the agent itself.
 *
 * Imports only `node:` modules and its own folder: `image.ts` strips the types, links the files, and that is the whole
 * build. Every sandbox's start waits for the greeting, so what that does not need is loaded or done after it.
 */
import { createServer, connect, type Socket } from "node:net";
import { readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { listInto, openInto } from "./browse.ts";
import { readInto, writeFrom } from "./files.ts";
import { Mux, type Channel, type Json } from "./mux.ts";
import { listeningPorts } from "./ports.ts";
import { fail, Processes, tell } from "./processes.ts";
import { FEATURES, INSIDE, WIRE_VERSION, type Request } from "./wire.ts";

const REDIAL_FIRST_MS = 50;
const REDIAL_MOST_MS = 1000;

/** From the kernel, because loading `node:crypto` takes 2.5 ms. */
const boot = readFileSync("/proc/sys/kernel/random/uuid", "latin1").trim();
const processes = new Processes(environment());

/** What everything inside is started with; sandboxd's own environment is empty but for this. */
function environment(): { [name: string]: string } {
  return JSON.parse(process.env["SBX_ENVIRONMENT"] ?? "{}") as { [name: string]: string };
}

let connection: Mux | "dialling" | null = null;
let redial: NodeJS.Timeout | null = null;
let redialMs = REDIAL_FIRST_MS;

function dial(): void {
  if (connection) return;
  if (redial) clearTimeout(redial);
  redial = null;
  connection = "dialling";
  const socket = connect(INSIDE.control);
  socket.once("error", () => {
    // No host right now (ENOENT, ECONNREFUSED). After the connect the mux has the error.
    if (connection === "dialling") hangUp(redialMs);
  });
  socket.once("connect", () => {
    redialMs = REDIAL_FIRST_MS;
    connection = new Mux(socket, { onOpen: (channel, request) => serve(channel, request), onClose: () => hangUp(REDIAL_FIRST_MS) });
    connection.hello({ version: WIRE_VERSION, sandbox: process.env["SBX_ID"] ?? "", boot, pid: process.pid, features: FEATURES });
  });
}

function hangUp(againInMs: number): void {
  connection = null;
  redial = setTimeout(dial, againInMs);
  redialMs = Math.min(redialMs * 2, REDIAL_MOST_MS);
}

/** A new server makes a new socket in the directory: no need to wait for the next try. Without inotify there is still that. */
function dialWhenTheSocketAppears(): void {
  const watcher = watch(dirname(INSIDE.control), () => {
    redialMs = REDIAL_FIRST_MS;
    dial();
  });
  watcher.on("error", () => watcher.close());
}

function serve(channel: Channel, raw: Json): void {
  const request = raw as Request;
  switch (request.kind) {
    case "spawn":
      return processes.spawn(channel, request);
    case "attach":
      return processes.attach(channel, request);
    case "processes":
      tell(channel, { type: "processes", processes: processes.list() });
      return channel.close();
    case "connect":
      return connectInside(channel, request.port);
    case "read":
      return readInto(channel, request.path);
    case "write":
      return writeFrom(channel, request.path, request.mode);
    case "list":
      return listInto(channel, request);
    case "open":
      return openInto(channel, request);
    case "ports":
      tell(channel, { type: "ports", ports: listeningPorts(processes.names()) });
      return channel.close();
    default:
      return fail(channel, "unknown_request", "this sandboxd does not know that request");
  }
}

/** `localhost` is ::1 for many a development server, and 127.0.0.1 for the others. */
function connectInside(channel: Channel, port: number, hosts: readonly string[] = ["127.0.0.1", "::1"]): void {
  const [host = "", ...others] = hosts;
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const out = channel.writable(0);
  let connected = false;
  socket.once("connect", () => {
    connected = true;
    tell(channel, { type: "ready" });
    channel.readable(0).pipe(socket);
    socket.pipe(out);
    // Not before everything was sent: with a slow reader the socket is closed long before its last bytes have credit.
    socket.once("close", () => out.end(() => channel.close()));
  });
  socket.once("error", (error: NodeJS.ErrnoException) => {
    if (connected) return;
    if (others.length > 0 && error.code === "ECONNREFUSED") connectInside(channel, port, others);
    // Also where there is no IPv6 at all: nothing listens, whatever the second try says.
    else fail(channel, hosts.length === 1 ? "ECONNREFUSED" : (error.code ?? "connect_failed"), error.message);
  });
  channel.onGone(() => socket.destroy());
}

/** 127.0.0.1:3128 → the egress socket. Bytes only: what is asked and whether it may be is the host's affair. */
function forwardEgress(): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client: Socket) => {
    const upstream = connect({ path: INSIDE.egress, allowHalfOpen: true });
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    client.on("error", end).on("close", end);
    upstream
      .on("error", () => {
        // No host: say so in the protocol that the client speaks, instead of an empty reply.
        if (client.writable && client.bytesWritten === 0) {
          client.end(
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" +
              '{"error":{"code":"egress_unavailable","message":"The egress proxy does not answer.","fix":"Wait until the server is back, then try again."}}\n',
          );
        } else end();
      })
      .on("close", () => client.destroySoon());
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.on("error", (error) => {
    process.stderr.write(`sandboxd: cannot listen on 127.0.0.1:${INSIDE.proxyPort}: ${error.message}\n`);
    process.exit(1);
  });
  server.listen(INSIDE.proxyPort, "127.0.0.1");
}

// A tool that breaks a pipe or a peer that vanishes is daily business; an unforeseen fault must not take the agent with it.
process.on("uncaughtException", (error) => process.stderr.write(`sandboxd: ${error.stack ?? error.message}\n`));
dial();
// In the turn of the loop that sends the greeting, right after it: before anything that the host asks for then can run.
setImmediate(() => {
  forwardEgress();
  dialWhenTheSocketAppears();
});
