import { createHash, createPublicKey, verify } from "node:crypto";
import type { Primitives } from "./primitives.ts";

/** SubjectPublicKeyInfo prefix of a raw Ed25519 key (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export const nodePrimitives: Primitives = {
  sha256: (data) => createHash("sha256").update(data).digest(),
  verifyEd25519: (publicKey, message, signature) =>
    verify(null, message, createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }), signature),
};
