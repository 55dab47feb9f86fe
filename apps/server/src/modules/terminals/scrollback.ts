/* The last bytes of a terminal's output, addressed by their number since it was opened. */
export class Scrollback {
  readonly #most: number;
  #chunks: Buffer[] = [];
  #start = 0;
  #end = 0;

  /** `from`: number of the first byte that will be pushed. */
  constructor(mostBytes: number, from: number) {
    this.#most = mostBytes;
    this.#start = this.#end = from;
  }

  get start(): number {
    return this.#start;
  }
  get end(): number {
    return this.#end;
  }

  push(bytes: Buffer): void {
    const last = this.#chunks.at(-1);
    // Single keystrokes come back as single bytes: gathered, or each would carry a whole chunk's overhead.
    if (last !== undefined && last.length + bytes.length <= 4096) this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, bytes]);
    else this.#chunks.push(bytes);
    this.#end += bytes.length;
    while (this.#end - this.#start > this.#most) {
      const first = this.#chunks[0]!;
      const over = this.#end - this.#start - this.#most;
      if (first.length <= over) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(over);
      this.#start += Math.min(first.length, over);
    }
  }

  /** At most `most` bytes from number `from` on, which must not be below `start`. */
  slice(from: number, most: number): Buffer {
    const parts: Buffer[] = [];
    let held = 0;
    let at = this.#start;
    for (const chunk of this.#chunks) {
      if (held === most) break;
      if (from < at + chunk.length) {
        const part = chunk.subarray(Math.max(from - at, 0)).subarray(0, most - held);
        parts.push(part);
        held += part.length;
      }
      at += chunk.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, held);
  }
}
