/*
 * Signed requests between the roles: `/internal/v1/…`, which nobody else may call.
 *
 *   signature = HMAC-SHA256(key, "signalbox-internal-v2" ⏎ key id ⏎ method ⏎ path with query ⏎ sha256(body) ⏎ time ⏎ nonce ⏎ sha256(caller))
 *   key       = HMAC-SHA256(shared key, the ring's key of that id)
 *
 *   unsigned, altered, older or newer than a minute ─► 401
 *   nonce seen before ──────────────────────────────► 401   (stored, so that no other process takes it either)
 *
 * Time is the database's, on both sides: a machine whose clock jumps neither locks itself out nor lets old requests
 * in. The shared key is a file that the roles have, or SIGNALBOX_INTERNAL_KEY; the ring is in the database and rotates
 * while everything goes on. Whoever has one of the two alone signs nothing.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { KeyRing } from "../key-ring.ts";

const VERSION = "signalbox-internal-v2";
export const SIGNATURE_WINDOW_MS = 60_000;

export interface ToSign {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body: Uint8Array;
  /** On whose behalf: signed along, so that nobody can be somebody else. */
  readonly caller?: string | undefined;
}

export interface Signatures {
  sign(of: ToSign): Promise<Record<string, string>>;
  /** False for whatever is not exactly what one of us sent, just now, for the first time. */
  verify(of: ToSign, headers: IncomingHttpHeaders): Promise<boolean>;
}

export interface SignatureDeps {
  readonly key: Buffer;
  readonly ring: Pick<KeyRing, "current" | "named">;
  /** The database's clock. */
  readonly nowMs: () => number;
  /** True for whoever remembers it first. */
  readonly remember: (nonce: string, forMs: number) => Promise<boolean>;
}

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

export function createSignatures({ key: shared, ring, nowMs, remember }: SignatureDeps): Signatures {
  const mac = (key: { kid: string; key: Buffer }, { method, path, body, caller = "" }: ToSign, time: string, nonce: string): Buffer =>
    createHmac("sha256", createHmac("sha256", shared).update(key.key).digest())
      .update([VERSION, key.kid, method, path, sha256(body), time, nonce, sha256(caller)].join("\n"))
      .digest();

  return {
    async sign(of) {
      const key = await ring.current();
      const time = String(Math.round(nowMs()));
      const nonce = randomBytes(18).toString("base64url");
      return {
        "x-signalbox-time": time,
        "x-signalbox-nonce": nonce,
        "x-signalbox-key": key.kid,
        "x-signalbox-signature": mac(key, of, time, nonce).toString("base64url"),
        ...(of.caller === undefined ? {} : { "x-signalbox-caller": of.caller }),
      };
    },
    async verify(of, headers) {
      const [time, nonce, kid, signature] = ["time", "nonce", "key", "signature"].map((name) => headers[`x-signalbox-${name}`]);
      if (typeof time !== "string" || typeof nonce !== "string" || typeof kid !== "string" || typeof signature !== "string") return false;
      if (!/^\d{1,15}$/.test(time) || !/^[\w-]{24}$/.test(nonce)) return false;
      // A name chooses among the ring's keys and nothing else.
      const key = await ring.named(kid);
      if (key === null) return false;
      const given = Buffer.from(signature, "base64url");
      const made = mac({ kid, key }, of, time, nonce);
      // Before anything is stored: a stranger must not fill the table.
      if (given.length !== made.length || !timingSafeEqual(given, made)) return false;
      if (Math.abs(nowMs() - Number(time)) > SIGNATURE_WINDOW_MS) return false;
      return remember(nonce, 2 * SIGNATURE_WINDOW_MS);
    },
  };
}
