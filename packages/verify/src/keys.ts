/*
 * Which keys may be believed, beginning with those that somebody was given: a key that is believed
 * hands over to the next by a *rotation*, a signed note (c2sp.org/signed-note) of both keys.
 *
 *   signalbox/ws_dev                               origin, as of checkpoints
 *   key rotation                                   never a checkpoint: those have a number here
 *   signalbox/ws_dev+1a2b3c4d+Af…                  the next key
 *   position 4711                                  where the log stood
 *   time 2030-01-01T12:00:00.000Z
 *
 *   — signalbox/ws_dev <signature of the key that hands over>
 *   — signalbox/ws_dev <signature of the next key: whoever names it also has it>
 *
 * So the first key is enough, however often it was rotated; and a key that merely stands in the place
 * of another, which no rotation leads to, was *replaced* and is not believed.
 */
import { formatKey, noteParts, parseKey, signedNote, type VerifierKey } from "./note.ts";
import { utf8, type Primitives } from "./primitives.ts";

export interface Rotation {
  readonly from: string;
  readonly to: string;
  readonly position: number;
  readonly time: string;
}
interface Statement {
  readonly origin: string;
  readonly next: VerifierKey;
  readonly position: number;
  readonly time: string;
}

export const rotationText = (of: Statement): string =>
  `${of.origin}\nkey rotation\n${formatKey(of.next)}\nposition ${of.position}\ntime ${of.time}\n`;

/** Both signatures are Ed25519 over `text`. */
export const rotationNote = (
  text: string,
  from: { readonly key: VerifierKey; readonly signature: Uint8Array },
  to: { readonly key: VerifierKey; readonly signature: Uint8Array },
): string => `${signedNote(text, from.key, from.signature)}${signedNote("", to.key, to.signature).slice(1)}`;

/** Grows with the rotations that it is shown, and only by those that a key in it signed. */
export class TrustedKeys {
  readonly rotations: Rotation[] = [];
  private readonly known: VerifierKey[];
  private readonly notes = new Set<string>();
  /** Shown, but not (yet) signed by a key that is believed. */
  private readonly open = new Map<string, Statement>();
  private readonly primitives: Primitives;

  constructor(primitives: Primitives, given: readonly VerifierKey[]) {
    this.primitives = primitives;
    this.known = [...given];
  }
  get keys(): readonly VerifierKey[] {
    return this.known;
  }
  /** How a key that is not believed got where it was found; null when nothing at all speaks of it. */
  claimOf(keyId: string): string | null {
    const note = [...this.open].find(([, statement]) => statement.next.id === keyId)?.[0];
    return note === undefined ? null : "a rotation names it that no key which is believed has signed";
  }

  /** Returns what is wrong with the note itself; one of a key that is not known yet is kept until it is. */
  async learn(note: string): Promise<string | null> {
    if (this.notes.has(note)) return null;
    this.notes.add(note);
    const statement = await this.parse(note);
    if (statement === null) return "it is not a rotation of a key";
    this.open.set(note, statement);
    for (let grew = true; grew;) {
      grew = false;
      for (const [text, each] of this.open) {
        const by = await this.signerOf(text, each);
        if (by === null) continue;
        if (typeof by === "string") {
          this.open.delete(text);
          return by;
        }
        this.open.delete(text);
        const other = this.rotations.find(({ from, to }) => from === by.id && to !== each.next.id);
        if (other !== undefined) return `key ${by.id} was handed over twice, to ${other.to} and to ${each.next.id}`;
        if (!this.known.some(({ id, name }) => id === each.next.id && name === each.next.name)) this.known.push(each.next);
        this.rotations.push({ from: by.id, to: each.next.id, position: each.position, time: each.time });
        grew = true;
      }
    }
    return null;
  }

  /** Null: by nobody who is believed. A text: by one, but wrongly. */
  private async signerOf(note: string, { origin, next }: Statement): Promise<VerifierKey | string | null> {
    const { text, signatures } = noteParts(note)!;
    let by: VerifierKey | null = null;
    let bySelf = false;
    for (const { name, id, signature } of signatures) {
      if (id === next.id && name === next.name) {
        bySelf = await this.primitives.verifyEd25519(next.publicKey, utf8(text), signature);
        continue;
      }
      const key = this.known.find((candidate) => candidate.id === id && candidate.name === name);
      if (key === undefined) continue;
      if (!(await this.primitives.verifyEd25519(key.publicKey, utf8(text), signature)))
        return `the rotation to key ${next.id} has a signature of key ${id} that does not fit its text`;
      by = key;
    }
    if (by === null) return null;
    if (by.name !== origin || next.name !== origin) return `the rotation to key ${next.id} is not for ${by.name}`;
    return bySelf ? by : `the rotation to key ${next.id} is not signed by that key itself`;
  }

  private async parse(note: string): Promise<Statement | null> {
    const parts = noteParts(note);
    const [origin, what, key, position, time] = parts?.text.split("\n") ?? [];
    const at = /^position (\d{1,15})$/.exec(position ?? "")?.[1];
    const when = /^time (\S+)$/.exec(time ?? "")?.[1];
    if (!origin || what !== "key rotation" || key === undefined || at === undefined || when === undefined) return null;
    try {
      return { origin, next: await parseKey(this.primitives, key), position: Number(at), time: when };
    } catch {
      return null; // Not a key: the caller says what was expected.
    }
  }
}
