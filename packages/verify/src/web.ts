import type { Primitives } from "./primitives.ts";

/** Web Crypto, as browsers (and Node) have it. Ed25519 since Chrome 137, Safari 17, Firefox 129. */
export const webPrimitives: Primitives = {
  sha256: async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data as BufferSource)),
  verifyEd25519: async (publicKey, message, signature) => {
    const key = await crypto.subtle.importKey("raw", publicKey as BufferSource, "Ed25519", false, ["verify"]);
    return crypto.subtle.verify("Ed25519", key, signature as BufferSource, message as BufferSource);
  },
};
