/*
 * Texts by their bytes, numbered from 0 in the order in which they were first seen. For the many short names of a log
 * (ids, subjects, streams), which are slices of what was read: a JavaScript string and a place in a `Map` for each of
 * 50,000 events took 1.0–1.5 µs an event, most of it for the collector; this takes 0.3–0.8, on a busy machine.
 *
 *   slots    open addressing, 0 is free, else number + 1
 *   hashes   by number: what differs there needs no look at the bytes
 *   ends     by number: where its bytes end in `kept`, and the next one's begin
 */
export class ByteTable {
  size = 0;
  private slots = new Int32Array(1024);
  private hashes = new Int32Array(512);
  private ends = new Float64Array(513);
  private kept = new Uint8Array(16 * 1024);
  /** Whoever writes a file for us to check does not know which names fall together. */
  private readonly seed = Math.floor(Math.random() * 0x1_0000_0000);

  /** The number of the text that lies there; a new one when it was never seen, which `size` tells. */
  numberOf(bytes: Uint8Array, from: number, to: number): number {
    const hash = this.hashOf(bytes, from, to);
    const mask = this.slots.length - 1;
    let slot = hash & mask;
    for (let there = this.slots[slot]!; there !== 0; there = this.slots[slot]!) {
      if (this.hashes[there - 1] === hash && this.isAt(there - 1, bytes, from, to)) return there - 1;
      slot = (slot + 1) & mask;
    }
    this.slots[slot] = this.size + 1;
    return this.keep(hash, bytes, from, to);
  }

  private keep(hash: number, bytes: Uint8Array, from: number, to: number): number {
    const number = this.size++;
    const start = this.ends[number]!;
    const end = start + to - from;
    if (end > this.kept.length) this.kept = grown(this.kept, new Uint8Array(Math.max(this.kept.length * 2, end)));
    for (let i = from; i < to; i++) this.kept[start + i - from] = bytes[i]!;
    this.hashes[number] = hash;
    this.ends[number + 1] = end;
    if (this.size === this.hashes.length) this.grow();
    return number;
  }

  private isAt(number: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.ends[number]!;
    if (this.ends[number + 1]! - start !== to - from) return false;
    for (let i = from; i < to; i++) if (this.kept[start + i - from] !== bytes[i]) return false;
    return true;
  }

  private hashOf(bytes: Uint8Array, from: number, to: number): number {
    let hash = this.seed | 0;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x0100_0193);
    return hash ^ (hash >>> 15);
  }

  private grow(): void {
    this.hashes = grown(this.hashes, new Int32Array(this.hashes.length * 2));
    this.ends = grown(this.ends, new Float64Array(this.hashes.length + 1));
    this.slots = new Int32Array(this.slots.length * 2);
    const mask = this.slots.length - 1;
    for (let number = 0; number < this.size; number++) {
      let slot = this.hashes[number]! & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = number + 1;
    }
  }
}

function grown<Numbers extends { set(from: Numbers): void }>(from: Numbers, larger: Numbers): Numbers {
  larger.set(from);
  return larger;
}
