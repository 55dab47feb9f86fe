/*
 * Where a push service may be: https on a public address. A browser names the endpoint, so without this
 * anybody with a login could have the server call what only it can reach. Asked when a subscription is
 * made, and again of the very address that is connected to.
 */
import { lookup as resolve } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { isPublicAddress } from "../egress/public.ts";

export interface EndpointRules {
  /** For tests: http on loopback too. */
  readonly allowLoopback: boolean;
}

const isLoopback = (address: string): boolean => /^127\.|^::1$/.test(address);

/** Null: it may be used. */
export function endpointProblem(endpoint: string, { allowLoopback }: EndpointRules): string | null {
  if (!URL.canParse(endpoint)) return "The endpoint is not an address.";
  const url = new URL(endpoint);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (allowLoopback && url.protocol === "http:" && isLoopback(host)) return null;
  if (url.protocol !== "https:") return "A push service is reached over https.";
  if (url.username !== "" || url.password !== "") return "The endpoint carries a user name or password.";
  if (isIP(host) === 0 ? !host.includes(".") || /\.(localhost|local|internal|invalid)$/i.test(host) : !isPublicAddress(host))
    return "The endpoint is not on a public address.";
  return null;
}

/** Resolves names to addresses that may be connected to, and to no others. */
export function pinnedLookup({ allowLoopback }: EndpointRules): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const allowed = addresses.filter(({ address }) => isPublicAddress(address) || (allowLoopback && isLoopback(address)));
      const [first] = allowed;
      if (first === undefined)
        return callback(Object.assign(new Error(`${hostname} is not on a public address`), { code: "ENOTPUBLIC" }), []);
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
