/*
 * The way out of a terminal that takes every key: `~.` at the start of a line, as ssh has it. `~~` is one `~`.
 *
 *   line start ──~──► held ──.──► leave
 *        ▲              └─ anything else ─► sent with the ~ (a second ~ alone)
 *   CR or LF ◄── inside a line
 */
const TILDE = 0x7e;
const DOT = 0x2e;
const isLineEnd = (byte: number): boolean => byte === 0x0d || byte === 0x0a;

export class EscapeReader {
  #state: "start" | "held" | "inside" = "start";

  /** What is to be sent on, and whether the person wants to leave; what follows that is dropped. */
  push(typed: Buffer): { readonly send: Buffer; readonly leave: boolean } {
    const send: number[] = [];
    for (const byte of typed) {
      if (this.#state === "held") {
        if (byte === DOT) return { send: Buffer.from(send), leave: true };
        if (byte !== TILDE) send.push(TILDE);
      } else if (this.#state === "start" && byte === TILDE) {
        this.#state = "held";
        continue;
      }
      send.push(byte);
      this.#state = isLineEnd(byte) ? "start" : "inside";
    }
    return { send: Buffer.from(send), leave: false };
  }
}
