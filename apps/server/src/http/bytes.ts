/*
 * Answers of bytes that an agent or another installation made, and bodies that are not JSON.
 *
 * Such bytes are never a page of ours: whatever they say they are, they come as an attachment (but
 * for images that every browser only draws), in a sandbox without scripts, sources or our origin.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { BytesAnswer } from "./handle.ts";
import { ShellRefused } from "./refusal.ts";

/** Not SVG: it can hold scripts. */
const DRAWN = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,60}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}(; ?charset=[a-zA-Z0-9-]{1,20})?$/i;

export function sendBytes(reply: FastifyReply, { mediaType, fileName, bytes }: BytesAnswer): FastifyReply {
  const type = MEDIA_TYPE.test(mediaType) ? mediaType.toLowerCase() : "application/octet-stream";
  const plain = fileName.replaceAll(/[^\x20-\x7e]|["\\/;]/g, "_").slice(0, 150) || "artifact";
  const kind = DRAWN.has(type) ? "inline" : "attachment";
  return reply
    .header("content-type", type)
    .header("content-disposition", `${kind}; filename="${plain}"; filename*=UTF-8''${percent(fileName.slice(0, 150) || "artifact")}`)
    .header("content-security-policy", "sandbox; default-src 'none'")
    .header("cache-control", "no-store")
    .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

const percent = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

/** Hands the body on as it arrives, on routes that declare it; everywhere else only JSON is a body. */
export function uploads(app: FastifyInstance, mediaType: string): void {
  app.addContentTypeParser(mediaType, (request, payload, done) => {
    const { upload } = request.routeOptions.config as { upload?: string };
    if (upload !== mediaType) {
      payload.resume();
      return done(new ShellRefused("invalid_request", "The body is not JSON.", { fix: "Send content-type: application/json." }));
    }
    done(null, bounded(request, payload));
  });
}

async function* bounded(request: FastifyRequest, payload: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const limit = request.routeOptions.bodyLimit ?? 0;
  let size = 0;
  for await (const chunk of payload) {
    size += chunk.length;
    if (size > limit) {
      throw new ShellRefused("payload_too_large", "The request's body is larger than this route takes.", {
        fix: `Send at most ${Math.floor(limit / 1024 / 1024)} MiB.`,
      });
    }
    yield chunk;
  }
}

/** What a client still sends after it was too much is taken and thrown away: cut off, it would never read why. */
const DISCARDED = 64 * 1024 * 1024;

export async function wholeBody(payload: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of payload) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else chunks.length = 0;
    if (size > limit + DISCARDED) break;
  }
  if (size > limit)
    throw new ShellRefused("payload_too_large", "The request's body is larger than this route takes.", {
      fix: `Send at most ${Math.floor(limit / 1024 / 1024)} MiB.`,
    });
  return Buffer.concat(chunks);
}
