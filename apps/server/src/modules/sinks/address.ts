/*
 * Where a sink may be: https on a public address. Whoever may make sinks could else have the server call what only it
 * can reach. Asked when a sink is saved, before each delivery, and again of the very address that is connected to.
 */
import { lookup as resolve } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { isPublicAddress } from "../egress/public.ts";

/** `allowPrivate`: the operator has said that receivers inside are meant, over http too. */
export function addressProblem(address: string, { allowPrivate }: { readonly allowPrivate: boolean }): string | null {
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (url.username !== "" || url.password !== "") return "The address carries a user name or password; give a secret instead.";
  if (allowPrivate) return null;
  if (url.protocol !== "https:") return "Events leave over https only.";
  if (isIP(host) === 0 ? !host.includes(".") || /\.(localhost|local|internal|invalid)$/i.test(host) : !isPublicAddress(host))
    return `${host} is not on a public address.`;
  return null;
}

export function pinnedLookup({ allowPrivate }: { readonly allowPrivate: boolean }): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const allowed = addresses.filter(({ address }) => allowPrivate || isPublicAddress(address));
      const [first] = allowed;
      if (first === undefined)
        return callback(Object.assign(new Error(`${hostname} is not on a public address`), { code: "ENOTPUBLIC" }), []);
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
