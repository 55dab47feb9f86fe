/*
 * Redaction of text that arrives in pieces. A secret may be cut anywhere, so what could be the beginning of one is
 * held back until the next piece (or the end) shows what it is; everything else goes out at once.
 *
 * The promise, tested by property: however a text is cut, the pieces that come out, joined, are exactly what the
 * log's scanner makes of the whole. So what was streamed and what is recorded afterwards are the same text.
 *
 * `scanned ─ emitted ─ safe ─ held back`: everything before `cut` is forgotten; between `cut` and `emitted` raw text
 * is kept as context, because some rules look behind (`Bearer …`, `https://user:…@`).
 */
import type { KnownSecret, Scanner } from "@signalbox/eventlog/dlp";

/** More than any rule looks behind or matches, except a private key, which is never cut. */
const CONTEXT = 2048;

export class RedactingText {
  readonly #scan: (text: string) => string;
  readonly #needles: readonly string[];
  #window = "";
  /** Length of the redacted form of the window that was given out already. */
  #given = 0;

  constructor(scanner: Scanner, organizationId: string, secrets: readonly KnownSecret[] = []) {
    this.#scan = (text) => scanner.scanText(organizationId, text).text;
    this.#needles = secrets
      .flatMap(({ value }) => [
        value,
        encodeURIComponent(value.toWellFormed()),
        Buffer.from(value).toString("base64"),
        Buffer.from(value).toString("base64url"),
      ])
      .toSorted((a, b) => b.length - a.length);
  }

  /** What may be shown now; empty when all of it is held back. */
  push(delta: string): string {
    this.#window += delta;
    return this.#give(safeLength(this.#window, this.#needles));
  }

  /** The rest, when nothing more comes. */
  end(): string {
    return this.#give(this.#window.length);
  }

  #give(safe: number): string {
    const redacted = this.#scan(this.#window.slice(0, safe));
    const out = redacted.slice(this.#given);
    this.#given = Math.max(this.#given, redacted.length);
    // Forget what no rule can reach any more. A blank is never inside a match but of a private key or after "bearer".
    if (safe > 4 * CONTEXT) {
      const blank = this.#window.lastIndexOf("\n", safe - CONTEXT);
      if (
        blank > 0 &&
        !/bearer\s*$/i.test(this.#window.slice(blank - 16, blank + 1)) &&
        !this.#window.slice(0, safe).includes("PRIVATE KEY")
      ) {
        this.#given = this.#scan(this.#window.slice(0, safe)).length - this.#scan(this.#window.slice(0, blank)).length;
        this.#window = this.#window.slice(blank);
      }
    }
    return out;
  }
}

/** What every pattern of the scanner begins with, as far as it may have got at the end of a text. */
const BEGINNINGS = [
  "sk-",
  "ghp_",
  "gho_",
  "ghu_",
  "ghs_",
  "ghr_",
  "github_pat_",
  "glpat-",
  "AKIA",
  "ASIA",
  "xox",
  "AIza",
  "sk_",
  "rk_",
  "npm_",
  "sb",
  "eyJ",
];

/** Length of the beginning that no later text can turn into part of a match. */
export function safeLength(raw: string, needles: readonly string[]): number {
  // As the scanner does it: known secrets first, and the marker's "]" is what a pattern then sees before itself.
  const text = needles.reduce(
    (masked, needle) => (masked.includes(needle) ? masked.replaceAll(needle, "]".repeat(needle.length)) : masked),
    raw,
  );
  let safe = text.length;
  const hold = (from: number): void => {
    if (from < safe) safe = from;
  };
  const tokens = /[A-Za-z0-9_-]+$/.exec(text);
  if (tokens !== null) holdToken(text, tokens.index, hold);
  // JSON web tokens go on over dots.
  const jwt = /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_.-]*$/.exec(text);
  if (jwt !== null) hold(jwt.index);
  // `scheme://user:password` until the "@", or what shows that there is none.
  const url = /[a-z][a-z0-9+.-]*:\/\/[^\s/:@]{0,256}:[^\s/:@]{0,256}@?$/i.exec(text);
  if (url !== null) hold(url.index);
  const bearer = /bearer(\s{1,8}[A-Za-z0-9._~+/=-]*)?$/i.exec(text) ?? /(?<![A-Za-z0-9])b(e(a(r(er?)?)?)?)?$/i.exec(text);
  if (bearer !== null) hold(bearer.index);
  const key =
    /-----BEGIN [A-Z0-9 ]*(PRIVATE KEY(?: BLOCK)?-----(?![\s\S]*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)[\s\S]*)?$/.exec(text) ??
    /-----BEGIN [A-Z0-9 ]*-{0,5}$/.exec(text);
  if (key !== null) hold(key.index);
  const dashes = /-{1,5}(B(E(G(IN?)?)?)?)?$/.exec(text);
  if (dashes !== null) hold(dashes.index);
  for (const needle of needles) hold(text.length - overlap(text, needle));
  // What is cut off must not make a match of what is left: rules look at what surrounds a word, so it stays whole.
  if (safe < text.length) while (safe > 0 && !/\s/.test(text[safe - 1]!)) safe--;
  return safe;
}

function holdToken(text: string, index: number, hold: (from: number) => void): void {
  // A rule may begin anywhere after something that is neither letter nor digit, also within the word (`x-sk-…`).
  for (let i = index; i < text.length; i++) {
    if (i > 0 && /[A-Za-z0-9]/.test(text[i - 1]!)) continue;
    const rest = text.slice(i);
    if (BEGINNINGS.some((beginning) => rest.startsWith(beginning) || beginning.startsWith(rest))) {
      hold(i);
      return;
    }
  }
}

/** Length of the longest end of `text` that is a proper beginning of `needle`. */
function overlap(text: string, needle: string): number {
  for (let length = Math.min(needle.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(needle.slice(0, length))) return length;
  }
  return 0;
}
