/*
 * Making whatever a tool printed fit an event: text up to 16 KB inline, the whole as an artifact
 * (inline to 64 KiB, else a blob), all of it bounded. Invalid UTF-8 becomes U+FFFD. Known secrets
 * are replaced before anything is stored; the log scans what is inline again by itself.
 */
import type { ArtifactId } from "@signalbox/contract/primitives";
import { sha256, wellFormed } from "@signalbox/kernel/canonical";
import { newId } from "@signalbox/kernel/id";
import type { Blobs } from "@signalbox/providers/blob/port";
import type { NewArtifact } from "./run-command.ts";

export const INLINE_OUTPUT_BYTES = 16 * 1024;
const INLINE_ARTIFACT_BYTES = 64 * 1024;
/** What is kept of one output. A tool that prints more has its tail dropped, and the artifact's name says so. */
export const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
/** Scanned piece by piece, so that a large output does not hold up everybody else. */
const SCAN_BYTES = 256 * 1024;

export type Content = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface BoundedOutput {
  /** At most 16 KB. */
  readonly output: string;
  readonly outputTruncated: boolean;
  readonly artifact?: NewArtifact | undefined;
}

export interface OutputDeps {
  readonly blobs: Blobs;
  /** Replaces secrets; the log's own scanner. */
  readonly redact: (organizationId: string, text: string) => string;
}

export async function boundOutput(deps: OutputDeps, organizationId: string, content: Content, name: string): Promise<BoundedOutput> {
  const { text, truncated } = await textOf(deps, organizationId, content);
  const bytes = Buffer.byteLength(text);
  if (bytes <= INLINE_OUTPUT_BYTES && !truncated) return { output: text, outputTruncated: false };
  const artifact = await storeText(deps, organizationId, text, {
    name: truncated ? `${name} (first ${MAX_OUTPUT_BYTES / 1024 / 1024} MiB)` : name,
    mediaType: "text/plain",
  });
  return { output: cutText(text, INLINE_OUTPUT_BYTES), outputTruncated: true, artifact };
}

/** Text up to 64 KiB stays inline; bytes that are not text, and all that is longer, become a blob. */
export async function artifactOf(
  deps: OutputDeps,
  organizationId: string,
  content: Content,
  described: { name: string; mediaType: string },
): Promise<NewArtifact> {
  if (/^(text\/|application\/(json|xml))/.test(described.mediaType)) {
    const { text } = await textOf(deps, organizationId, content);
    return storeText(deps, organizationId, text, described);
  }
  const { sha256: hash, sizeBytes } = await deps.blobs.put(organizationId, content);
  return { artifactId: newArtifactId(), kind: "file", name: described.name, mediaType: described.mediaType, sizeBytes, sha256: hash };
}

/** Bytes as they are; text among them has its secrets replaced like any other. */
export async function fileOf(
  deps: OutputDeps,
  organizationId: string,
  bytes: Uint8Array,
  { name, mediaType }: { name: string; mediaType: string },
): Promise<NewArtifact> {
  const text = utf8(bytes);
  const kept = text === null ? bytes : Buffer.from(await redactInPieces(deps, organizationId, text));
  const { sha256: hash, sizeBytes } = await deps.blobs.put(organizationId, kept);
  return { artifactId: newArtifactId(), kind: "file", name, mediaType, sizeBytes, sha256: hash };
}

/** Null for what is not text. */
function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null; // Not UTF-8: bytes of another kind.
  }
}

async function storeText(
  deps: OutputDeps,
  organizationId: string,
  text: string,
  { name, mediaType }: { name: string; mediaType: string },
): Promise<NewArtifact> {
  const common = {
    artifactId: newArtifactId(),
    name: name.slice(0, 200),
    mediaType,
    kind: mediaType === "application/json" ? ("json" as const) : ("text" as const),
  };
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes <= INLINE_ARTIFACT_BYTES) return { ...common, sizeBytes, sha256: sha256(text), text };
  const blob = await deps.blobs.put(organizationId, text);
  return { ...common, sizeBytes: blob.sizeBytes, sha256: blob.sha256 };
}

const newArtifactId = (): ArtifactId => newId("art") as ArtifactId;

async function textOf(deps: OutputDeps, organizationId: string, content: Content): Promise<{ text: string; truncated: boolean }> {
  const { bytes, truncated } = await headOf(content, MAX_OUTPUT_BYTES);
  const text = wellFormed(typeof bytes === "string" ? bytes : decode(bytes, truncated));
  return { text: await redactInPieces(deps, organizationId, text), truncated };
}

/** A cut in the middle of a character leaves no trace of it. */
const decode = (bytes: Uint8Array, isCut: boolean): string => new TextDecoder().decode(bytes, { stream: isCut });

async function headOf(content: Content, max: number): Promise<{ bytes: string | Uint8Array; truncated: boolean }> {
  if (typeof content === "string") {
    if (Buffer.byteLength(content) <= max) return { bytes: content, truncated: false };
    return { bytes: cutText(content, max), truncated: true };
  }
  if (content instanceof Uint8Array) return { bytes: content.subarray(0, max), truncated: content.length > max };
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content) {
    const kept = chunk.subarray(0, max - size);
    chunks.push(kept);
    size += kept.length;
    // Leaving the loop tells the producer that nobody reads on.
    if (kept.length < chunk.length) return { bytes: Buffer.concat(chunks), truncated: true };
  }
  return { bytes: Buffer.concat(chunks), truncated: false };
}

/** At most `max` bytes of UTF-8, never half a character. */
export function cutText(text: string, max: number): string {
  // No character is longer in UTF-16 units than in UTF-8 bytes, so this many units hold `max` bytes.
  const head = Buffer.from(text.slice(0, max));
  return head.length <= max ? head.toString() : decode(head.subarray(0, max), true);
}

/** Pieces end at line ends, so that a secret within a line is never split. */
async function redactInPieces({ redact }: OutputDeps, organizationId: string, text: string): Promise<string> {
  if (text.length <= SCAN_BYTES) return redact(organizationId, text);
  let out = "";
  for (let from = 0; from < text.length;) {
    const newline = text.lastIndexOf("\n", from + SCAN_BYTES);
    const to = newline > from ? newline + 1 : Math.min(text.length, from + SCAN_BYTES);
    out += redact(organizationId, text.slice(from, to));
    from = to;
    await new Promise(setImmediate);
  }
  return out;
}
