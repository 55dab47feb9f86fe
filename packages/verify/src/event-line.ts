/*
 * An event's line read from its bytes, when it is written as the log writes it: each name once, in this order, no
 * spaces, no escapes but in `header` and `data`, and these without \u.
 *
 *   {"kind":"event","position":N,"stream":{"type","id"},"seq":N,"recorded_at","header","data","salt","prev_hash","hash"}
 *
 * and in `header`, RFC 8785 as eventlog/envelope.ts makes it, [] where it may be absent:
 *
 *   {["causation_id",]"correlation_id","data_hash","event_id",["idempotency_key",]"occurred_at","organization_id",
 *    "principal":{"id","type"},"redaction",["room_id",]["run_id",]["session_id",]["step_id",]"stream":{"id","type"},
 *    "subject","subject_version":N,["thread_id",]"type","version":N,"zone"}
 *
 * What fits means to JSON.parse what is found here, since nothing in it can be read in another way; all else is not
 * read at all, and left to JSON.parse. Bytes that are no UTF-8 would hash as they are here and as U+FFFD there: whoever
 * calls has made sure that there are none.
 *
 * By JSON.parse of the line and of its header, strings and maps an event took twice as long in all (`bench/evidence.ts`).
 */
import { BACKSLASH, digits, numberIn, past, plain, QUOTE, same, skip, SPACE } from "./byte-steps.ts";
import { utf8 } from "./primitives.ts";

export class EventLine {
  position = 0;
  seq = 0;
  subjectVersion = 0;
  /** What is hashed: 0x00 and the header's text; the salt and the text of data. */
  header = new Uint8Array(4096);
  headerEnd = 0;
  data = new Uint8Array(4096);
  dataEnd = 0;

  /** Places in the bytes that were read. */
  typeAt = 0;
  typeEnd = 0;
  idAt = 0;
  idEnd = 0;
  /** 64 lowercase digits, if they are what they must be equal to. */
  prevHashAt = 0;
  hashAt = 0;

  /** Places in `header`. */
  dataHashAt = 0;
  eventIdAt = 0;
  eventIdEnd = 0;
  organizationAt = 0;
  organizationEnd = 0;
  subjectAt = 0;
  subjectEnd = 0;
  eventTypeAt = 0;
  eventTypeEnd = 0;

  private written = 0;

  /** Where the next line begins; -1 when this one is of another form. */
  read(bytes: Uint8Array, from: number): number {
    // The texts of a line are never longer than the line.
    if (this.header.length <= bytes.length)
      [this.header, this.data] = [new Uint8Array(bytes.length + 64), new Uint8Array(bytes.length + 64)];
    let begin = past(bytes, from, POSITION);
    let at = digits(bytes, begin);
    this.position = numberIn(bytes, begin, at);
    this.typeAt = past(bytes, at, STREAM_TYPE);
    this.typeEnd = plain(bytes, this.typeAt);
    this.idAt = past(bytes, this.typeEnd, STREAM_ID);
    this.idEnd = plain(bytes, this.idAt);
    begin = past(bytes, this.idEnd, SEQ);
    at = digits(bytes, begin);
    this.seq = numberIn(bytes, begin, at);
    at = this.text(bytes, past(bytes, plain(bytes, past(bytes, at, RECORDED_AT)), HEADER), this.header, 1);
    this.headerEnd = this.written;
    at = this.text(bytes, past(bytes, at, DATA), this.data, 32);
    this.dataEnd = this.written;
    at = salt(bytes, past(bytes, at, SALT), this.data);
    this.prevHashAt = past(bytes, at, PREV_HASH);
    this.hashAt = past(bytes, skip(this.prevHashAt, 64), HASH);
    at = past(bytes, skip(this.hashAt, 64), END);
    return at >= 0 && this.readHeader(bytes) ? at : -1;
  }

  /** Beyond the end of the header stands what was there before: no place counts but in a header that was read to exactly its end. */
  private readHeader(bytes: Uint8Array): boolean {
    const { header } = this;
    let at = optional(header, past(header, 1, OPEN), CAUSATION_ID);
    this.dataHashAt = past(header, plain(header, past(header, at, CORRELATION_ID)), DATA_HASH);
    this.eventIdAt = past(header, skip(this.dataHashAt, 64), EVENT_ID);
    this.eventIdEnd = plain(header, this.eventIdAt);
    at = optional(header, past(header, this.eventIdEnd, NEXT), IDEMPOTENCY_KEY);
    at = plain(header, past(header, at, OCCURRED_AT));
    this.organizationAt = past(header, at, ORGANIZATION_ID);
    this.organizationEnd = plain(header, this.organizationAt);
    at = plain(header, past(header, this.organizationEnd, PRINCIPAL_ID));
    at = plain(header, past(header, at, PRINCIPAL_TYPE));
    at = past(header, plain(header, past(header, at, REDACTION)), NEXT);
    for (const name of PLACES) at = optional(header, at, name);
    at = same(header, past(header, at, OWN_STREAM_ID), bytes, this.idAt, this.idEnd);
    at = same(header, past(header, at, OWN_STREAM_TYPE), bytes, this.typeAt, this.typeEnd);
    this.subjectAt = past(header, at, SUBJECT);
    this.subjectEnd = plain(header, this.subjectAt);
    const version = past(header, this.subjectEnd, SUBJECT_VERSION);
    at = digits(header, version);
    this.subjectVersion = numberIn(header, version, at);
    at = optional(header, past(header, at, COMMA), THREAD_ID);
    this.eventTypeAt = past(header, at, TYPE);
    this.eventTypeEnd = plain(header, this.eventTypeAt);
    at = digits(header, past(header, this.eventTypeEnd, VERSION));
    return past(header, plain(header, past(header, at, ZONE)), CLOSE) === this.headerEnd;
  }

  /** What a JSON string holds, put into `out`; returns where its closing quote is. */
  private text(bytes: Uint8Array, from: number, out: Uint8Array, into: number): number {
    if (from < 0) return -1;
    let to = into;
    for (let at = from; at < bytes.length; at++) {
      let byte = bytes[at]!;
      if (byte === QUOTE) {
        this.written = to;
        return at;
      }
      if (byte < SPACE) return -1;
      if (byte === BACKSLASH) {
        byte = at + 1 < bytes.length ? ESCAPED[bytes[++at]!]! : 0;
        if (byte === 0) return -1;
      }
      out[to++] = byte;
    }
    return -1;
  }
}

/** After `name`, its text and the comma; where it was when the name is another. */
function optional(bytes: Uint8Array, at: number, name: Uint8Array): number {
  const value = past(bytes, at, name);
  return value < 0 ? at : past(bytes, plain(bytes, value), NEXT);
}

/** Puts the 32 bytes that stand there in base64 into `out`; returns where the closing quote is. */
function salt(bytes: Uint8Array, from: number, out: Uint8Array): number {
  if (from < 0 || bytes.length - from < 44 || bytes[from + 43] !== EQUALS) return -1;
  let wrong = 0;
  for (let i = 0, to = 0; i < 44; i += 4, to += 3) {
    const [a, b, c] = [SIXTY_FOUR[bytes[from + i]!]!, SIXTY_FOUR[bytes[from + i + 1]!]!, SIXTY_FOUR[bytes[from + i + 2]!]!];
    const d = i === 40 ? 0 : SIXTY_FOUR[bytes[from + i + 3]!]!;
    wrong |= a | b | c | (i === 40 ? (c & 3) << 6 : d);
    out[to] = (a << 2) | (b >> 4);
    out[to + 1] = (b << 4) | (c >> 2);
    if (to + 2 < 32) out[to + 2] = (c << 6) | d;
  }
  return wrong < 64 ? from + 44 : -1;
}

const EQUALS = 0x3d;

const POSITION = utf8('{"kind":"event","position":');
const STREAM_TYPE = utf8(',"stream":{"type":"');
const STREAM_ID = utf8('","id":"');
const SEQ = utf8('"},"seq":');
const RECORDED_AT = utf8(',"recorded_at":"');
const HEADER = utf8('","header":"');
const DATA = utf8('","data":"');
const SALT = utf8('","salt":"');
const PREV_HASH = utf8('","prev_hash":"sha256:');
const HASH = utf8('","hash":"sha256:');
const END = utf8('"}\n');

const OPEN = utf8("{");
const NEXT = utf8('",');
const COMMA = utf8(",");
const CAUSATION_ID = utf8('"causation_id":"');
const CORRELATION_ID = utf8('"correlation_id":"');
const DATA_HASH = utf8('","data_hash":"sha256:');
const EVENT_ID = utf8('","event_id":"');
const IDEMPOTENCY_KEY = utf8('"idempotency_key":"');
const OCCURRED_AT = utf8('"occurred_at":"');
const ORGANIZATION_ID = utf8('","organization_id":"');
const PRINCIPAL_ID = utf8('","principal":{"id":"');
const PRINCIPAL_TYPE = utf8('","type":"');
const REDACTION = utf8('"},"redaction":"');
const PLACES = ['"room_id":"', '"run_id":"', '"session_id":"', '"step_id":"'].map(utf8);
const OWN_STREAM_ID = utf8('"stream":{"id":"');
const OWN_STREAM_TYPE = utf8('","type":"');
const SUBJECT = utf8('"},"subject":"');
const SUBJECT_VERSION = utf8('","subject_version":');
const THREAD_ID = utf8('"thread_id":"');
const TYPE = utf8('"type":"');
const VERSION = utf8('","version":');
const ZONE = utf8(',"zone":"');
const CLOSE = utf8('"}');

const SIXTY_FOUR = new Uint8Array(256).fill(255);
for (const [value, byte] of utf8("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").entries()) SIXTY_FOUR[byte] = value;
/** What stands for what after a backslash; 0 for what is none, and for \u. */
const ESCAPED = new Uint8Array(256);
for (const [of, byte] of Object.entries({ '"': 0x22, "\\": 0x5c, "/": 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 }))
  ESCAPED[of.charCodeAt(0)] = byte;
