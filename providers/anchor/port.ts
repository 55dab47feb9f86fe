/*
 * A place outside the log where signed checkpoints are left, so that whoever changes the log later is contradicted by it.
 * Which checkpoints, when again, and the record of it are the caller's (apps/server/src/modules/audit/anchors.ts).
 *
 * Leaving the same checkpoint twice has one effect: a caller that died between the effect and its record tries again.
 * An anchor never replaces what it has under a name: another note there is a finding, not something to mend.
 */
export interface AnchoredCheckpoint {
  readonly organizationId: string;
  /** Of the log: one checkpoint an organization and position. */
  readonly position: number;
  /** Signed note (C2SP). */
  readonly note: string;
  /** JSON of the stream heads it was signed over, kept beside it where there is room. */
  readonly heads: string;
  /** RFC 3339, of the checkpoint: the same at every try. */
  readonly signedAt: string;
}
export interface AnchorPlace {
  readonly organizationId: string;
  readonly position: number;
  /** What `leave` returned. */
  readonly ref: string;
}

export interface Anchor {
  /** Where it is, without credentials; for people. */
  readonly where: string;
  /** Returns what finds it again. Throws `AnchorFailed`. */
  leave(checkpoint: AnchoredCheckpoint): Promise<string>;
  /** As it is there now: the note, or a line of JSON with `note` and `heads`. Null: gone. `read` null: this kind cannot be asked. */
  readonly read: ((place: AnchorPlace) => Promise<string | null>) | null;
  close(): Promise<void>;
}

/** Worth trying again, unless somebody has to act first. Carries no secret. */
export class AnchorFailed extends Error {
  override name = "AnchorFailed";
}
/** Under this name something else lies there already. */
export class AnchorOccupied extends AnchorFailed {
  override name = "AnchorOccupied";
}

export const anchoredLine = ({ note, heads }: Pick<AnchoredCheckpoint, "note" | "heads">): string =>
  `{"note":${JSON.stringify(note)},"heads":${heads}}\n`;

/** `<organization>/<position, ten digits or more>`: sorts as the log goes. */
export function placeName(organizationId: string, position: number): string {
  if (!/^ws_[0-9A-Za-z]{1,40}$/.test(organizationId) || !Number.isSafeInteger(position) || position < 1)
    throw new Error("not the place of a checkpoint");
  return `${organizationId}/${String(position).padStart(10, "0")}`;
}
