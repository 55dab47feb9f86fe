/*
 * What passes between a browser and the program behind a preview, header by header.
 *
 * The program is told that it was asked as `localhost:<port>`, by Host, Origin and Referer: that is what it listens as,
 * and what development servers allow. Where it redirects to itself under that name, the browser is led back to the
 * preview. Nothing of Signalbox's own credentials goes in; nothing that would reach beyond the preview's own host
 * name comes out.
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { SESSION_COOKIE } from "../../http/authenticate.ts";

type Headers = Record<string, string[]>;

/** Of this connection only (RFC 9110, 7.6.1), and what a proxy in front of us said to us. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
  "http2-settings",
]);
/** Of our tokens, in all their kinds (who mints one with `newSecret` names its prefix here). */
const OWN_SECRET = /^bearer\s+(sb[a-z]*(-vk)?|shs)_/i;

/** Between two gateways: it was passed on once, and is not again. */
export const RELAYED = "x-signalbox-relayed";

export interface Behind {
  /** As the browser has it: `http://<token>.preview.localhost:4400`. */
  readonly origin: string;
  readonly port: number;
}

export function requestHeaders(request: IncomingMessage, { origin, port }: Behind): Headers {
  const headers: Headers = {};
  const inside = `http://localhost:${port}`;
  const dropped = named(request.headers.connection);
  for (const [name, values = []] of Object.entries(request.headersDistinct)) {
    if (HOP_BY_HOP.has(name) || dropped.has(name) || name.startsWith("x-forwarded-") || name === "forwarded" || name === "x-real-ip")
      continue;
    if (name === RELAYED) continue;
    headers[name] = values;
  }
  headers["host"] = [`localhost:${port}`];
  headers["x-forwarded-host"] = [new URL(origin).host];
  headers["x-forwarded-proto"] = [new URL(origin).protocol.slice(0, -1)];
  if (request.headers.origin === origin) headers["origin"] = [inside];
  if (request.headers.referer?.startsWith(`${origin}/`)) headers["referer"] = [inside + request.headers.referer.slice(origin.length)];
  if (OWN_SECRET.test(request.headers.authorization ?? "")) delete headers["authorization"];
  const cookies = (headers["cookie"] ?? []).flatMap((line) => line.split(/;\s*/)).filter((pair) => pair !== "" && !isOwnCookie(pair));
  if (cookies.length > 0) headers["cookie"] = [cookies.join("; ")];
  else delete headers["cookie"];
  if (isUpgrade(request.headers)) {
    headers["connection"] = ["Upgrade"];
    headers["upgrade"] = [request.headers.upgrade ?? "websocket"];
  }
  return headers;
}

/** `frameAncestors`: who may show the preview in a frame. */
export function responseHeaders(answer: IncomingMessage, behind: Behind, frameAncestors: readonly string[]): Headers {
  const headers: Headers = {};
  const dropped = named(answer.headers.connection);
  for (const [name, values = []] of Object.entries(answer.headersDistinct)) {
    // Node frames the body anew; X-Frame-Options is replaced by what stands below.
    if (HOP_BY_HOP.has(name) || dropped.has(name) || name === "transfer-encoding" || name === "x-frame-options") continue;
    headers[name] = values;
  }
  if (headers["set-cookie"] !== undefined) headers["set-cookie"] = headers["set-cookie"].filter((line) => !isOwnCookie(line)).map(hostOnly);
  if (headers["location"] !== undefined) headers["location"] = headers["location"].map((to) => backToPreview(to, behind));
  for (const name of ["content-security-policy", "content-security-policy-report-only"]) {
    const policies = (headers[name] ?? []).map(withoutFrameAncestors).filter((policy) => policy !== "");
    if (policies.length > 0) headers[name] = policies;
    else delete headers[name];
  }
  // Two policies are both enforced: the program's own stays, and this is added.
  headers["content-security-policy"] = [...(headers["content-security-policy"] ?? []), `frame-ancestors ${frameAncestors.join(" ")}`];
  // The address is the permission: it must not travel to other sites, nor into a search engine.
  if (headers["referrer-policy"]?.at(-1)?.trim().toLowerCase() !== "no-referrer") headers["referrer-policy"] = ["same-origin"];
  headers["x-robots-tag"] = ["noindex"];
  if (isUpgrade(answer.headers)) {
    headers["connection"] = ["Upgrade"];
    headers["upgrade"] = [answer.headers.upgrade ?? "websocket"];
  }
  return headers;
}

export const isUpgrade = (headers: IncomingHttpHeaders): boolean =>
  headers.upgrade !== undefined && named(headers.connection).has("upgrade");

const named = (connection: string | undefined): Set<string> =>
  new Set((connection ?? "").split(",").map((name) => name.trim().toLowerCase()));

const isOwnCookie = (pair: string): boolean => pair.split("=")[0]?.trim() === SESSION_COOKIE;

/** Without `Domain` a cookie goes to this one host name only. */
const hostOnly = (line: string): string => line.replaceAll(/;\s*domain\s*(=[^;]*)?(?=;|$)/gi, "");

const withoutFrameAncestors = (policy: string): string =>
  policy
    .split(",")
    .map((one) =>
      one
        .split(";")
        .filter((directive) => !/^\s*frame-ancestors(\s|$)/i.test(directive))
        .join(";"),
    )
    .filter((one) => one.trim() !== "")
    .join(",");

function backToPreview(to: string, { origin, port }: Behind): string {
  const match = /^https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(:\d+)?(?=[/?#]|$)/i.exec(to);
  return match !== null && Number(match[2]?.slice(1) ?? 80) === port ? origin + to.slice(match[0].length) : to;
}
