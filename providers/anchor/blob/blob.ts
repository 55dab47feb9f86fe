/* The store of contents, under the hash of what is left: in a bucket with object lock nobody can take it back. */
import type { Blobs } from "../../blob/port.ts";
import { type Anchor, anchoredLine, AnchorFailed } from "../port.ts";

export function blobAnchor(blobs: Pick<Blobs, "put" | "get">, where: string): Anchor {
  return {
    where,
    async leave(checkpoint) {
      try {
        return (await blobs.put(checkpoint.organizationId, anchoredLine(checkpoint))).sha256;
      } catch (error) {
        throw failed(error);
      }
    },
    async read({ organizationId, ref }) {
      try {
        return (await blobs.get(organizationId, ref))?.toString() ?? null;
      } catch (error) {
        // What is there is not what was left; it cannot be told as text.
        if ((error as Error).name === "BlobDamaged") return "";
        throw failed(error);
      }
    },
    close: () => Promise.resolve(),
  };
}
const failed = (error: unknown): AnchorFailed => new AnchorFailed((error as Error).message, { cause: error });
