/*
 * git's pkt-line framing (gitprotocol-common(5)) and the two messages of a push
 * (gitprotocol-pack(5)): the commands that the client sends, and the report that it waits for.
 */

export interface RefCommand {
  readonly old: string;
  readonly new: string;
  readonly ref: string;
}

export interface PushHeader {
  readonly commands: readonly RefCommand[];
  readonly capabilities: ReadonlySet<string>;
  /** Where the pack begins in the bytes that were parsed. */
  readonly packOffset: number;
}

/** A push has a handful of refs; more than this is not one that a person can judge. */
const MAX_COMMANDS = 20;

/** Whether git itself would take the name (git-check-ref-format(1)), for a branch or a tag that people can read. */
export function isPushableRef(ref: string): boolean {
  if (
    ref.length > 200 ||
    // eslint-disable-next-line no-control-regex -- control characters are what must not be in a name that is shown to a person
    !/^refs\/(heads|tags)\/[^\s\u0000-\u001F\u007F-\u009F\u200B-\u200F\u202A-\u202E\u2060-\u2069~^:?*[\\]+$/.test(ref)
  )
    return false;
  return (
    !ref.includes("..") &&
    !ref.includes("@{") &&
    !ref.endsWith(".") &&
    ref.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"))
  );
}

/** Where the commands end (after their flush), or how far whole lines go and how many bytes the next one needs. */
export function pushHeaderEnd(bytes: Buffer, from: number): number | { at: number; needs: number } {
  for (let at = from; ;) {
    if (bytes.length < at + 4) return { at, needs: at + 4 };
    const size = sizeAt(bytes, at);
    if (size === 0) return at + 4;
    if (bytes.length < at + size) return { at, needs: at + size };
    at += size;
  }
}

function sizeAt(bytes: Buffer, at: number): number {
  const digits = bytes.toString("latin1", at, at + 4);
  const size = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
  if (size !== 0 && (size < 5 || size > 65_520)) throw new Error("not a pkt-line");
  return size;
}

/**
 * Reads the commands before the pack. `incomplete`: more bytes are needed. Throws on anything that
 * git would not send.
 */
export function parsePushHeader(bytes: Buffer): PushHeader | "incomplete" {
  const commands: RefCommand[] = [];
  let capabilities = new Set<string>();
  let at = 0;
  for (;;) {
    if (bytes.length < at + 4) return "incomplete";
    const size = sizeAt(bytes, at);
    if (size === 0) return { commands, capabilities, packOffset: at + 4 };
    if (bytes.length < at + size) return "incomplete";
    let line = bytes.toString("utf8", at + 4, at + size);
    at += size;
    const nul = line.indexOf("\0");
    if (nul >= 0) {
      if (commands.length === 0)
        capabilities = new Set(
          line
            .slice(nul + 1)
            .trim()
            .split(" "),
        );
      line = line.slice(0, nul);
    }
    line = line.replace(/\n$/, "");
    if (line.startsWith("shallow ")) continue;
    const match = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.+)$/.exec(line);
    if (match === null) throw new Error("not a ref update command");
    commands.push({ old: match[1]!, new: match[2]!, ref: match[3]! });
    if (commands.length > MAX_COMMANDS) throw new Error(`more than ${MAX_COMMANDS} refs in one push`);
  }
}

export const pktLine = (text: string | Buffer): Buffer => {
  const body = Buffer.isBuffer(text) ? text : Buffer.from(text);
  return Buffer.concat([Buffer.from((body.length + 4).toString(16).padStart(4, "0")), body]);
};
export const FLUSH = Buffer.from("0000");

/** Side-band 2: shown to the person (or agent) at the terminal as `remote: …`. */
export const progressLine = (text: string): Buffer => pktLine(Buffer.concat([Buffer.of(2), Buffer.from(`${text}\n`)]));

export type RefReport = { readonly ref: string; readonly ok: true } | { readonly ref: string; readonly ok: false; readonly reason: string };

/** A pkt-line holds 65520 bytes, four of them its length and one the band. */
const MAX_BAND_BYTES = 65_515;

/** The closing report-status, inside side-band 1 when the client asked for side-bands. */
export function report(unpack: string, refs: readonly RefReport[], sideBand: boolean): Buffer {
  const lines = [
    pktLine(`unpack ${unpack}\n`),
    ...refs.map((r) => pktLine(r.ok ? `ok ${r.ref}\n` : `ng ${r.ref} ${r.reason.replaceAll("\n", " ")}\n`)),
    FLUSH,
  ];
  const body = Buffer.concat(lines);
  if (!sideBand) return body;
  const packets: Buffer[] = [];
  for (let at = 0; at < body.length; at += MAX_BAND_BYTES)
    packets.push(pktLine(Buffer.concat([Buffer.of(1), body.subarray(at, at + MAX_BAND_BYTES)])));
  return Buffer.concat([...packets, FLUSH]);
}
