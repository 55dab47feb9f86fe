/*
 * What a proxy request asks for, read strictly: whatever is ambiguous is refused, because the host that is decided
 * about must be the host that is connected to.
 */

export type Destination = { scheme: "http" | "https"; host: string; port: number; path: string | null };
export type ParsedDestination = { ok: true; destination: Destination } | { ok: false; message: string };

const HOST_BYTES = 253;

/** The target of CONNECT: `host:port`, nothing else. */
export function parseAuthority(target: string): ParsedDestination {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^\s:/@?#\\[\]]+):(\d{1,5})$/.exec(target);
  if (!match) return { ok: false, message: "CONNECT takes host:port." };
  const port = Number(match[2]);
  const host = normalHost(match[1]!);
  if (host === null || port < 1 || port > 65535) return { ok: false, message: "CONNECT takes a valid host and port." };
  // Node's own fetch tunnels plain http as well; the port is all that tells.
  return { ok: true, destination: { scheme: port === 80 ? "http" : "https", host, port, path: null } };
}

/** The absolute form of an ordinary request: `GET http://host/path`. */
export function parseAbsolute(target: string): ParsedDestination {
  if (!/^http:\/\//i.test(target)) {
    return { ok: false, message: "This is a proxy: ask for http://host/path, or use CONNECT for https." };
  }
  let url: URL;
  try {
    url = new URL(target);
  } catch {
    // The message of URL adds nothing to this.
    return { ok: false, message: "That is not a URL." };
  }
  const host = normalHost(url.hostname);
  if (host === null) return { ok: false, message: "That URL has no valid host." };
  return {
    ok: true,
    destination: { scheme: "http", host, port: url.port === "" ? 80 : Number(url.port), path: `${url.pathname}${url.search}` },
  };
}

/**
 * Lower case, without the final dot and the brackets of IPv6; numbers in whatever notation (`0x7f.1`, `2130706433`)
 * come out as the address they mean, by the URL parser.
 */
function normalHost(raw: string): string | null {
  let host: string;
  try {
    host = new URL(`http://${raw}/`).hostname;
  } catch {
    // Not a host by the rules of URLs.
    return null;
  }
  if (host.startsWith("[")) return host.slice(1, -1);
  host = host.replace(/\.$/, "");
  return host.length > 0 && host.length <= HOST_BYTES && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host) ? host : null;
}
