/* What a check of an export found. */
import type { Mismatch } from "./chain.ts";
import type { Rotation } from "./keys.ts";

export interface ExportReport {
  readonly valid: boolean;
  readonly organization_id: string | null;
  /** The one stream that a partial export holds (it says nothing of the others); null for a whole log. */
  readonly only_stream: string | null;
  readonly events: number;
  readonly streams: number;
  readonly erased: number;
  readonly checkpoints: number;
  /** Position up to which a valid checkpoint vouches; null when none does. */
  readonly covered_to: number | null;
  /** Events that no valid checkpoint vouches for. */
  readonly uncovered: number;
  /** Ids of the keys whose signatures were valid. */
  readonly signed_by: readonly string[];
  /** How the keys that were given led to those that signed. */
  readonly rotations: readonly Rotation[];
  /** What was erased on record, by whom and why. */
  readonly redactions: readonly Redaction[];
  readonly first_mismatch: Mismatch | null;
  /** Everything else that is wrong, in plain sentences, each naming its place. */
  readonly problems: readonly string[];
}

export interface Redaction {
  readonly stream: string;
  readonly seq: number;
  readonly target_event_id: string;
  readonly by: string;
  readonly at: string;
  readonly reason: string;
  readonly level: string;
  /** Content that was erased with it, by its hash. */
  readonly content: readonly string[];
}

/** Problems beyond this many are counted, not told. */
const MAX_PROBLEMS = 20;

export class Findings {
  firstMismatch: Mismatch | null = null;
  private readonly problems: string[] = [];
  private untold = 0;

  problem(text: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(text);
    else this.untold++;
  }
  mismatch(found: Mismatch): void {
    this.firstMismatch ??= found;
    this.problem(`${found.stream} ${found.seq}: ${found.kind}`);
  }
  isNone(): boolean {
    return this.firstMismatch === null && this.problems.length === 0;
  }
  told(): readonly string[] {
    return this.untold === 0 ? this.problems : [...this.problems, `and ${this.untold} more`];
  }
}
