import { createHash } from "node:crypto";

/** What JSON can say; `undefined` members are omitted by `canonicalJson`, as `JSON.stringify` does. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * RFC 8785 (JSON Canonicalization Scheme): members sorted by UTF-16 code units, numbers and
 * strings as ECMAScript serialises them. Throws on what JSON cannot say (NaN, Infinity).
 * Lone surrogates must have been replaced before (`wellFormed`); RFC 8785 3.2.2.2 forbids them.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`not a JSON number: ${value}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item: Json | undefined) => canonicalJson(item ?? null)).join(",")}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  // Default sort compares UTF-16 code units, which is what RFC 8785 3.2.3 asks for.
  const keys = Object.keys(object).toSorted();
  let out = "{";
  for (const key of keys) {
    const member = object[key];
    if (member === undefined) continue;
    out += `${out === "{" ? "" : ","}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `${out}}`;
}

/** U+0000 (which Postgres text refuses) and lone surrogates (which UTF-8 cannot carry) become U+FFFD. */
export function wellFormed(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}

/** `sha256:<lowercase hex>` over the UTF-8 bytes. */
export function sha256(data: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** The hash that ties an approval to one exact call; absent members count as null. */
export function callHash(call: {
  action: string;
  params: Json;
  target?: Json | undefined;
  session_id?: string | undefined;
  run_id?: string | undefined;
}): string {
  return sha256(
    canonicalJson({
      action: call.action,
      params: call.params,
      target: call.target ?? null,
      session_id: call.session_id ?? null,
      run_id: call.run_id ?? null,
    }),
  );
}
