/* The title that what runs in a terminal gives it: `ESC ] 0 ; title BEL` (or 2, or ended by `ESC \`). Data from inside. */
const MOST = 200;
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const TITLE = /\u001b\][02];([^\u0007\u001b]{0,400})(?:\u0007|\u001b\\)/g;
// oxlint-disable-next-line no-control-regex -- the same
const UNFINISHED = /\u001b(?:\][^\u0007\u001b]{0,400}\u001b?)?$/;

export class TitleReader {
  #held = "";

  /** The newest title in these bytes, if they have one. */
  push(bytes: Buffer): string | null {
    // Most output has none, and is not looked at further.
    if (this.#held === "" && !bytes.includes(0x1b)) return null;
    const text = this.#held + bytes.toString("utf8");
    let title: string | null = null;
    for (const [, said = ""] of text.matchAll(TITLE)) title = clean(said);
    this.#held = UNFINISHED.exec(text)?.[0] ?? "";
    return title === "" ? null : title;
  }
}

const clean = (said: string): string => said.replaceAll(/\p{C}/gu, "").trim().slice(0, MOST);
