/*
 * An export as far as it was read: what its header says of it, and where each stream stands. An event is read in one of
 * two ways, each of which goes on from here and leaves it as the other would: `event-in-place.ts`, `event-checks.ts`.
 */
import { ByteTable } from "./byte-table.ts";
import { hashText, putHex, utf8 } from "./primitives.ts";

/** A stream as far as it was checked. */
export interface Stream {
  seq: number;
  /** In hex. */
  hash: string;
  /** Where the first of it that is here stands. */
  readonly first: number;
  /** Where the hashes of its events are kept, from the first on. */
  readonly kept: number[];
  isBroken: boolean;
}
const GENESIS = "0".repeat(64);

export class ExportState {
  organization: string | null = null;
  /** The whole log of the organization, every stream from its beginning. */
  isComplete = true;
  /** Of an export that is not complete: "" when it does not say. */
  onlyStream: string | null = null;
  /** Streams of which only some events are there. */
  readonly parts = new Set<string>();

  lines = 0;
  events = 0;
  lastPosition = 0;
  /** Its last line was read. */
  isEnded = false;

  readonly streams = new Map<string, Stream>();
  readonly eventIds = new ByteTable();
  readonly subjects = new ByteTable();
  /** By the number of the subject. */
  readonly versions: number[] = [];
  private readonly hashes = hashStore();

  /** One that begins with its first event. */
  streamNamed(name: string): Stream {
    let state = this.streams.get(name);
    if (state === undefined) this.streams.set(name, (state = streamFrom(1)));
    return state;
  }

  advance(stream: Stream, seq: number, hash: string): void {
    stream.seq = seq;
    stream.hash = hash;
    stream.kept.push(this.hashes.keep(hash));
  }

  /** `sha256:<hex>`; null where the export has nothing. */
  hashAt(stream: Stream | undefined, seq: number): string | null {
    if (stream === undefined || seq < stream.first || seq > stream.seq) return null;
    return seq === stream.seq ? `sha256:${stream.hash}` : this.hashes.at(stream.kept[seq - stream.first]!);
  }
}

export const streamFrom = (first: number, hash: string = GENESIS): Stream => ({ seq: first - 1, hash, first, kept: [], isBroken: false });

export function numberOf(table: ByteTable, text: string): number {
  const bytes = utf8(text);
  return table.numberOf(bytes, 0, bytes.length);
}

/** All hashes one after the other, 32 bytes each: a text or a list of bytes for every event is more work for the collector than for us. */
function hashStore() {
  let bytes = new Uint8Array(32 * 1024);
  let count = 0;
  return {
    /** In hex; where it is kept. */
    keep(hash: string): number {
      if (bytes.length < (count + 1) * 32) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      putHex(hash, 0, bytes, count * 32);
      return count++;
    },
    /** `sha256:<hex>` */
    at: (kept: number): string => hashText(bytes.subarray(kept * 32, kept * 32 + 32)),
  };
}
