/*
 * Which names this server answers to. A page on `evil.example` may make a browser resolve that name
 * to 127.0.0.1 (DNS rebinding); the Host header still says `evil.example`, so it is checked first.
 */
export interface Hosts {
  isOwn(host: string | undefined): boolean;
  /** An `Origin` header of our own pages: another port of this machine is somebody else's. */
  isOwnOrigin(origin: string, host: string | undefined): boolean;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

export function createHosts(publicUrl: string | undefined, alsoAt: readonly string[] = []): Hosts {
  const configured = publicUrl === undefined ? undefined : new URL(publicUrl);
  const others = new Set(alsoAt.map((url) => new URL(url).host));
  const isOwn = (host: string | undefined): boolean => {
    if (host === undefined) return false;
    if ((configured !== undefined && host.toLowerCase() === configured.host) || others.has(host.toLowerCase())) return true;
    return LOOPBACK.test(host.toLowerCase().replace(/:\d{1,5}$/, ""));
  };
  return {
    isOwn,
    isOwnOrigin(origin, host) {
      let url: URL;
      try {
        url = new URL(origin);
      } catch {
        return false; // "null" and whatever else is no page of ours
      }
      if (configured !== undefined && url.origin === configured.origin) return true;
      return (url.protocol === "http:" || url.protocol === "https:") && isOwn(host) && url.host === host?.toLowerCase();
    },
  };
}
