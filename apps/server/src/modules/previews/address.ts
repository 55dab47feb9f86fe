/*
 * The host name of a preview, and which host names are previews at all.
 *
 *   <26 characters: the preview's id><26 characters: proof>.preview.localhost
 *
 * The proof is an HMAC of the id under a key of this installation, 130 bits of it. So the address is unguessable, and
 * nothing in the database, a backup or the log lets anybody make it: only the key file does. It is one label, because
 * a wildcard certificate covers one.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { openKey } from "../../keys.ts";

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const PROOF_CHARACTERS = 26;
export const DEFAULT_DOMAIN = "preview.localhost";

export interface PreviewAddresses {
  /** The one label in front of the domain. */
  labelOf(previewId: string): string;
  /** Null: not a preview's host name. `previewId` null: one of that kind, which this server never gave out. */
  parse(host: string | undefined): { readonly previewId: string | null } | null;
}

export function previewAddresses(key: Buffer, domain: string = DEFAULT_DOMAIN): PreviewAddresses {
  const suffix = `.${domain.toLowerCase()}`;
  const proof = (ulid: string): string =>
    Array.from(
      createHmac("sha256", key).update(`preview ${ulid}`).digest().subarray(0, PROOF_CHARACTERS),
      (byte) => DIGITS[byte & 31],
    ).join("");
  return {
    labelOf(previewId) {
      const ulid = previewId.slice("prv_".length).toLowerCase();
      return ulid + proof(ulid);
    },
    parse(host) {
      const name = host?.toLowerCase().replace(/:\d{1,5}$/, "");
      if (name === undefined || !name.endsWith(suffix)) return null;
      const label = name.slice(0, -suffix.length);
      if (!/^[0-9a-z]{52}$/.test(label)) return { previewId: null };
      const ulid = label.slice(0, 26);
      const genuine = timingSafeEqual(Buffer.from(label.slice(26)), Buffer.from(proof(ulid)));
      return { previewId: genuine ? `prv_${ulid.toUpperCase()}` : null };
    },
  };
}

/** Losing it ends the previews that are open, and nothing else. */
export const openPreviewKey = (directory: string): Promise<Buffer> => openKey(directory, "preview");
