/*
 * What the Durable Streams protocol says of requests and answers, as far as it needs neither clock nor database:
 * headers, offsets, and what an append does to a stream.
 */
import type { IncomingHttpHeaders } from "node:http";

export const NEXT_OFFSET = "stream-next-offset";
export const UP_TO_DATE = "stream-up-to-date";
export const CLOSED = "stream-closed";
export const CURSOR = "stream-cursor";

const PAD = 16;
const OFFSET = /^\d{1,16}_\d{1,16}$/;
const BEGINNING = "-1";

/** Offsets sort as text; a cursor of the feed is `n` or `epoch.n`. */
export function offsetOf(cursor: string): string {
  const [first = "0", second] = cursor.split(".");
  const pad = (n: string): string => n.padStart(PAD, "0");
  return second === undefined ? `${pad("0")}_${pad(first)}` : `${pad(first)}_${pad(second)}`;
}

export function cursorOf(offset: string, isTwoPart: boolean): string {
  const [first, second] = offset.split("_").map((part) => String(Number(part)));
  return isTwoPart ? `${first}.${second}` : second!;
}

export type Live = "none" | "long-poll" | "sse";
export interface ReadRequest {
  readonly from: "beginning" | "now" | { readonly offset: string };
  readonly live: Live;
  /** Echo of a `Stream-Cursor`. */
  readonly cursor: string | undefined;
}

/** Or what is wrong with it. */
export function readRequest(query: URLSearchParams): ReadRequest | string {
  const offsets = query.getAll("offset");
  const offset = offsets[0];
  const live = query.get("live");
  if (offsets.length > 1) return "There is more than one offset.";
  if (offset !== undefined && offset !== BEGINNING && offset !== "now" && !OFFSET.test(offset)) return "The offset is not one of ours.";
  if (live !== null && live !== "long-poll" && live !== "sse" && live !== "false") return "live is long-poll or sse.";
  if ((live === "long-poll" || live === "sse") && offset === undefined) return `live=${live} needs an offset.`;
  return {
    from: offset === undefined || offset === BEGINNING ? "beginning" : offset === "now" ? "now" : { offset },
    live: live === null || live === "false" ? "none" : live,
    cursor: query.get("cursor") ?? undefined,
  };
}

/** The media type alone, lower-cased. */
export const mediaTypeOf = (contentType: string): string => contentType.split(";")[0]!.trim().toLowerCase();
export const isJson = (contentType: string): boolean => mediaTypeOf(contentType) === "application/json";
export const isText = (contentType: string): boolean => isJson(contentType) || mediaTypeOf(contentType).startsWith("text/");

export interface CreateRequest {
  readonly contentType: string;
  readonly ttlS: number | null;
  readonly expiresAt: string | null;
  readonly closed: boolean;
}
export function createRequest(headers: IncomingHttpHeaders): CreateRequest | string {
  const given = headers["content-type"]?.trim() ?? "";
  const ttl = one(headers["stream-ttl"]);
  const expires = one(headers["stream-expires-at"]);
  if (headers["stream-forked-from"] !== undefined) return "Streams are not forked here.";
  if (ttl !== undefined && expires !== undefined) return "Give Stream-TTL or Stream-Expires-At, not both.";
  if (ttl !== undefined && !/^(0|[1-9]\d{0,9})$/.test(ttl)) return "Stream-TTL is a whole number of seconds.";
  if (expires !== undefined && Number.isNaN(Date.parse(expires))) return "Stream-Expires-At is an RFC 3339 time.";
  return {
    contentType: /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}\s*(;.{0,200})?$/.test(given) ? given : "application/octet-stream",
    ttlS: ttl === undefined ? null : Number(ttl),
    expiresAt: expires === undefined ? null : new Date(expires).toISOString(),
    closed: one(headers["stream-closed"]) === "true",
  };
}

export interface Producer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}
export interface AppendRequest {
  readonly contentType: string | undefined;
  /** `Stream-Seq`: of the writer's own counting, compared as text. */
  readonly seq: string | undefined;
  readonly producer: Producer | null;
  readonly close: boolean;
}
export function appendRequest(headers: IncomingHttpHeaders): AppendRequest | string {
  const [id, epoch, seq] = ["producer-id", "producer-epoch", "producer-seq"].map((name) => one(headers[name]));
  const given = [id, epoch, seq].filter((value) => value !== undefined);
  if (given.length !== 0 && given.length !== 3) return "Producer-Id, Producer-Epoch and Producer-Seq go together.";
  if (id !== undefined && (id === "" || id.length > 200)) return "Producer-Id is 1 to 200 characters.";
  const whole = (text: string | undefined): boolean => text !== undefined && /^\d+$/.test(text) && Number.isSafeInteger(Number(text));
  if (id !== undefined && !(whole(epoch) && whole(seq))) return "Producer-Epoch and Producer-Seq are whole numbers from 0 on.";
  return {
    contentType: headers["content-type"],
    seq: one(headers["stream-seq"]),
    producer: id === undefined ? null : { id, epoch: Number(epoch), seq: Number(seq) },
    close: one(headers["stream-closed"]) === "true",
  };
}

export interface StreamState {
  readonly contentType: string;
  readonly closed: boolean;
  /** The producer's request that closed it. */
  readonly closedBy: string | null;
  readonly lastSeq: string | null;
}
export type Appended =
  | { readonly kind: "append" }
  /** Said before, or nothing left to do. */
  | { readonly kind: "repeated"; readonly lastSeq: number | null }
  | { readonly kind: "closed" }
  | { readonly kind: "content_type" }
  | { readonly kind: "sequence" }
  | { readonly kind: "fenced"; readonly epoch: number }
  | { readonly kind: "epoch_begins_at_zero" }
  | { readonly kind: "gap"; readonly expected: number };

export const closingOf = ({ id, epoch, seq }: Producer): string => `${epoch} ${seq} ${id}`;

/** What a request does to a stream as it stands; `known` is what is remembered of its producer. */
export function decideAppend(
  stream: StreamState,
  known: { readonly epoch: number; readonly seq: number } | null,
  request: AppendRequest,
  hasBody: boolean,
): Appended {
  const { producer } = request;
  if (stream.closed) {
    if (producer !== null && stream.closedBy === closingOf(producer)) return { kind: "repeated", lastSeq: producer.seq };
    // Closing what is closed is no change.
    return !hasBody && request.close && producer === null ? { kind: "repeated", lastSeq: null } : { kind: "closed" };
  }
  if (hasBody && mediaTypeOf(request.contentType ?? "") !== mediaTypeOf(stream.contentType)) return { kind: "content_type" };
  if (producer !== null) {
    if (known === null) {
      if (producer.seq !== 0) return { kind: "gap", expected: 0 };
    } else if (producer.epoch < known.epoch) return { kind: "fenced", epoch: known.epoch };
    else if (producer.epoch > known.epoch) {
      if (producer.seq !== 0) return { kind: "epoch_begins_at_zero" };
    } else if (producer.seq <= known.seq) return { kind: "repeated", lastSeq: known.seq };
    else if (producer.seq > known.seq + 1) return { kind: "gap", expected: known.seq + 1 };
  }
  if (request.seq !== undefined && stream.lastSeq !== null && Buffer.compare(Buffer.from(request.seq), Buffer.from(stream.lastSeq)) <= 0)
    return { kind: "sequence" };
  return { kind: "append" };
}

/** The messages of a JSON body as they are kept: joined by commas, an array's members one by one. Null: not JSON. */
export function jsonMessages(body: Buffer): Buffer | null {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body).trim();
    value = JSON.parse(text);
  } catch {
    return null; // Not JSON, or not UTF-8.
  }
  return Buffer.from(Array.isArray(value) ? text.slice(1, -1).trim() : text);
}

const CURSOR_BASE_MS = Date.UTC(2024, 9, 9);
const CURSOR_EVERY_MS = 20_000;

/** Lets caches tell one wait from the next: never the one that the client came with. */
export function nextCursor(given: string | undefined, nowMs: number): string {
  const current = Math.floor((nowMs - CURSOR_BASE_MS) / CURSOR_EVERY_MS);
  const theirs = given === undefined ? Number.NaN : Number.parseInt(given, 10);
  return String(Number.isNaN(theirs) || theirs < current ? current : theirs + 1 + Math.floor(Math.random() * 180));
}

/** An event as it goes over the wire. The protocol's readers take a space after the colon for data. */
export const sseEvent = (name: string, data: string): string =>
  `event: ${name}\n${data
    .split(/\r\n|\r|\n/)
    .map((line) => (line.startsWith(" ") ? `data: ${line}` : `data:${line}`))
    .join("\n")}\n\n`;

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);
