/* A file's beginning as the API gives it: text where it is text, else base64. */
import type { FileContent } from "@signalbox/contract/workbench";
import type { FileStart } from "@signalbox/providers/sandbox/port";
import type { z } from "zod";
import { mediaTypeOf } from "./media-type.ts";

/** As git does: a NUL this early means that it is no text. */
const LOOKED_AT = 8000;

export function contentOf(path: string, { sizeBytes, modifiedMs, content }: FileStart): z.input<typeof FileContent> {
  const truncated = sizeBytes > content.length;
  const text = content.subarray(0, LOOKED_AT).includes(0) ? null : decoded(content, truncated);
  return {
    path,
    // It may have shrunk while it was read.
    size_bytes: Math.max(sizeBytes, content.length),
    modified_at: timestamp(modifiedMs),
    media_type: mediaTypeOf(path, text !== null),
    encoding: text === null ? "base64" : "utf8",
    content: text ?? content.toString("base64"),
    truncated,
    binary: text === null,
  };
}

/** What a file says of its own age may be anything. */
export const timestamp = (ms: number): string => new Date(Math.min(Math.max(ms, 0), 253_402_300_799_000)).toISOString();

function decoded(bytes: Buffer, isCut: boolean): string | null {
  try {
    // A character that was cut in two at the end is no fault of the file's: it is left out.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
  } catch {
    return null;
  }
}
